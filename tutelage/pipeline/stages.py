"""A stage and the order of stages: each is skipped when what it made from the same inputs exists.

A stage's directory is named by the hash of its inputs (its settings and the hashes of the stages it needs), so a
changed setting makes a new directory and touches no old one. `stage.json` is written last: a stage without it is
unfinished and is run again, and what it does must then go on or be repeated without harm.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tutelage.config import Settings
from tutelage.errors import InvariantError
from tutelage.files import content_hash, read_json, write_json
from tutelage.train import memory

#: Raised when a stage comes to mean something else, so that old outputs are not taken for new ones.
VERSION = 1
MARKER = "stage.json"
SPENT = "seconds.json"


@dataclass(frozen=True)
class Stage:
    """One step of the loop.

    `run` works in the directory it is given and returns facts (JSON) for the stages after it. `settings` is what the
    result depends on besides `needs`; `ceiling` is how many seconds it may take on the machine of the recipe.
    """

    name: str
    title: str
    run: Callable[[Workspace, Path], dict[str, Any]]
    settings: Any
    needs: tuple[str, ...] = ()
    ceiling: float | None = None


class Observer(Protocol):
    """Who watches: the terminal, or nobody."""

    def begin(self, stage: Stage, number: int, count: int) -> None:
        """A stage begins."""

    def tell(self, sentence: str) -> None:
        """Something worth a line happened."""

    def advance(self, done: float, total: float, figures: Mapping[str, float]) -> None:
        """A part of the running stage is done."""

    def end(self, stage: Stage, seconds: float, skipped: bool) -> None:
        """A stage ended."""


class Quiet:
    """An observer that says nothing."""

    def begin(self, stage: Stage, number: int, count: int) -> None:
        return None

    def tell(self, sentence: str) -> None:
        return None

    def advance(self, done: float, total: float, figures: Mapping[str, float]) -> None:
        return None

    def end(self, stage: Stage, seconds: float, skipped: bool) -> None:
        return None


class Workspace:
    """The directory of one pipeline: a folder per stage, found by the hash of its inputs."""

    def __init__(self, root: Path, recipe: Settings, observer: Observer | None = None) -> None:
        self.root = root
        self.recipe = recipe
        self.observer: Observer = observer or Quiet()
        self._made: dict[str, Path] = {}

    def directory(self, name: str) -> Path:
        """Return where a finished stage left its outputs."""
        if name not in self._made:
            raise InvariantError(f"The stage {name} has not run; list it among the needs of the stage that reads it.")
        return self._made[name]

    def has(self, name: str) -> bool:
        """Say whether a stage has run."""
        return name in self._made

    def facts(self, name: str) -> dict[str, Any]:
        """Return what a finished stage told."""
        facts: dict[str, Any] = read_json(self.directory(name) / MARKER)["facts"]
        return facts

    def seconds(self) -> dict[str, float]:
        """Return how long each finished stage took, interruptions added up."""
        return {name: read_json(path / MARKER)["seconds"] for name, path in self._made.items()}

    def peaks(self) -> dict[str, float]:
        """Return the most memory, in bytes, that this process held in each finished stage that noted it."""
        found = {name: read_json(path / MARKER).get("peak") for name, path in self._made.items()}
        return {name: peak for name, peak in found.items() if peak is not None}

    def hash_of(self, stage: Stage) -> str:
        """Return the hash of everything a stage's result depends on."""
        settings = stage.settings.model_dump(mode="json") if isinstance(stage.settings, Settings) else stage.settings
        needs = {name: self.directory(name).name for name in stage.needs}
        return content_hash({"version": VERSION, "stage": stage.name, "settings": settings, "needs": needs})

    def run(self, stages: Sequence[Stage]) -> None:
        """Run what is not made yet, in order."""
        for number, stage in enumerate(stages, start=1):
            directory = self.root / f"{stage.name}-{self.hash_of(stage)[:10]}"
            self.observer.begin(stage, number, len(stages))
            skipped = (directory / MARKER).is_file()
            if not skipped:
                self._run(stage, directory)
            self._made[stage.name] = directory
            self.observer.end(stage, read_json(directory / MARKER)["seconds"], skipped)
            write_json(self.root / "stages.json", {name: path.name for name, path in self._made.items()})

    def _run(self, stage: Stage, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        before = read_json(directory / SPENT) if (directory / SPENT).is_file() else {"seconds": 0.0}
        began = time.monotonic()
        memory.forget_peak()
        try:
            facts = stage.run(self, directory)
        finally:
            gc.collect()  # what a training held in circles is free before the next one takes its own
            memory.return_freed_memory()
            spent = {
                "seconds": before["seconds"] + time.monotonic() - began,
                "peak": max(before.get("peak", 0.0), memory.peak()),
            }
            write_json(directory / SPENT, spent)
        marker = {"stage": stage.name, **spent, "ceiling": stage.ceiling, "facts": facts}
        write_json(directory / MARKER, marker)
