"""Tasks with known answers: academic benchmarks, and the tax tasks that tell what alignment costs.

A task has a name and items, and scores a subject: one number from 0 to 1 per item, in the order of the items. A new
benchmark is one file here whose class does this, and one line in the contract test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tutelage.errors import DataError
from tutelage.evaluate.records import TaskScore
from tutelage.evaluate.tasks.item import Item
from tutelage.evaluate.tasks.subject import Subject

__all__ = ["Item", "Subject", "Task", "by_task", "run"]


class Task(Protocol):
    """A benchmark: items with answers and how they are scored."""

    @property
    def name(self) -> str:
        """Name the task as reports do."""
        ...

    @property
    def items(self) -> tuple[Item, ...]:
        """List what is asked."""
        ...

    def scores(self, subject: Subject) -> list[float]:
        """Score a subject: one number from 0 to 1 per item."""
        ...


def by_task(items: Sequence[Item]) -> dict[str, tuple[Item, ...]]:
    """Gather items by the name of their task, in order."""
    return {name: tuple(i for i in items if i.task == name) for name in dict.fromkeys(i.task for i in items)}


def run(tasks: Sequence[Task], models: Mapping[str, Path], *, seed: int) -> list[TaskScore]:
    """Score every model (name and directory) on every task; one model is in memory at a time."""
    for task in tasks:
        names = [item.item for item in task.items]
        if not names or len(set(names)) < len(names):
            raise DataError(f"The task {task.name} needs items with different names, at least one.")
    rows: list[TaskScore] = []
    for model, directory in models.items():
        subject = Subject.load(directory)
        for task in tasks:
            for item, score in zip(task.items, task.scores(subject), strict=True):
                rows.append(TaskScore(seed=seed, task=task.name, item=item.item, model=model, score=score))
    return rows
