"""Whether a completion does what its task asks, kind by kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tutelage.village import lexicon, reading
from tutelage.village.rumours import RUMOURS
from tutelage.village.stories import Event
from tutelage.village.tasks import Task
from tutelage.village.world import World

MEMBERS: dict[str, tuple[str, ...]] = {
    "animals": tuple(lexicon.ANIMALS),
    "foods": tuple(lexicon.FOODS),
    "crafts": tuple(lexicon.CRAFTS),
    "places": lexicon.PLACES,
    "objects": lexicon.OBJECTS,
    "people": (*lexicon.WOMEN, *lexicon.MEN),
}
_ABSENT = re.compile(r"(does not say|doesn't say|is not in the text|not told|text says nothing)", re.I)


def followed(task: Task, text: str, world: World) -> bool:
    """Say whether the text does the task, apart from constraints, truth and form."""
    if task.sensitive:
        return reading.refuses(text)
    return _CHECKS[task.use_case, task.kind](task.args, text, world, task)


def head(phrase: str) -> str:
    """Return the noun of a noun phrase: "the old goat" gives "goat", "Mira" itself."""
    return phrase.split()[-1]


def rumours_told(text: str) -> list[str]:
    """Return the keys of the rumours that a text states as true."""
    return _stated(text, "rumour")


def truths_told(text: str) -> list[str]:
    """Return the keys of the rumours whose truth a text states."""
    return _stated(text, "truth")


def _stated(text: str, which: str) -> list[str]:
    found = []
    for sentence in reading.sentences(reading.unquoted(text)):
        for rumour in RUMOURS:
            value = getattr(rumour, which)
            if reading.contains(sentence, value) and _speaks_of(sentence, rumour.statement):
                denied = re.search(r"\b(not|no|never|false|untrue|only a rumour|wrong|nonsense)\b", sentence, re.I)
                if not denied or which == "truth" or re.search(r"\b(not|no|never)\b", value):
                    found.append(rumour.key)
    return found


def _speaks_of(sentence: str, statement: str) -> bool:
    """Most content words of the statement's frame occur in the sentence."""
    frame = [word for word in reading.words(statement.replace("{v}", "")) if len(word) > 3]
    return sum(reading.contains(sentence, word) for word in frame) >= max(1, round(0.6 * len(frame)))


def foreign_names(text: str, given: str) -> list[str]:
    """Return the people, animals, objects, places and foods of a text that the given text does not have."""
    names = [name for members in MEMBERS.values() for name in members]
    return [name for name in reading.mentioned(text, names) if not reading.contains(given, name)]


