"""What a rubric finds in an answer. Deterministic: no model, no clock, no chance."""

from __future__ import annotations

from dataclasses import dataclass

from tutelage.starter import reading, refusals
from tutelage.starter.rows import Row, Rubric

#: A sentence with one of these tells of an error and does not commit it.
DENIALS = (
    "myth", "myths", "misconception*", "false", "untrue", "incorrect", "mistaken*", "not true", "isn't true",
    "contrary to", "legend", "a common error", "commonly believed", "often thought", "people think", "people say",
    "popular belief", "is wrong", "not correct", "isn't correct", "no truth", "no evidence",
)  # fmt: skip
#: Use cases whose right answer may be a piece of the prompt.
CLOSED = frozenset({"classification", "closed_qa", "extract", "rewrite", "summarization", "other"})
#: Words of an answer, or of a prompt, from which on repeating the prompt is not answering.
REPEATED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What holds of an answer; `passed` is all of it together.

    `missing` are the numbers of required groups that the answer lacks, `broken` those of constraints, `errors` the
    forbidden phrases it states. `number` is None where the rubric asks for none. `appropriate`: it refused if, and only
    if, that is right.
    """

    answered: bool
    missing: tuple[int, ...]
    errors: tuple[str, ...]
    number: bool | None
    broken: tuple[int, ...]
    refused: bool
    appropriate: bool
    passed: bool
    share: float
    """Share of the single checks that hold, 0 for no answer: how nearly an answer passed."""


def judge(row: Row, answer: str) -> Verdict:
    """Check one answer to the prompt of a row."""
    return check(row.rubric, answer, repeats=repeats(row, answer.strip()))


def check(rubric: Rubric, answer: str, *, repeats: bool = False) -> Verdict:
    """Check one answer by a rubric alone; `repeats` says that it gives the prompt back."""
    text = answer.strip()
    answered = bool(text) and reading.count_words(text) >= rubric.least_words and not repeats
    missing = tuple(
        number for number, group in enumerate(rubric.require) if not any(reading.says(text, one) for one in group)
    )
    errors = tuple(one for one in rubric.forbid if states(text, one))
    number = gives(text, rubric.number) if rubric.number is not None else None
    broken = tuple(place for place, one in enumerate(rubric.constraints) if not one.holds(text))
    refused = refusals.refuses(text)
    appropriate = refused == rubric.refuse
    checks = [answered, appropriate, not errors, number is not False]
    held = sum(checks) + len(rubric.require) - len(missing) + len(rubric.constraints) - len(broken)
    total = len(checks) + len(rubric.require) + len(rubric.constraints)
    return Verdict(
        answered=answered,
        missing=missing,
        errors=errors,
        number=number,
        broken=broken,
        refused=refused,
        appropriate=appropriate,
        passed=all(checks) and not missing and not broken,
        share=held / total if answered else 0.0,
    )


def states(text: str, error: str) -> bool:
    """Say whether a sentence states an error and does not deny it; quotation marks do not excuse."""
    return any(
        reading.says(sentence, error) and not any(reading.says(sentence, denial) for denial in DENIALS)
        for sentence in reading.sentences(text)
    )


def gives(text: str, number: float) -> bool:
    """Say whether a number is the first or the last of an answer: where one states a result."""
    found = reading.numbers(text)
    return bool(found) and any(abs(one - number) < 1e-9 * max(1.0, abs(number)) for one in (found[0], found[-1]))


def repeats(row: Row, text: str) -> bool:
    """Say whether an answer gives the prompt back instead of answering it."""
    said, asked = " ".join(reading.tokens(text)), " ".join(reading.tokens(row.prompt))
    if asked.count(" ") + 1 >= REPEATED and asked in said:
        return True
    return row.use_case not in CLOSED and said.count(" ") + 1 >= REPEATED and f" {said} " in f" {asked} "
