"""Summaries after `TL;DR:`, by ROUGE-L: what CNN/DM and Reddit TL;DR have in common.

The paper's account of their solved examples is a copy of another task's (App. D), so none are shown unless asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tutelage.evaluate.metrics.rouge import rouge_l
from tutelage.evaluate.tasks.question import Answer, Question, Values
from tutelage.evaluate.tasks.task import How, Verdicts

#: Characters of a text that a report shows.
SHOWN = 200


def pose(rows: Sequence[Any], how: How, parts: Callable[[Any], tuple[str, str]], max_tokens: int) -> list[Question]:
    """Ask for a summary of each row's text; `parts` gives text and reference."""

    def asked(row: Any) -> str:
        return f"{parts(row)[0].strip()}\n\nTL;DR:"

    return [
        Question(
            item=row.id,
            prompt="\n\n".join([*(f"{asked(one)} {parts(one)[1]}" for one in how.shown(row)), asked(row)]),
            max_tokens=max_tokens,
            shown=parts(row)[0][:SHOWN],
            references=((parts(row)[1],),),
        )
        for row in how.some(rows)
    ]


def score(question: Question, answer: Answer, _: Verdicts) -> Values:
    """Give ROUGE-L's F1."""
    return {"rouge_l": rouge_l(answer.text, question.references[0])}
