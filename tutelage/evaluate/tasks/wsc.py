"""WSC (Levesque, Davis and Morgenstern 2012, as in SuperGLUE): whom does a pronoun mean?

The model writes whom; it is held to say yes where what it wrote contains the noun, or the noun contains it (paper, App.
D), and that is right where the data say yes too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tutelage.errors import DataError
from tutelage.evaluate.metrics.squad import normalise
from tutelage.evaluate.tasks.question import Answer, Question, Values
from tutelage.evaluate.tasks.rows import Binary
from tutelage.evaluate.tasks.task import Benchmark, How, Verdicts

INSTRUCTION = (
    "Final Exam with Answer Key\n"
    "Instructions: Please carefully read the following passages. For each passage, you must identify which noun the "
    "pronoun marked in bold refers to.\n====="
)
LONGEST = 10
YES = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A passage, a noun (span 1) and a pronoun (span 2, by its word's place); 1 says that the one means the other."""

    id: str
    text: str
    span1_text: str
    span2_text: str
    span2_index: int
    label: Binary

    def __post_init__(self) -> None:
        if not 0 <= self.span2_index < len(self.text.split()):
            raise DataError(f"span2_index is {self.span2_index}, which is no place of a word of the text.")


def pose(rows: Sequence[Row], how: How) -> list[Question]:
    """Ask after solved passages: those whose noun is the right one, for of the others nobody wrote it down."""
    solved = replace(how, examples=[one for one in how.examples if one.label == 1])
    return [
        Question(
            item=row.id,
            prompt="\n".join([INSTRUCTION, *(f"{_asked(one)} {one.span1_text}\n=====" for one in solved.shown(row)),
                              _asked(row)]),
            max_tokens=LONGEST,
            shown=row.text,
            references=((row.span1_text,), (str(row.label),)),
        )
        for row in how.some(rows)
    ]  # fmt: skip


def _asked(row: Row) -> str:
    words = row.text.split()
    words[row.span2_index] = f"**{words[row.span2_index]}**"
    passage = " ".join(words)
    return (
        f"Passage: {passage}\n"
        f'Question: In the passage above, what does the pronoun "**{row.span2_text}**" refer to?\nAnswer:'
    )


def score(question: Question, answer: Answer, _: Verdicts) -> Values:
    """Give 1 where the model's yes or no is that of the data."""
    ((noun,), (label,)) = question.references
    given, gold = normalise(answer.text), normalise(noun)
    says_yes = bool(given) and (gold in given or given in gold)
    return {"accuracy": float(says_yes == (label == YES))}


BENCHMARK = Benchmark(
    name="wsc",
    told="WSC",
    version=1,
    file="wsc",
    row=Row,
    pose=pose,
    score=score,
    metrics=("accuracy",),
    shots=15,
)
