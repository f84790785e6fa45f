"""QuAC (Choi et al. 2018): a conversation about a passage; earlier questions stand before each with their answers.

F1 is SQuAD's, the best over the references; the official script leaves one reference out at a time, and questions on
which people disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tutelage.errors import DataError
from tutelage.evaluate.metrics.sets import SETS
from tutelage.evaluate.metrics.squad import normalise, with_no_answer
from tutelage.evaluate.tasks.question import Answer, Question, Values
from tutelage.evaluate.tasks.task import Benchmark, How, Verdicts

#: What is answered where the passage does not say (paper, App. D), and how the data say so.
NO_ANSWER, UNKNOWN = "I don't know.", "CANNOTANSWER"
INSTRUCTION = (
    "Answer each question using information in the preceding background paragraph. If there is not enough information "
    f'provided, answer with "{NO_ANSWER}"'
)
LONGEST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """For each question the answers of several people."""

    texts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A conversation."""

    id: str
    wikipedia_page_title: str
    context: str
    questions: tuple[str, ...]
    answers: Answers

    def __post_init__(self) -> None:
        if len(self.answers.texts) != len(self.questions) or not all(self.answers.texts):
            raise DataError("answers.texts needs one list of answers, not empty, for each of questions.")


@dataclass(frozen=True, slots=True)
class Turn:
    """A question of a conversation, by its place."""

    id: str
    row: Row
    place: int


def pose(rows: Sequence[Row], how: How) -> list[Question]:
    """Ask every question of every conversation, after solved ones."""
    turns = [Turn(f"{row.id}/{place}", row, place) for row in rows for place in range(len(row.questions))]
    return [
        Question(
            item=turn.id,
            prompt="\n\n".join([INSTRUCTION, *(_solved(one) for one in how.shown(turn)), "\n".join(_lines(turn))]),
            max_tokens=LONGEST,
            cluster=turn.row.id,
            shown=turn.row.questions[turn.place],
            references=(_references(turn),),
        )
        for turn in how.some(turns)
    ]


def _lines(turn: Turn) -> Iterator[str]:
    row = turn.row
    yield f"TITLE: {row.wikipedia_page_title}"
    yield f"PARAGRAPH: {row.context.removesuffix(UNKNOWN).strip()}"
    for place in range(turn.place):
        yield f"Q: {row.questions[place]}"
        yield f"A: {_said(row.answers.texts[place][0])}"
    yield f"Q: {row.questions[turn.place]}"
    yield "A:"


def _solved(row: Row) -> str:
    """Show a whole conversation."""
    last = Turn(row.id, row, len(row.questions) - 1)
    return "\n".join(_lines(last)) + f" {_said(row.answers.texts[-1][0])}"


def _said(answer: str) -> str:
    return NO_ANSWER if answer == UNKNOWN else answer


def _references(turn: Turn) -> tuple[str, ...]:
    """Give what counts: nothing where most people found no answer, else the answers that were found."""
    texts = turn.row.answers.texts[turn.place]
    found = tuple(text for text in texts if text != UNKNOWN)
    return found if 2 * len(found) >= len(texts) else ()


def score(question: Question, answer: Answer, _: Verdicts) -> Values:
    """Give F1 over all questions, and over those with and without an answer."""
    given = "" if normalise(answer.text) == normalise(NO_ANSWER) else answer.text
    return with_no_answer(given, question.references[0])


BENCHMARK = Benchmark(
    name="quac",
    told="QuAC",
    version=1,
    file="quac",
    row=Row,
    pose=pose,
    score=score,
    metrics=SETS["squad2"].metrics,
    shots=2,
)
