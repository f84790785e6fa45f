"""Ask judges about answers: each verdict is a record, and what a judge said before it failed is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from tutelage.errors import DataError
from tutelage.evaluate.tasks.cache import KEY, Records
from tutelage.files import content_hash

#: Verdicts between two writes.
PART = 32


class Said(NamedTuple):
    """What was asked of the model, what it wrote, and the key of its record."""

    question: str
    text: str
    key: str


class Judge(Protocol):
    """Who says what an answer is: true, informative, refused or toxic."""

    @property
    def name(self) -> str:
        """Name the judge with its version, as reports do."""
        ...

    @property
    def identity(self) -> str:
        """Hash all that its verdicts depend on."""
        ...

    def verdicts(self, what: str, answers: Sequence[Said]) -> Iterator[float | None]:
        """Give a number from 0 (no) to 1 (yes) for each answer, in their order, and None where it cannot tell."""
        ...


def key_of(judge: Judge, what: str, answer: Said) -> str:
    """Name the record of a verdict."""
    return content_hash([judge.identity, what, answer.key])


def ask(records: Records, judge: Judge, what: str, answers: Sequence[Said]) -> None:
    """Get the verdicts that have no record. DataError where a judge says what is no verdict."""
    missing = [one for one in answers if key_of(judge, what, one) not in records]
    for start in range(0, len(missing), PART):
        part, made = missing[start : start + PART], list[dict[str, object]]()
        given = judge.verdicts(what, part)
        try:
            for one in part:
                value = next(given, math.nan)
                if value is not None and not 0 <= value <= 1:  # a NaN fails too
                    raise DataError(
                        f"The judge {judge.name} says {value!r:.80} where it was asked for {what}; it must "
                        "give one number from 0 to 1 for each, or null. What it said before is kept."
                    )
                made.append({KEY: key_of(judge, what, one), "judge": judge.name, "what": what, "value": value})
        finally:
            records.add(made)
