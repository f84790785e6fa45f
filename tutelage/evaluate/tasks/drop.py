"""DROP (Dua et al. 2019): questions on a passage that ask to count, compare and add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.evaluate.metrics import drop
from tutelage.evaluate.tasks.question import Answer, Question, Values
from tutelage.evaluate.tasks.task import Benchmark, How, Verdicts

INSTRUCTION = "Answer each question using information in the preceding passage."
LONGEST = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The right answer: one text, or several spans."""

    spans: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A question on a passage."""

    id: str
    passage: str
    question: str
    answers_spans: Answers


def pose(rows: Sequence[Row], how: How) -> list[Question]:
    """Ask after solved examples; questions without any right answer are left out, as the official script does."""
    there = [row for row in rows if "".join(row.answers_spans.spans).strip()]
    return [
        Question(
            item=row.id,
            prompt="\n\n".join([INSTRUCTION, *(_solved(one) for one in how.shown(row)), _asked(row)]),
            max_tokens=LONGEST,
            cluster=row.passage,
            shown=row.question,
            references=(row.answers_spans.spans,),
        )
        for row in how.some(there)
    ]


def _asked(row: Row) -> str:
    return f"Passage: {row.passage}\n\nQuestion: {row.question}\n\nAnswer:"


def _solved(row: Row) -> str:
    return f"{_asked(row)} {', '.join(row.answers_spans.spans)}"


def score(question: Question, answer: Answer, _: Verdicts) -> Values:
    """Score as the official script does; the line that was written is one span."""
    return drop.score((answer.text,), question.references)


BENCHMARK = Benchmark(
    name="drop",
    told="DROP",
    version=1,
    file="drop",
    row=Row,
    pose=pose,
    score=score,
    metrics=("exact_match", "f1"),
    shots=4,
)
