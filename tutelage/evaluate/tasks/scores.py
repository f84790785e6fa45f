"""Tasks inside a larger evaluation, which keeps rows of its own: one number per model, item and metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tutelage.errors import DataError
from tutelage.evaluate.records import TaskScore
from tutelage.evaluate.tasks.choice import ACCURACY
from tutelage.evaluate.tasks.subject import Subject
from tutelage.evaluate.tasks.task import Task


def run(tasks: Sequence[Task], models: Mapping[str, Path], *, seed: int) -> list[TaskScore]:
    """Score every model (name and directory) on every task without judges; one model is in memory at a time.

    A metric other than accuracy stands behind the task's name. DataError for an item that a model cannot read whole:
    arms are held against each other on the same items.
    """
    rows: list[TaskScore] = []
    for model, directory in models.items():
        subject = Subject.load(directory)
        for task in tasks:
            for one, given in zip(task.questions, subject.answer(task.questions), strict=True):
                if given.missing:
                    raise DataError(
                        f"The item {one.item} of {task.name} is {given.missing} for the context of {model}, "
                        f"{subject.context} tokens; give shorter items."
                    )
                for metric, value in task.score(one, given, {}).items():
                    name = _named(task.name, metric)
                    rows.append(TaskScore(seed=seed, task=name, item=one.item, model=model, score=value))
    return rows


def _named(task: str, metric: str) -> str:
    name = task.replace("-", "_")
    return name if (metric,) == ACCURACY else f"{name}_{metric}"
