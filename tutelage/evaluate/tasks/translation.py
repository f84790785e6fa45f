"""Translation from French into English (WMT 2015), by BLEU over all sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tutelage.evaluate.metrics import bleu
from tutelage.evaluate.tasks.question import Answer, Question, Values
from tutelage.evaluate.tasks.task import Benchmark, How, Verdicts

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

INSTRUCTION = "Translate the following sentences from French into English."
LONGEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """A sentence in both languages."""

    fr: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A sentence and its translation."""

    id: str
    translation: Both


def pose(rows: Sequence[Row], how: How) -> list[Question]:
    """Ask after solved sentences. MissingError without the package that counts BLEU, before anything is computed."""
    _counter()
    return [
        Question(
            item=row.id,
            prompt="\n\n".join([INSTRUCTION, *(f"{_asked(one)} {one.translation.en}" for one in how.shown(row)),
                                _asked(row)]),
            max_tokens=LONGEST,
            shown=row.translation.fr,
            references=((row.translation.en,),),
        )
        for row in how.some(rows)
    ]  # fmt: skip


def _asked(row: Row) -> str:
    return f"French: {row.translation.fr}\nEnglish:"


@cache
def _counter() -> BLEU:
    return bleu.counter()


def score(question: Question, answer: Answer, _: Verdicts) -> Values:
    """Count what BLEU sums over all sentences."""
    return {"bleu": bleu.sums(_counter(), answer.text, question.references[0])}


BENCHMARK = Benchmark(
    name="translation",
    told="WMT 2015, French to English",
    version=1,
    file="wmt_fr_en",
    row=Row,
    pose=pose,
    score=score,
    metrics=("bleu",),
    shots=15,
)
