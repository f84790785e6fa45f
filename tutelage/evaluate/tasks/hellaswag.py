"""HellaSwag (Zellers et al. 2019): which of four endings goes on from a paragraph."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.errors import DataError
from tutelage.evaluate.tasks import choice
from tutelage.evaluate.tasks.question import Question
from tutelage.evaluate.tasks.task import Benchmark, How

INSTRUCTION = "Complete each independent paragraph using common-sense reasoning."
#: Marks that the source's pages left in its texts.
_MARK = re.compile(r"\[[^\]]*\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A paragraph and its endings; `label` is the place of the right one."""

    id: str
    activity_label: str
    ctx: str
    endings: tuple[str, ...]
    label: int

    def __post_init__(self) -> None:
        if not 0 <= self.label < len(self.endings):
            raise DataError(f"label is {self.label}, not the place of one of {len(self.endings)} endings.")


def pose(rows: Sequence[Row], how: How) -> list[Question]:
    """Offer the endings after solved paragraphs."""
    return [
        Question(
            item=row.id,
            prompt="\n\n".join([INSTRUCTION, *(_solved(one) for one in how.shown(row)), _asked(row)]),
            choices=tuple(f" {_plain(ending)}" for ending in row.endings),
            shown=_asked(row),
            references=((f" {_plain(row.endings[row.label])}",),),
        )
        for row in how.some(rows)
    ]


def _asked(row: Row) -> str:
    return f"{row.activity_label}: {_plain(row.ctx)}"


def _solved(row: Row) -> str:
    return f"{_asked(row)} {_plain(row.endings[row.label])}"


def _plain(text: str) -> str:
    return " ".join(_MARK.sub("", text.replace(" [title]", ". ")).split())


BENCHMARK = Benchmark(
    name="hellaswag",
    told="HellaSwag",
    version=1,
    file="hellaswag",
    row=Row,
    pose=pose,
    score=choice.score,
    metrics=choice.ACCURACY,
    shots=15,
)
