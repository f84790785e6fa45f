"""Constraints that a prompt states and a program can check: counts, first and last words, format, case, order.

A constraint is data: a kind, a range or some texts. Each kind has one check, a pure function of constraint and answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from tutelage.errors import DataError
from tutelage.starter import reading

ConstraintKind = Literal[
    "words", "sentences", "lines", "paragraphs", "items", "characters", "words_each", "sentence_words",
    "starts", "ends", "each_starts", "include", "exclude", "order", "format", "keys", "case", "digits",
    "without_letter", "initials", "sorted",
]  # fmt: skip
#: Kinds that need a range, and kinds that need texts.
COUNTED = {"words", "sentences", "lines", "paragraphs", "items", "characters", "words_each", "sentence_words"}
WORDED = {"starts", "ends", "each_starts", "include", "exclude", "order", "keys", "without_letter", "initials"}
CHOICES: Mapping[str, set[str]] = {
    "format": {"json", "numbered", "bulleted", "table", "comma", "plain"},
    "case": {"upper", "lower", "title"},
    "digits": {"none", "only"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """One constraint: `low` to `high` for counts, both ends included; `texts` for the rest."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: ConstraintKind
    low: int | None = None
    high: int | None = None
    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind in COUNTED and (self.low is None and self.high is None or (self.low or 0) > (self.high or 10**9)):
            raise DataError(f"the constraint {self.kind!r} needs low, high or both, the lower first.")
        if self.kind in WORDED and not all(self.texts or [""]):
            raise DataError(f"the constraint {self.kind!r} needs texts.")
        if self.kind in CHOICES and (len(self.texts) != 1 or self.texts[0] not in CHOICES[self.kind]):
            raise DataError(f"the constraint {self.kind!r} takes one of {', '.join(sorted(CHOICES[self.kind]))}.")

    def holds(self, answer: str) -> bool:
        """Say whether an answer keeps the constraint; an empty one keeps none."""
        return bool(answer.strip()) and _CHECKS[self.kind](self, answer.strip())


Check = Callable[[Constraint, str], bool]


def _within(count: Callable[[str], int]) -> Check:
    return lambda one, answer: (one.low or 0) <= count(answer) <= (one.high if one.high is not None else 10**9)


def _words_each(one: Constraint, answer: str) -> bool:
    return all(_within(reading.count_words)(one, item) for item in reading.items(answer))


def _sentence_words(one: Constraint, answer: str) -> bool:
    return all(_within(reading.count_words)(one, sentence) for sentence in reading.sentences(answer))


def _starts(one: Constraint, answer: str) -> bool:
    return any(answer.casefold().startswith(text.casefold()) for text in one.texts)


def _ends(one: Constraint, answer: str) -> bool:
    """Closing marks after the wanted end do not matter, unless they are what is wanted."""
    bare = answer.casefold().rstrip("\"'”’ .!*")
    return any(
        answer.casefold().endswith(text.casefold()) or bare.endswith(text.casefold().rstrip(" .!") or "\0")
        for text in one.texts
    )


def _each_starts(one: Constraint, answer: str) -> bool:
    """Every line, or every sentence of an answer of one line, opens with one of the texts."""
    parts = reading.items(answer) if len(reading.lines(answer)) > 1 else reading.sentences(answer)
    return all(any(part.casefold().startswith(text.casefold()) for text in one.texts) for part in parts)


def _include(one: Constraint, answer: str) -> bool:
    """Every text is there at least `low` times (once) and at most `high` times."""
    low, high = one.low or 1, one.high or 10**9
    return all(low <= reading.times(answer, text) <= high for text in one.texts)


def _exclude(one: Constraint, answer: str) -> bool:
    """None of the texts is there; a text of punctuation alone is looked for as it stands."""
    return not any(reading.says(answer, text) if reading.tokens(text) else text in answer for text in one.texts)


def _order(one: Constraint, answer: str) -> bool:
    folded, start = reading.plain(answer), 0
    for text in one.texts:
        start = folded.find(reading.plain(text), start)
        if start < 0:
            return False
        start += 1
    return True


def json_of(answer: str) -> Any:
    """Return the JSON value that an answer is, with or without a code fence; None where it is none."""
    fenced = re.fullmatch(r"```(?:json)?\s*(.*?)\s*```", answer.strip(), re.DOTALL)
    try:
        return json.loads(fenced[1] if fenced else answer)
    except json.JSONDecodeError:
        return None


def _is_table(answer: str) -> bool:
    """A Markdown table: a head, a rule of dashes, rows, all with as many cells."""
    rows = reading.lines(answer)
    cells = {row.strip("|").count("|") for row in rows}
    return (
        len(rows) >= 3
        and re.fullmatch(r"\|?[\s:|-]*-[\s:|-]*\|?", rows[1]) is not None
        and len(cells) == 1
        and 0 not in cells
    )


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "json": lambda answer: isinstance(json_of(answer), dict | list),
    "numbered": lambda answer: reading.marked_with(answer) == {"numbered"},
    "bulleted": lambda answer: reading.marked_with(answer) == {"bulleted"},
    "table": _is_table,
    "comma": lambda answer: len(reading.lines(answer)) == 1 and "," in answer and not reading.marked_with(answer),
    "plain": lambda answer: not reading.marked_with(answer) and not _is_table(answer),
}


def _keys(one: Constraint, answer: str) -> bool:
    found = json_of(answer)
    rows = found if isinstance(found, list) else [found]
    return bool(rows) and all(isinstance(row, dict) and set(row) == set(one.texts) for row in rows)


def _case(one: Constraint, answer: str) -> bool:
    if one.texts == ("title",):
        return all(word[0].isupper() or not word[0].isalpha() for word in answer.split())
    return answer.isupper() if one.texts == ("upper",) else answer.islower()


def _digits(one: Constraint, answer: str) -> bool:
    if one.texts == ("none",):
        return not any(letter.isdigit() for letter in answer)
    return re.fullmatch(r"-?\d[\d.,]*", answer) is not None


def _initials(one: Constraint, answer: str) -> bool:
    """The first letters of the lines spell the text."""
    heads = [next((letter for letter in line if letter.isalpha()), "") for line in reading.lines(answer)]
    return "".join(heads).casefold() == one.texts[0].casefold()


def _sorted(_: Constraint, answer: str) -> bool:
    found = [item.casefold() for item in reading.items(answer)]
    return len(found) > 1 and found == sorted(found)


_CHECKS: Mapping[ConstraintKind, Check] = {
    "words": _within(reading.count_words),
    "sentences": _within(lambda answer: len(reading.sentences(answer))),
    "lines": _within(lambda answer: len(reading.lines(answer))),
    "paragraphs": _within(lambda answer: len(reading.paragraphs(answer))),
    "items": _within(lambda answer: len(reading.items(answer))),
    "characters": _within(len),
    "words_each": _words_each,
    "sentence_words": _sentence_words,
    "starts": _starts,
    "ends": _ends,
    "each_starts": _each_starts,
    "include": _include,
    "exclude": _exclude,
    "order": _order,
    "format": lambda one, answer: _FORMATS[one.texts[0]](answer),
    "keys": _keys,
    "case": _case,
    "digits": _digits,
    "without_letter": lambda one, answer: not any(t.casefold() in answer.casefold() for t in one.texts),
    "initials": _initials,
    "sorted": _sorted,
}
