"""The metric sets that outputs can be scored by, each under the name of its task.

Most give one number per row and metric; a metric that does not apply to a row is left out of it, never 0.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tutelage.errors import SettingsError
from tutelage.evaluate.metrics import choice, drop, rouge, squad

#: What a row has for each metric.
Values = Mapping[str, float]
#: Scores the spans of an output by those of each reference; where answers have no spans, each holds one text.
Score = Callable[[Sequence[str], Sequence[Sequence[str]]], Values]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSet:
    """What a task measures, and from which cells: an output with references, or a ready number or yes/no.

    `metrics` are means of numbers from 0 to 1, but for the mean of a ready number and BLEU (0 to 100, over all rows).
    """

    task: str
    told: str
    metrics: tuple[str, ...]
    cells: Literal["texts", "spans", "number", "rate"] = "texts"
    score: Score | None = None
    #: Whether an empty output says that there is no answer, and no reference that there is none to give.
    no_answer: bool = False


def find(task: str) -> MetricSet:
    """Look a metric set up; SettingsError says which there are."""
    if task not in SETS:
        close = difflib.get_close_matches(task, SETS, n=1)
        hint = f"; did you mean {close[0]}?" if close else "."
        raise SettingsError(f"There is no task {task}{hint} There are {', '.join(SETS)}.")
    return SETS[task]


def _exact(output: Sequence[str], references: Sequence[Sequence[str]]) -> Values:
    return {"exact_match": float(any(output[0].split() == one[0].split() for one in references))}


def _squad(output: Sequence[str], references: Sequence[Sequence[str]]) -> Values:
    golds = [one[0] for one in references]
    return {"exact_match": squad.exact_match(output[0], golds), "f1": squad.f1(output[0], golds)}


def _squad2(output: Sequence[str], references: Sequence[Sequence[str]]) -> Values:
    return squad.with_no_answer(output[0], [one[0] for one in references])


def _rouge(output: Sequence[str], references: Sequence[Sequence[str]]) -> Values:
    return {"rouge_l": rouge.rouge_l(output[0], [one[0] for one in references])}


def _choice(output: Sequence[str], references: Sequence[Sequence[str]]) -> Values:
    return {"accuracy": choice.accuracy(output[0], [one[0] for one in references])}


_BY_KIND = ("exact_match", "f1", "has_answer_exact_match", "has_answer_f1", "no_answer_exact_match", "no_answer_f1")
SETS = {
    one.task: one
    for one in (
        MetricSet(task="exact-match", told="the same words", metrics=("exact_match",), score=_exact),
        MetricSet(task="squad", told="SQuAD 1.1", metrics=("exact_match", "f1"), score=_squad),
        MetricSet(task="squad2", told="SQuAD 2.0, with no answer", metrics=_BY_KIND, score=_squad2, no_answer=True),
        MetricSet(task="drop", told="DROP", metrics=("exact_match", "f1"), cells="spans", score=drop.score),
        MetricSet(task="rouge-l", told="ROUGE-L", metrics=("rouge_l",), score=_rouge),
        MetricSet(task="bleu", told="BLEU", metrics=("bleu",)),
        MetricSet(task="choice", told="multiple choice", metrics=("accuracy",), score=_choice),
        MetricSet(task="score", told="the mean of a ready number", metrics=("score",), cells="number"),
        MetricSet(task="rate", told="the share of a ready yes", metrics=("rate",), cells="rate"),
    )
}
