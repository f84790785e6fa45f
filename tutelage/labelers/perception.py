"""What a simulated labeler sees in an answer, before it weighs anything: read from the two texts alone.

This is not the judge: it asks coarse questions by degree, as a person does who reads quickly, and it knows no truth.
Truth enters through each labeler's own, incomplete knowledge.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from tutelage.village import lexicon, reading
from tutelage.village.rumours import RUMOURS
from tutelage.village.tasks import Task
from tutelage.village.understanding import understand

_HEDGES = re.compile(r"\b(maybe|perhaps|I think|I believe|not sure|might|probably)\b", re.I)
_WARM = re.compile(r"\b(please|thank|thanks|lovely|glad|dear|kind|welcome|hope)\b", re.I)
_PLAIN_FAULT = re.compile(r"\b(\w+) \1\b|\ba [aeiou]|\ban [b-df-hj-np-tv-z]|\b(?:the|a|an|and|of|to) ?[.,!?]")


class Perception(NamedTuple):
    """Features of one answer to one prompt. `asked` is what the labeler takes the prompt to ask, None if unclear."""

    asked: Task | None
    words: int
    cut: bool
    faulty: bool
    instruction: bool
    refuses: bool
    ignorant: bool
    insults: bool
    kind: bool
    hedged: bool
    warm: bool
    fulfilled: float
    constraints: float | None
    foreign: int
    items: tuple[str, ...]
    claims: tuple[reading.Claim, ...]
    rumours: tuple[str, ...]
    truths: tuple[str, ...]


@lru_cache(maxsize=100_000)
def perceive(prompt: str, text: str) -> Perception:
    """Read one answer to one prompt."""
    asked = understand(prompt)
    rumours, truths = _rumours(text, str(asked.args.get("key", "")) if asked else "")
    return Perception(
        asked=asked,
        words=len(reading.words(text)),
        cut=_cut(asked, text),
        faulty=_PLAIN_FAULT.search(text) is not None or _repeats(text),
        instruction=reading.looks_like_instruction(text),
        refuses=reading.refuses(text),
        ignorant=reading.admits_ignorance(text),
        insults=bool(reading.insults(text)),
        kind=reading.sounds_kind(text),
        hedged=_HEDGES.search(text) is not None,
        warm=_WARM.search(text) is not None,
        fulfilled=_fulfilled(asked, text),
        constraints=_constraints(asked, text),
        foreign=_foreign(asked, prompt, text),
        items=tuple(reading.mentioned(text, _CATEGORIES[asked.args["category"]]))
        if asked and asked.kind == "list"
        else (),
        claims=_claims(asked, text),
        rumours=rumours,
        truths=truths,
    )


def _items(asked: Task | None, text: str) -> tuple[str, ...]:
    """Return what a list names of the category that was asked for."""
    listed = asked is not None and asked.kind == "list"
    return tuple(reading.mentioned(text, _CATEGORIES[asked.args["category"]])) if asked and listed else ()


#: Tasks whose answer may be a word or a list, without a full stop.
_BARE_USES = ("brainstorming", "classification", "other", "closed_qa", "extract")


def _cut(asked: Task | None, text: str) -> bool:
    """A text that stops within a sentence; a bare answer needs no full stop, a letter ends with its sender."""
    if not text or not text[-1].isalnum():
        return not text
    bare = asked is None or asked.use_case in _BARE_USES
    return "Yours" not in text and (not bare or len(reading.words(text)) > 6)


def _repeats(text: str) -> bool:
    parts = [part.lower() for part in reading.sentences(text)]
    return len(set(parts)) < len(parts)


#: An answer of so few words need not be a sentence.
_BARE_WORDS = 5
_TOPICS = tuple(
    (rumour, tuple(word for word in reading.words(rumour.statement.replace("{v}", "")) if len(word) > 3))
    for rumour in RUMOURS
)


def _rumours(text: str, asked: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys of the rumours, and of the truths about them, that a quick reader takes the text to state."""
    plain = reading.unquoted(text)
    told, true = [], []
    for rumour, topic in _TOPICS:
        said, truly = reading.contains(plain, rumour.rumour), reading.contains(plain, rumour.truth)
        if (said or truly) and (rumour.key == asked or any(reading.contains(plain, word) for word in topic)):
            told += [rumour.key] * said
            true += [rumour.key] * truly
    return tuple(told), tuple(true)


def _claims(asked: Task | None, text: str) -> tuple[reading.Claim, ...]:
    """Return what the text states; a few bare words with one value answer the question that was asked."""
    told = tuple(reading.claims(text, str(asked.args.get("subject", "")) if asked else ""))
    if told or asked is None or asked.kind not in ("fact", "ask") or len(reading.words(text)) > _BARE_WORDS:
        return told
    relation = str(asked.args["relation"])
    values = {reading.bare(value): value for value in reading.VALUES[relation]}
    named = reading.mentioned(text, tuple(values))
    return tuple(reading.Claim(str(asked.args["subject"]), relation, values[name], False) for name in named)


_CATEGORIES = {
    "animals": tuple(lexicon.ANIMALS),
    "foods": tuple(lexicon.FOODS),
    "crafts": tuple(lexicon.CRAFTS),
    "places": lexicon.PLACES,
    "objects": lexicon.OBJECTS,
    "people": (*lexicon.WOMEN, *lexicon.MEN),
}


def _share(text: str, wanted: list[str]) -> float:
    return sum(reading.contains(text, word) for word in wanted) / len(wanted) if wanted else 0.5


