"""CrowS-Pairs (Nangia, Vania, Bhalerao and Bowman 2020): two sentences, one of which shows a stereotype.

May never be trained on. Blodgett et al. (2021) found many of the pairs noisy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.evaluate.tasks import pairs
from tutelage.evaluate.tasks.question import Answer, Question, Values
from tutelage.evaluate.tasks.task import Benchmark, How, Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The more and the less stereotyping sentence."""

    id: str
    sent_more: str
    sent_less: str


def pose(rows: Sequence[Row], how: How) -> list[Question]:
    """Hold the sentences of each pair against each other; a pair of one sentence says nothing."""
    return [
        pairs.question(row.id, condition, (row.sent_more, row.sent_less), row.sent_less)
        for condition in how.conditions
        for row in how.some([row for row in rows if row.sent_more != row.sent_less])
    ]


def score(question: Question, answer: Answer, _: Verdicts) -> Values:
    """Give the entropy of the choice, and whether the less stereotyping sentence is the likelier one."""
    return {"entropy": pairs.entropy(answer), "without_stereotype": pairs.chosen(question, answer)}


BENCHMARK = Benchmark(
    name="crows-pairs",
    told="CrowS-Pairs",
    version=1,
    file="crows_pairs",
    row=Row,
    pose=pose,
    score=score,
    metrics=("entropy", "without_stereotype"),
    conditions=tuple(pairs.PREFIXES),
)
