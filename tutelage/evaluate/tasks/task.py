"""A task: questions, how the answers are scored, and what judges are asked of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tutelage.errors import SettingsError
from tutelage.evaluate.tasks.question import Answer, Question, Values, check
from tutelage.files import content_hash

#: What judges said of an answer, by the name of what they were asked.
Verdicts = Mapping[str, float]
#: Scores an answer: a number from 0 to 1 for each metric that applies to it (of BLEU its sums).
Score = Callable[[Question, Answer, Verdicts], Values]
#: Makes the questions of rows.
Pose = Callable[[Sequence[Any], "How"], Sequence[Question]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is asked of models and how it is scored; a record of another `version` never counts.

    `metrics` are named in the order of reports. `judged` names what judges may be asked; each answers with a number
    from 0 to 1. With `needs_judge` there is nothing to report without one.
    """

    name: str
    version: int
    metrics: tuple[str, ...]
    questions: tuple[Question, ...]
    score: Score
    judged: tuple[str, ...] = ()
    needs_judge: bool = False

    def __post_init__(self) -> None:
        check(self.name, self.questions)


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a benchmark is asked: under which conditions, with which solved examples, and at most how many items.

    `examples` are rows of the training split, `shots` of which stand before each item. Which ones, and which items are
    asked where `items` bounds them, depends on the items' names and the `seed` alone.
    """

    conditions: tuple[str, ...]
    shots: int = 0
    examples: Sequence[Any] = ()
    items: int = 0
    seed: int = 0

    def some(self, rows: Sequence[Any]) -> list[Any]:
        """Take the rows that are asked, always the same ones, in their order."""
        return some(rows, self.items) if self.items else list(rows)

    def shown(self, row: Any) -> list[Any]:
        """Draw the solved examples of an item, as GPT-3's evaluation did: anew for each (Brown et al. 2020, 2.4)."""
        if len(self.examples) < self.shots:
            raise SettingsError(
                f"{self.shots} solved examples shall be shown before each item, and {len(self.examples)} that can be "
                f"used are given; give more rows of the training split, or say --shots {len(self.examples)}."
            )
        return random.Random(content_hash([self.seed, row.id])).sample(list(self.examples), self.shots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A published task: its name, the form of its rows, and how they become questions.

    `file` is how a file of its rows is called in a folder of data, without the ending. `conditions` are the prompts it
    can be asked under, all of them unless the user says otherwise; `shots` are the paper's (App. D).
    """

    name: str
    told: str
    version: int
    file: str
    row: type[Any]
    pose: Pose
    score: Score
    metrics: tuple[str, ...]
    conditions: tuple[str, ...] = ("",)
    shots: int = 0
    judged: tuple[str, ...] = ()
    needs_judge: bool = False

    def task(self, rows: Sequence[Any], how: How) -> Task:
        """Pose the questions of rows. SettingsError for a condition that it does not have."""
        for condition in how.conditions:
            if condition not in self.conditions:
                there = ", ".join(self.conditions) if self.conditions != ("",) else "only one, without a name"
                raise SettingsError(f"The task {self.name} has no prompt {condition!r}; it has {there}.")
        return Task(
            name=self.name,
            version=self.version,
            metrics=self.metrics,
            questions=tuple(self.pose(rows, how)),
            score=self.score,
            judged=self.judged,
            needs_judge=self.needs_judge,
        )


def some(rows: Sequence[Any], limit: int) -> list[Any]:
    """Take so many rows, always the same ones, in their order."""
    kept = {row.id for row in sorted(rows, key=lambda row: content_hash(row.id))[:limit]}
    return [row for row in rows if row.id in kept]