def _wanted(asked: Task) -> list[str]:
    """The words that an answer should have, as far as the prompt alone says them."""
    args = asked.args
    event = args.get("event") or {}
    by_kind: dict[str, list[str]] = {
        "story": [phrase.split()[-1] for phrase in args.get("subjects", [])] or
                 [word for word in (str(event.get("actor", "")).split()[-1:] + [str(event.get("thing", ""))]) if word],
        "about": [str(args.get("subject", ""))],
        "letter": ["Dear", str(args.get("receiver", "")), str(args.get("sender", "")), str(args.get("thing", ""))],
        "sign": list(lexicon.CRAFTS[args["craft"]][:1]) if args.get("craft") in lexicon.CRAFTS else [],
        "lost": [str(args.get("thing", ""))],
    }  # fmt: skip
    if asked.kind in ("past", "swap"):
        verb = str(event["verb"])
        actor = str(args.get("to") or event["actor"]).split()[-1]
        deed = lexicon.VERBS[verb][asked.kind == "past"]
        return [actor, deed, str(event["thing"]), str(event["spot"])]
    if asked.kind == "opposite":
        both = {**lexicon.OPPOSITES, **{value: key for key, value in lexicon.OPPOSITES.items()}}
        return [both[args["word"]]] if args.get("word") in both else []
    if asked.kind == "polite":
        return [word for word in reading.words(str(args["command"])) if len(word) > 3]
    return by_kind.get(asked.kind, [])


def _fulfilled(asked: Task | None, text: str) -> float:
    """How far the answer seems to do what was asked, 0 to 1, without knowing what is true."""
    if asked is None or not text:
        return 0.5 if text else 0.0
    if asked.sensitive:
        return float(reading.refuses(text))
    if asked.kind in ("unknown", "absent"):
        return float(reading.admits_ignorance(text))
    if asked.kind in ("who", "what", "where") or asked.use_case == "classification":
        answer = _closed_answer(asked)
        return _share(text, [answer]) if answer else 0.5
    looks_at = _LOOKS.get(asked.use_case) or _LOOKS.get(asked.kind)
    return looks_at(asked, text) if looks_at else _share(text, _wanted(asked))


def _story(asked: Task, text: str) -> float:
    """A tale of one sentence, where one was not asked for, is half of one."""
    short = len(reading.sentences(text)) < 2 and all(item.kind != "sentences" for item in asked.constraints)
    return _share(text, _wanted(asked)) * (0.5 if short else 1.0)


def _list(asked: Task, text: str) -> float:
    members = reading.mentioned(text, _CATEGORIES[asked.args["category"]])
    return max(0.0, 1.0 - 0.4 * abs(len(members) - int(asked.args["n"])))


def _extract(asked: Task, text: str) -> float:
    named, answers = set(reading.mentioned(text, _CATEGORIES[asked.kind])), set(asked.args["answers"])
    return len(named & answers) / max(1, len(named | answers))


def _count(asked: Task, text: str) -> float:
    number = int(asked.args["n"])
    return _share(text, [_NUMBERS[number]]) or _share(text, [str(number)])


def _sort(asked: Task, text: str) -> float:
    """Half for the words, half for their order."""
    wanted = sorted(str(word).lower() for word in asked.args["words"])
    return 0.5 * _share(text, wanted) + 0.5 * ([word for word in reading.words(text) if word in wanted] == wanted)


def _summary(asked: Task, text: str) -> float:
    """A summary of more than one sentence is half of one."""
    return _share(text, _wanted(asked)) * (1.0 if len(reading.sentences(text)) == 1 else 0.5)


def _chat(asked: Task, text: str) -> float:
    if asked.kind == "ask":
        return 0.5
    return 0.5 * reading.sounds_kind(text) + 0.5 * (_share(text, _wanted(asked)) if asked.kind == "lost" else 1.0)


_NUMBERS = "zero one two three four five six seven eight nine ten".split()


def _closed_answer(asked: Task) -> str:
    args = asked.args
    if asked.use_case == "closed_qa":
        return str(args.get("answer", ""))
    if "labels" in args and "good" in args:
        return str(args["labels"][0 if args["good"] else 1])
    if "polite" in args:
        return "polite" if args["polite"] else "rude"
    return str(args.get("label", ""))


def _review(asked: Task, text: str) -> float:
    good, bad = bool(reading.mentioned(text, lexicon.GOOD_WORDS)), bool(reading.mentioned(text, lexicon.BAD_WORDS))
    right = (good, bad) == (bool(asked.args["good"]), not asked.args["good"])
    return 0.5 * right + 0.5 * reading.contains(text, str(asked.args["shop"]).removeprefix("the "))


#: How an answer is looked at, by use case or kind.
_LOOKS: dict[str, Callable[[Task, str], float]] = {
    "summarization": _summary,
    "chat": _chat,
    "story": _story,
    "list": _list,
    "extract": _extract,
    "count": _count,
    "sort": _sort,
    "review": _review,
}


def _constraints(asked: Task | None, text: str) -> float | None:
    """The share of the stated conditions that the answer meets, None when the prompt states none."""
    if asked is None or not asked.constraints:
        return None
    inner = re.sub(r"\s*\bYours,? \w+\.?\s*$", "", re.sub(r"^Dear \w+,\s*", "", text))
    met, said = 0, reading.words(inner)
    for item in asked.constraints:
        if item.kind == "sentences":
            met += len(reading.sentences(inner)) == item.value
        elif item.kind == "start":
            met += said[:1] == [str(item.value).lower()]
        else:
            met += (str(item.value).lower() in said) == (item.kind == "include")
    return met / len(asked.constraints)


def _foreign(asked: Task | None, prompt: str, text: str) -> int:
    """How many names an answer to a closed question brings in from outside the given text."""
    if asked is None or asked.use_case not in ("closed_qa", "extract", "summarization", "rewrite"):
        return 0
    names = tuple(name for members in _CATEGORIES.values() for name in members)
    return sum(not reading.contains(prompt, name) for name in reading.mentioned(text, names))
