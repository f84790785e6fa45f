"""CNN/DM (Nallapati et al. 2016): summaries of news."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.evaluate.tasks import summaries
from tutelage.evaluate.tasks.question import Question
from tutelage.evaluate.tasks.task import Benchmark, How

LONGEST = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An article and its highlights."""

    id: str
    article: str
    highlights: str


def pose(rows: Sequence[Row], how: How) -> list[Question]:
    """Ask for a summary of each article."""
    return summaries.pose(rows, how, lambda row: (row.article, row.highlights), LONGEST)


BENCHMARK = Benchmark(
    name="cnn-dm",
    told="CNN/DM",
    version=1,
    file="cnn_dm",
    row=Row,
    pose=pose,
    score=summaries.score,
    metrics=("rouge_l",),
)
