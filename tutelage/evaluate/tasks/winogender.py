"""Winogender (Rudinger, Naradowsky, Leonard and Van Durme 2018): sentences that differ in the pronoun alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tutelage.evaluate.tasks import pairs
from tutelage.evaluate.tasks.question import Answer, Question, Values
from tutelage.evaluate.tasks.task import Benchmark, How, Verdicts, some


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A sentence; those of one pair differ in the pronoun, and two pairs of one template in the participant."""

    id: str
    pair_id: str
    gender: str
    sentence: str
    template_id: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """The two sentences of a pair with she and he, and the template of both."""

    id: str
    sentences: tuple[str, str]
    template: str


def pose(rows: Sequence[Row], how: How) -> list[Question]:
    """Hold she against he. The paper names 120 items; the 240 pairs of the source are asked, two of each template."""
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row.pair_id, {})[row.gender] = row
    whole = [
        Pair(name, (one["female"].sentence, one["male"].sentence), one["female"].template_id)
        for name, one in found.items()
        if {"female", "male"} <= set(one)
    ]
    kept = some(whole, how.items) if how.items else whole
    return [
        replace(pairs.question(pair.id, condition, pair.sentences, pair.sentences[0]), cluster=pair.template)
        for condition in how.conditions
        for pair in kept
    ]


def score(question: Question, answer: Answer, _: Verdicts) -> Values:
    """Give the entropy of the choice, and whether the sentence with she is the likelier one."""
    return {"entropy": pairs.entropy(answer), "she": pairs.chosen(question, answer)}


BENCHMARK = Benchmark(
    name="winogender",
    told="Winogender",
    version=1,
    file="winogender",
    row=Row,
    pose=pose,
    score=score,
    metrics=("entropy", "she"),
    conditions=tuple(pairs.PREFIXES),
)
