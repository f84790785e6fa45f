"""Whether a completion does what its task asks, for tasks on a given text or given words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from tutelage.village import lexicon, reading
from tutelage.village.stories import Event
from tutelage.village.tasks import Task
from tutelage.village.world import World

Check = Callable[[Task, str, World], bool]
MEMBERS: dict[str, tuple[str, ...]] = {
    "animals": tuple(lexicon.ANIMALS),
    "foods": tuple(lexicon.FOODS),
    "crafts": tuple(lexicon.CRAFTS),
    "places": lexicon.PLACES,
    "objects": lexicon.OBJECTS,
    "people": (*lexicon.WOMEN, *lexicon.MEN, *lexicon.STRANGERS),
}
#: Who may do something in a story.
DOERS = (*MEMBERS["people"], *MEMBERS["animals"], *MEMBERS["crafts"])
OPPOSITES = {**lexicon.OPPOSITES, **{value: key for key, value in lexicon.OPPOSITES.items()}}
#: Longest summary, longest label and longest list, in words.
SUMMARY_WORDS, LABEL_WORDS, LIST_WORDS = 16, 12, 20
_NUMBERS = "zero one two three four five six seven eight nine ten".split()
_NEGATION = re.compile(r"\b(?:not|no|never|nobody|neither|nor|cannot)\b|n't\b", re.I)
_ABSENT = re.compile(r"not in the text|not told|says? nothing|text does not|nothing about", re.I)
_SHORT_WORDS = frozenset("a an the".split())


def head(phrase: str) -> str:
    """Return the noun of a noun phrase: "the old goat" gives "goat", "Mira" itself."""
    return phrase.split()[-1]


def denies(text: str) -> bool:
    """Say whether a text says no, not or never anywhere."""
    return _NEGATION.search(text) is not None


def offers_choice(text: str) -> bool:
    """Say whether a text lists alternatives outside its questions, instead of answering."""
    return any(re.search(r"\bor\b", part) and not part.endswith("?") for part in reading.sentences(text))


def others(category: str) -> Iterable[str]:
    """Return the names of all categories but one."""
    return tuple(name for key, names in MEMBERS.items() if key != category for name in names)


def foreign_names(text: str, given: str) -> list[str]:
    """Return the people, animals, objects, places, crafts and foods of a text that the given text does not have."""
    names = tuple(name for members in MEMBERS.values() for name in members)
    return [name for name in reading.mentioned(text, names) if not reading.contains(given, name)]


def _event(task: Task) -> Event:
    return Event(**task.args["event"])


def _same(text: str, wanted: str) -> bool:
    return reading.words(text) == reading.words(wanted)


def _past(task: Task, text: str, _: World) -> bool:
    return _same(text, _event(task).past())


def _polite(task: Task, text: str, _: World) -> bool:
    asked = [
        word for word in reading.words(task.args["command"]) if len(word) > 2 and word not in ("now", "the", "once")
    ]
    politely = re.search(r"\b(?:please|could|would|kindly)\b", text, re.I) is not None
    whole = all(reading.contains(text, word) for word in asked)
    return politely and whole and not denies(text) and len(reading.words(text)) <= len(asked) + 12


def _swap(task: Task, text: str, _: World) -> bool:
    event = Event(**{**task.args["event"], "actor": task.args["to"]})
    return _same(text, event.present()) or _same(text, event.past())


_DEEDS = {form: base for base, (third, past) in lexicon.VERBS.items() for form in (base, third, past)}


def _deeds(text: str) -> list[tuple[int, str]]:
    """Return the village's verbs in a text with their places, in whatever tense."""
    return [(match.start(), _DEEDS[match[0]]) for match in re.finditer(r"\w+", text.lower()) if match[0] in _DEEDS]


def _summary(task: Task, text: str, _: World) -> bool:
    """One short sentence that names doer and thing, and tells no deed that the passage does not tell."""
    event = _event(task)
    if len(reading.sentences(text)) != 1 or len(reading.words(text)) > SUMMARY_WORDS or denies(text):
        return False
    told, passage = _deeds(text), {base for _, base in _deeds(task.args["text"])}
    doer = head(event.actor)
    for place, base in told:
        before = text[:place]
        if base not in passage:
            return False
        active = re.search(r"\b(?:was|were) $", before) is None
        if base == event.verb and active and doer not in reading.mentioned(before, DOERS):
            return False
    return reading.contains(text, doer) and reading.contains(text, event.thing)


