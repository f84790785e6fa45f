"""SST-2 (Socher et al. 2013): is a snippet of a film review positive or negative?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.evaluate.tasks import choice
from tutelage.evaluate.tasks.question import Question
from tutelage.evaluate.tasks.rows import Binary
from tutelage.evaluate.tasks.task import Benchmark, How

INSTRUCTION = "For each snippet of text, label the sentiment of the text as positive or negative."
#: By the label of the data.
WORDS = (" negative", " positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A snippet; 1 is positive."""

    id: str
    sentence: str
    label: Binary


def pose(rows: Sequence[Row], how: How) -> list[Question]:
    """Offer both words after solved snippets."""
    return [
        Question(
            item=row.id,
            prompt="\n\n".join([INSTRUCTION, *(_asked(one) + WORDS[one.label] for one in how.shown(row)), _asked(row)]),
            choices=WORDS,
            shown=row.sentence,
            references=((WORDS[row.label],),),
        )
        for row in how.some(rows)
    ]


def _asked(row: Row) -> str:
    return f"Text: {row.sentence.strip()}\nLabel:"


BENCHMARK = Benchmark(
    name="sst2",
    told="SST-2",
    version=1,
    file="sst2",
    row=Row,
    pose=pose,
    score=choice.score,
    metrics=choice.ACCURACY,
    shots=15,
)