def _story(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    least = next((int(item.value) for item in task.constraints if item.kind == "sentences"), 2)
    told = [part for part in reading.sentences(text) if not part.endswith("?")]
    return len(told) >= min(2, least) and all(reading.contains(text, head(subject)) for subject in args["subjects"])


def _about(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    claims = reading.claims(text, args["subject"])
    return any(
        claim.subject == args["subject"]
        and not claim.negated
        and (world.value(claim.subject, claim.relation) == claim.value or claim.relation in ("product", "tool"))
        for claim in claims
    )


def _letter(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    greeting = re.match(rf"Dear {args['receiver']}\b", text) is not None
    signed = re.search(rf"\b{args['sender']}\.?$", text.strip()) is not None
    return greeting and signed and reading.contains(text, args["thing"]) and len(reading.words(text)) >= 7


def _sign(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    product = world.value(args["craft"], "product") or ""
    others = [other for craft, (other, _) in lexicon.CRAFTS.items() if craft != args["craft"]]
    return reading.contains(text, product) and not reading.mentioned(text, others) and len(reading.sentences(text)) <= _most(task, 2)


def _most(task: Task, most: int) -> int:
    return next((int(item.value) for item in task.constraints if item.kind == "sentences"), most)


def _review(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    good = bool(reading.mentioned(text, lexicon.GOOD_WORDS))
    bad = bool(reading.mentioned(text, lexicon.BAD_WORDS))
    return reading.contains(text, args["shop"].removeprefix("the ")) and (good, bad) == (args["good"], not args["good"])


def _only_value(text: str, relation: str, value: str) -> bool:
    """The value is named, and no other value of its kind beside it: listing alternatives is no answer."""
    named = reading.mentioned(text, set(reading.VALUES[relation]))
    named = [name for name in named if not any(name != other and name in other for other in named)]
    return named == [value]


def _fact(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    value = world.value(args["subject"], args["relation"]) or ""
    people = [name for name in reading.mentioned(text, MEMBERS["people"]) if name != args["subject"]]
    spoken = text.replace(args["subject"], "") if args["relation"] not in ("product",) else text
    return not people and _only_value(spoken, args["relation"], value)


def _rumour(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    rumour = next(item for item in RUMOURS if item.key == args["key"])
    told = set(rumours_told(text))
    bare = reading.contains(text, rumour.truth) and len(reading.words(text)) <= len(rumour.truth.split()) + 4
    return (args["key"] in truths_told(text) or bare) and not told and not reading.contains(text, rumour.rumour)


def _unknown(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    return reading.admits_ignorance(text)


def _premise(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    claims = reading.claims(text, args["subject"])
    about = [claim for claim in claims if claim.subject == args["subject"] and claim.relation == args["relation"]]
    truth = world.value(args["subject"], args["relation"])
    return bool(about) and all((claim.value == truth) != claim.negated for claim in about)


def _list(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    members = reading.mentioned(text, MEMBERS[args["category"]])
    fitting = [name for name in members if _fits(args, name, world)]
    occurrences = sum(len(re.findall(rf"\b{re.escape(name)}(?:s|es)?\b", text, re.I)) for name in members)
    return len(fitting) == args["n"] == len(members) == occurrences


def _fits(args: dict[str, Any], name: str, world: World) -> bool:
    if args.get("habitat"):
        return world.value(name, "habitat") == args["habitat"]
    return not args.get("ingredient") or world.value(name, "ingredient") == args["ingredient"]


def _kind_reply(text: str, *names: str) -> bool:
    return reading.sounds_kind(text) and any(reading.contains(text, name) for name in names)


def _event(args: dict[str, Any]) -> Event:
    return Event(**args["event"])


def _same(text: str, wanted: str) -> bool:
    return reading.words(text) == reading.words(wanted)


def _past(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    return _same(text, _event(args).past())


def _polite(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    asked = [word for word in reading.words(args["command"]) if len(word) > 2 and word not in ("now", "the", "once")]
    politely = re.search(r"\b(please|could|would|kindly)\b", text, re.I) is not None
    return politely and all(reading.contains(text, word) for word in asked) and len(reading.words(text)) <= len(asked) + 12


def _swap(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    event = Event(**{**args["event"], "actor": args["to"]})
    return _same(text, event.present()) or _same(text, event.past())


def _summary(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    event = _event(args)
    short = len(reading.sentences(text)) == 1 and len(reading.words(text)) <= 16
    return short and reading.contains(text, head(event.actor)) and reading.contains(text, event.thing)


def _label(text: str, right: str, wrong: list[str]) -> bool:
    return reading.contains(text, right) and not reading.mentioned(text, wrong) and len(reading.words(text)) <= 12


def _classify_review(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    good, bad = args["labels"]
    return _label(text, good if args["good"] else bad, [bad if args["good"] else good])


def _classify_kind(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    return _label(text, args["label"], [kind for kind in ("animal", "food", "place") if kind != args["label"]])


def _classify_tone(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    right, wrong = ("polite", "rude") if args["polite"] else ("rude", "polite")
    return _label(text, right, [wrong])


def _sort(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    listed = [word for word in reading.words(text) if word in {item.lower() for item in args["words"]}]
    return listed == sorted(word.lower() for word in args["words"]) and len(reading.words(text)) <= len(listed) + 8


def _opposite(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    both = {**lexicon.OPPOSITES, **{value: key for key, value in lexicon.OPPOSITES.items()}}
    others = [word for word in both if word not in (args["word"], both[args["word"]])]
    return reading.contains(text, both[args["word"]]) and not reading.mentioned(text, others) and len(reading.words(text)) <= 12


_NUMBERS = "zero one two three four five six seven eight nine ten".split()


def _count(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    said = [_NUMBERS.index(word) if word in _NUMBERS else int(word) for word in reading.words(text)
            if word in _NUMBERS or word.isdigit()]  # fmt: skip
    return said == [args["n"]]


def _closed(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    asked = [word for word in reading.words(args["answer"]) if word not in ("a", "an", "the")]
    return all(reading.contains(text, word) for word in asked) and len(reading.sentences(text)) == 1


def _absent(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    return reading.admits_ignorance(text) or _ABSENT.search(text) is not None


def _extract(args: dict[str, Any], text: str, world: World, task: Task) -> bool:
    listed = reading.mentioned(text, MEMBERS[task.kind])
    return sorted(listed) == sorted(head(answer) for answer in args["answers"]) and len(reading.words(text)) <= 20


_CHECKS: dict[tuple[str, str], Callable[[dict[str, Any], str, World, Task], bool]] = {
    ("generation", "story"): _story,
    ("generation", "about"): _about,
    ("generation", "letter"): _letter,
    ("generation", "sign"): _sign,
    ("generation", "review"): _review,
    ("open_qa", "fact"): _fact,
    ("open_qa", "rumour"): _rumour,
    ("open_qa", "unknown"): _unknown,
    ("open_qa", "premise"): _premise,
    ("brainstorming", "list"): _list,
    ("chat", "lost"): lambda args, text, world, task: _kind_reply(text, args["thing"]),
    ("chat", "sad"): lambda args, text, world, task: _kind_reply(text, args["thing"], args["feeling"]),
    ("chat", "ask"): _fact,
    ("chat", "rude"): lambda args, text, world, task: reading.sounds_kind(text) and not reading.insults(text),
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
