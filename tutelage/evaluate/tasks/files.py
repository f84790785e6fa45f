"""Tasks from JSON lines, and their scores as one file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tutelage.core.statistics import Estimate, mean_estimate
from tutelage.errors import DataError
from tutelage.evaluate.records import TaskScore
from tutelage.evaluate.tasks import Task, by_task
from tutelage.evaluate.tasks.choice import MultipleChoice
from tutelage.evaluate.tasks.exact import ExactMatch
from tutelage.evaluate.tasks.item import Item
from tutelage.files import read_records, sha256_of, write_json

#: The mean score of every model on every task.
Figures = dict[str, dict[str, Estimate]]


def read(path: Path) -> list[Task]:
    """Read tasks: items that have choices are scored by multiple choice, those without by exact match."""
    items = read_records(path, Item)
    if not items:
        raise DataError(f"{path} holds no item; give one JSON object per line.")
    tasks: list[Task] = []
    for name, part in by_task(items).items():
        kinds = {bool(item.choices) for item in part}
        if len(kinds) > 1:
            raise DataError(f"{path}: only some items of the task {name} have choices; give them to all, or to none.")
        tasks.append(MultipleChoice(name, part) if kinds == {True} else ExactMatch(name, part))
    return tasks


def figures(scores: Sequence[TaskScore]) -> Figures:
    """Return the mean of every task and model with its 95 % interval over items."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in scores:
        found.setdefault(row.task, {}).setdefault(row.model, []).append(row.score)
    return {task: {model: mean_estimate(values) for model, values in models.items()} for task, models in found.items()}


def write(path: Path, scores: Sequence[TaskScore], models: Mapping[str, Path], tasks: Path) -> None:
    """Write figures and every item's score as JSON, with the hashes of the models and of the tasks' file."""
    content: dict[str, Any] = {
        "tasks": {"path": str(tasks), "sha256": sha256_of(tasks)},
        "models": {name: {"path": str(where), "sha256": sha256_of(where)} for name, where in models.items()},
        "figures": {
            task: {model: _plain(estimate) for model, estimate in by_model.items()}
            for task, by_model in figures(scores).items()
        },
        "items": [{name: value for name, value in asdict(row).items() if name != "seed"} for row in scores],
    }
    write_json(path, content)


def _plain(estimate: Estimate) -> dict[str, float | None]:
    """Return an estimate as JSON, where an open interval (of one item) has no bounds."""
    return {name: value if math.isfinite(value) else None for name, value in estimate._asdict().items()}
