"""SQuAD 2.0 (Rajpurkar, Jia and Liang 2018): answers from a passage, or that it holds none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.evaluate.metrics.sets import SETS
from tutelage.evaluate.metrics.squad import normalise, with_no_answer
from tutelage.evaluate.tasks.question import Answer, Question, Values
from tutelage.evaluate.tasks.task import Benchmark, How, Verdicts

#: What is answered where the passage does not say (paper, App. D).
NO_ANSWER = "Not in background."
INSTRUCTION = (
    "Answer each question using information in the preceding background paragraph. If there is not enough information "
    f'provided, answer with "{NO_ANSWER}"'
)
LONGEST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The right answers by several people; none where the passage does not say."""

    text: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A question on a passage."""

    id: str
    title: str
    context: str
    question: str
    answers: Answers


def pose(rows: Sequence[Row], how: How) -> list[Question]:
    """Ask after solved examples, each with its own passage."""
    return [
        Question(
            item=row.id,
            prompt="\n\n".join([INSTRUCTION, *(_solved(one) for one in how.shown(row)), _asked(row)]),
            max_tokens=LONGEST,
            cluster=row.title,
            shown=row.question,
            references=(row.answers.text,),
        )
        for row in how.some(rows)
    ]


def _asked(row: Row) -> str:
    return f"Title: {row.title}\n\nBackground: {row.context}\n\nQ: {row.question}\n\nA:"


def _solved(row: Row) -> str:
    return f"{_asked(row)} {row.answers.text[0] if row.answers.text else NO_ANSWER}"


def score(question: Question, answer: Answer, _: Verdicts) -> Values:
    """Score as the official script does."""
    given = "" if normalise(answer.text) == normalise(NO_ANSWER) else answer.text
    return with_no_answer(given, question.references[0])


BENCHMARK = Benchmark(
    name="squad2",
    told="SQuAD 2.0",
    version=1,
    file="squad2",
    row=Row,
    pose=pose,
    score=score,
    metrics=SETS["squad2"].metrics,
    shots=4,
)
