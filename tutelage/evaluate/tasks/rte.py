"""RTE (Wang et al. 2019, SuperGLUE): does a sentence follow from a passage?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.evaluate.tasks import choice
from tutelage.evaluate.tasks.question import Question
from tutelage.evaluate.tasks.rows import Binary
from tutelage.evaluate.tasks.task import Benchmark, How

#: By the label of the data: 0 says that the sentence follows.
WORDS = (" Yes", " No")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A passage and a sentence."""

    id: str
    premise: str
    hypothesis: str
    label: Binary


def pose(rows: Sequence[Row], how: How) -> list[Question]:
    """Offer yes and no after solved examples."""
    return [
        Question(
            item=row.id,
            prompt="\n\n".join([*(_asked(one) + WORDS[one.label] for one in how.shown(row)), _asked(row)]),
            choices=WORDS,
            shown=row.hypothesis,
            references=((WORDS[row.label],),),
        )
        for row in how.some(rows)
    ]


def _asked(row: Row) -> str:
    follows = row.hypothesis.strip().removesuffix(".")
    return f"Passage: {row.premise}\nQuestion: From this passage can one reasonably conclude that {follows}?\nAnswer:"


BENCHMARK = Benchmark(
    name="rte",
    told="RTE",
    version=1,
    file="rte",
    row=Row,
    pose=pose,
    score=choice.score,
    metrics=choice.ACCURACY,
    shots=15,
)
