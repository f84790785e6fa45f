"""Understanding a prompt from its text alone, as a villager does: which kind of task, about whom, with what conditions.

The wording tells the kind (the village's own phrasings are matched), the names and cues tell the arguments. A prompt
that no villager would word so is not understood: None. Simulated labelers rest on this; the judge does not.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any, NamedTuple, cast

from tutelage.records import UseCase
from tutelage.village import lexicon, reading
from tutelage.village.arguments import NUMBER, READERS, count
from tutelage.village.phrasings import Phrasing, all_phrasings, constraint_clauses
from tutelage.village.tasks import Constraint, Task

_NAME = r"[A-Z]\w+"
_LABELS = "(?i:good|bad|positive|negative|happy|unhappy)"
#: What may stand in a slot; anything else is a phrase within one sentence.
_SLOTS: dict[str, str] = {
    "n": NUMBER, "sender": _NAME, "receiver": _NAME, "to": _NAME, "good": _LABELS, "bad": _LABELS,
    "text": r"[\s\S]+?[.!?]", "sentence": r"[^\n]+?", "question": r"[^.?!\n]+\?", "lower": r"[^.?!\n]+\?",
    "words": r"[^.?!\n]+?", "why": r"[^.?!\n]+\?", "why_lower": r"[^.?!\n]+\?",
    "word": r"\w+(?: \w+)?", "command": r"[^\n]+?", "s": "s?", "w": r"\w+",
}  # fmt: skip
_PHRASE = r"[^.?!\n]+?"
#: Where constraints may stand: a clause inside the sentence, sentences behind it.
_CLAUSE = r"(?:,? (?:in|with|using|without|including|while|beginning|starting|containing|leaving|opening)\b[^.?!\n]*?)?"
_TAIL = r"(?: [A-Z][\s\S]*)?"


class _Form(NamedTuple):
    phrasing: Phrasing
    pieces: tuple[str, ...]
    pattern: re.Pattern[str]

    def match(self, text: str) -> re.Match[str] | None:
        """Match the whole text; the wording's own pieces are looked for first, which is quick."""
        if not text.startswith(self.pieces[0]) or not all(piece in text for piece in self.pieces):
            return None
        return self.pattern.fullmatch(text)


def _form(phrasing: Phrasing) -> _Form:
    shown = phrasing.text[:1].upper() + phrasing.text[1:]
    pieces = tuple(re.split(r"\{\w+\}", shown))
    return _Form(phrasing, pieces, _pattern(shown, _TAIL if phrasing.topic == "generation" else ""))


def _pattern(text: str, tail: str) -> re.Pattern[str]:
    parts, seen = [], set()
    for piece in re.split(r"(\{\w+\})", text):
        slot = piece[1:-1] if piece.startswith("{") else ""
        if not slot:
            parts.append(re.escape(piece))
        elif slot == "c":
            parts.append(_CLAUSE)
        else:
            body = _SLOTS.get(slot, _PHRASE)
            parts.append(f"(?:{body})" if slot in seen else f"(?P<{slot}>{body})")
            seen.add(slot)
    return re.compile("".join(parts) + tail)


@cache
def _forms() -> tuple[_Form, ...]:
    """All phrasings as patterns, the one with most words of its own first."""
    rows = sorted(all_phrasings(), key=lambda row: -len(re.sub(r"\{\w+\}", "", row.text)))
    return tuple(_form(row) for row in rows)


@cache
def _clauses() -> tuple[tuple[str, re.Pattern[str]], ...]:
    order = ("avoid", "sentences", "start", "include")
    rows = sorted(constraint_clauses(), key=lambda row: (order.index(row.kinds[0]), -len(row.text)))
    found = []
    for row in rows:
        body = re.escape(row.text.rstrip(".")).replace(r"\{n\}", f"(?P<v>{NUMBER})").replace(r"\{s\}", "s?")
        body = body.replace(r"\{w\}", r"(?P<v>\w+)")
        found.append((row.kinds[0], re.compile(rf"\b{body}\b")))
    return tuple(found)


@lru_cache(maxsize=20_000)
def understand(text: str) -> Task | None:
    """Return the task that a prompt asks for, as far as its text tells; None when it is not understood."""
    solved = _few_shot(text)
    if solved is not None:
        return solved
    for form in _forms():
        if "few" not in form.phrasing.tags and (match := form.match(text)) is not None:
            kind = _kind(form.phrasing, text)
            task = _task(form.phrasing, kind, text, {key: value or "" for key, value in match.groupdict().items()})
            if task is not None:
                return task
    return None


def _few_shot(text: str) -> Task | None:
    """A few-shot prompt: an instruction, solved examples, and the query that is left open."""
    lines = text.split("\n")
    if len(lines) < 4:
        return None
    for form in _forms():
        if "few" in form.phrasing.tags and (match := form.match(lines[0])) is not None:
            query = _open_query(lines)
            slots = {key: (value or "").lower() for key, value in match.groupdict().items()}
            slots.update(text=query, sentence=query, command=query, word=query.strip("."), question=query, lower=query)
            head = lines[0] if form.phrasing.topic == "extract" else query
            return _task(form.phrasing, _kind(form.phrasing, head), query, slots)
    return None


def _open_query(lines: list[str]) -> str:
    """Return the query of a few-shot prompt, which stands last, perhaps before a sign that an answer is to follow."""
    last = lines[-1].strip()
    if last.endswith(":") or last in ("->", "="):
        return lines[-2].strip()
    return re.sub(r" ?(?:->|=)$", "", last)


def _kind(phrasing: Phrasing, text: str) -> str:
    """Tell apart the kinds that share their wordings."""
    if phrasing.topic == "extract":
        named = {
            "animals": r"\banimals?\b",
            "objects": r"\b(objects?|things?)\b",
            "people": r"\b(people|persons?|names?)\b",
        }
        return next((kind for kind, cue in named.items() if re.search(cue, text, re.I)), "objects")
    if phrasing.topic == "closed_qa" and len(phrasing.kinds) > 1:
        question = next((part for part in reversed(reading.sentences(text)) if part.endswith("?")), text)
        deeds = [form for verb, (_, past) in lexicon.VERBS.items() for form in (verb, past)]
        asks_deed = any(reading.contains(question, form) for form in deeds)
        cues = {"where": r"\bwhere\b", "who": r"\bwho\b", "what": r"\bwhat\b"}
        return next((kind for kind, cue in cues.items() if asks_deed and re.search(cue, question, re.I)), "absent")
    return phrasing.kinds[0]


def _task(phrasing: Phrasing, kind: str, text: str, slots: dict[str, str]) -> Task | None:
    args = READERS[phrasing.topic, kind](text, slots | {"kind": kind}, phrasing)
    if args is None:
        return None
    sensitive = kind in ("insult", "harm")
    constraints = _constraints(text) if phrasing.topic == "generation" and not sensitive else ()
    return Task(cast(UseCase, phrasing.topic), kind, args, constraints, sensitive)


def _constraints(text: str) -> tuple[Constraint, ...]:
    found: list[Constraint] = []
    for kind, pattern in _clauses():
        if any(item.kind == kind for item in found):
            continue
        if match := pattern.search(text):
            value: int | str = match["v"]
            if kind == "sentences":
                value = count(str(value))
            found.append(Constraint(cast(Any, kind), value))
            text = text[: match.start()] + " " + text[match.end() :]
    return tuple(found)
