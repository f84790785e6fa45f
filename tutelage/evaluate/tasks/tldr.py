"""Reddit TL;DR (Voelske et al. 2017; Stiennon et al. 2020): summaries of posts by who wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.evaluate.tasks import summaries
from tutelage.evaluate.tasks.question import Question
from tutelage.evaluate.tasks.task import Benchmark, How

LONGEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A post and its summary."""

    id: str
    post: str
    summary: str


def pose(rows: Sequence[Row], how: How) -> list[Question]:
    """Ask for a summary of each post."""
    return summaries.pose(rows, how, lambda row: (row.post, row.summary), LONGEST)


BENCHMARK = Benchmark(
    name="tldr",
    told="Reddit TL;DR",
    version=1,
    file="tldr",
    row=Row,
    pose=pose,
    score=summaries.score,
    metrics=("rouge_l",),
)