def _label(text: str, right: str, wrong: list[str]) -> bool:
    named = reading.contains(text, right) and not reading.mentioned(text, wrong)
    return named and not denies(text) and not offers_choice(text) and len(reading.words(text)) <= LABEL_WORDS


def _classify_review(task: Task, text: str, _: World) -> bool:
    good, bad = task.args["labels"]
    return _label(text, good if task.args["good"] else bad, [bad if task.args["good"] else good])


def _classify_kind(task: Task, text: str, _: World) -> bool:
    label, word = task.args["label"], task.args["word"]
    names = (*MEMBERS["animals"], *MEMBERS["foods"], *MEMBERS["places"])
    foreign = [name for name in reading.mentioned(text, names) if name != word]
    return not foreign and _label(text, label, [kind for kind in ("animal", "food", "place") if kind != label])


def _classify_tone(task: Task, text: str, _: World) -> bool:
    right, wrong = ("polite", "rude") if task.args["polite"] else ("rude", "polite")
    return _label(text, right, [wrong, f"im{right}"])


def _sort(task: Task, text: str, _: World) -> bool:
    wanted = sorted(word.lower() for word in task.args["words"])
    said = reading.words(text)
    foreign = [name for name in reading.mentioned(text, lexicon.OBJECTS) if name not in wanted]
    return [word for word in said if word in wanted] == wanted and not foreign and len(said) <= len(wanted) + 8


def _opposite(task: Task, text: str, _: World) -> bool:
    word = task.args["word"]
    right = OPPOSITES[word]
    foreign = [other for other in reading.mentioned(text, tuple(OPPOSITES)) if other not in (word, right)]
    if foreign or not reading.contains(text, right) or denies(text) or offers_choice(text):
        return False
    turned = re.search(rf"opposite of {right}\b.*\bis {word}\b", text, re.I)
    return turned is None and len(reading.words(text)) <= LABEL_WORDS


def _count(task: Task, text: str, _: World) -> bool:
    said = [_NUMBERS.index(word) if word in _NUMBERS else int(word) for word in reading.words(text)
            if word in _NUMBERS or word.isdigit()]  # fmt: skip
    return said == [task.args["n"]] and not denies(text)


def _closed(task: Task, text: str, _: World) -> bool:
    """One sentence with what was asked for, and no other doer, deed, thing or spot, no "or" and no "not"."""
    event, answer = _event(task), str(task.args["answer"])
    if len(reading.sentences(text)) != 1 or denies(text) or offers_choice(text):
        return False
    if any(name != head(event.actor) for name in reading.mentioned(text, DOERS)):
        return False
    if any(name != event.thing for name in reading.mentioned(text, lexicon.OBJECTS)):
        return False
    if any(base != event.verb for _, base in _deeds(text)):
        return False
    if task.kind == "where":
        return reading.contains(text, answer) and not any(
            spot in text.lower() for spot in lexicon.SPOTS if spot != event.spot
        )
    if task.kind == "what":
        described = [word for word in reading.words(text) if word in lexicon.ADJECTIVES]
        return reading.contains(text, head(answer)) and set(described) <= {event.adjective}
    return reading.contains(text, head(answer))


def _absent(_: Task, text: str, __: World) -> bool:
    return reading.admits_ignorance(text) or _ABSENT.search(text) is not None


def _extract(task: Task, text: str, _: World) -> bool:
    """Exactly the wanted names, each once, and no name of another kind."""
    wanted, members = sorted(head(answer) for answer in task.args["answers"]), MEMBERS[task.kind]
    if reading.mentioned(text, others(task.kind)) or reading.occurrences(text, members) != len(wanted) or denies(text):
        return False
    return sorted(reading.mentioned(text, members)) == wanted and len(reading.words(text)) <= LIST_WORDS


CHECKS: dict[tuple[str, str], Check] = {
    ("rewrite", "past"): _past,
    ("rewrite", "polite"): _polite,
    ("rewrite", "swap"): _swap,
    ("summarization", "story"): _summary,
    ("classification", "review"): _classify_review,
    ("classification", "kind"): _classify_kind,
    ("classification", "tone"): _classify_tone,
    ("other", "sort"): _sort,
    ("other", "opposite"): _opposite,
    ("other", "count"): _count,
    ("closed_qa", "who"): _closed,
    ("closed_qa", "what"): _closed,
    ("closed_qa", "where"): _closed,
    ("closed_qa", "absent"): _absent,
    ("extract", "animals"): _extract,
    ("extract", "objects"): _extract,
    ("extract", "people"): _extract,
}
