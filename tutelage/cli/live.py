"""What a long command shows: one live block at a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tutelage.pipeline.stages import Observer, Stage

#: Seconds between two plain progress lines of one stage, and figures that a line has room for.
EVERY, FIGURES = 15.0, 6


@contextmanager
def observer() -> Iterator[Observer]:
    """Watch a pipeline: a live block when standard error is a terminal, else lines."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.table import Column

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=32),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        # The figures have what the rest leaves free, so that a narrow terminal still shows bar and time.
        TextColumn("{task.fields[figures]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
    )
    with Progress(*columns, console=Console(stderr=True), expand=True) as progress:
        yield Block(progress)


def shown(figures: Mapping[str, float]) -> str:
    """Write the figures that matter now."""
    return "  ".join(f"{name} {value:.3g}" for name, value in list(figures.items())[:FIGURES])


class Lines:
    """Plain lines, a few a minute."""

    def __init__(self) -> None:
        self._began = self._last = 0.0
        self._figures: dict[str, float] = {}
        self._head = ""

    def begin(self, stage: Stage, number: int, count: int) -> None:
        self._head = f"[{number}/{count}] {stage.title}"
        self._began = self._last = time.monotonic()
        self._figures = {}

    def tell(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    def advance(self, done: float, total: float, figures: Mapping[str, float]) -> None:
        self._figures.update(figures)
        now = time.monotonic()
        if now - self._last < EVERY or not done:
            return
        self._last = now
        left = (now - self._began) * (total - done) / done
        line = f"{self._head}: {100 * done / total:.0f} %, {left:.0f} s left  {shown(self._figures)}"
        print(line, file=sys.stderr, flush=True)

    def end(self, stage: Stage, seconds: float, skipped: bool) -> None:
        state = "made before" if skipped else f"{seconds:.0f} s"
        if stage.ceiling is not None and seconds > stage.ceiling:
            state += f", over its ceiling of {stage.ceiling:.0f} s"
        print(f"{self._head}: {state}", file=sys.stderr, flush=True)


class Block:
    """One live block of rich's: a bar for the running stage, the finished ones above it."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None
        self._figures: dict[str, float] = {}
        self._head = ""

    def begin(self, stage: Stage, number: int, count: int) -> None:
        self._head, self._figures = f"{number}/{count} {stage.title}", {}
        self._task = self._progress.add_task(self._head, total=None, figures="")

    def tell(self, sentence: str) -> None:
        self._progress.console.print(sentence, highlight=False)

    def advance(self, done: float, total: float, figures: Mapping[str, float]) -> None:
        self._figures.update(figures)
        self._progress.update(self._task, completed=done, total=total, figures=shown(self._figures))

    def end(self, stage: Stage, seconds: float, skipped: bool) -> None:
        state = "made before" if skipped else f"{seconds:.0f} s"
        if stage.ceiling is not None and seconds > stage.ceiling:
            state += f", over its ceiling of {stage.ceiling:.0f} s"
        self._progress.remove_task(self._task)
        self._progress.console.print(f"{self._head}: {state}", highlight=False)


@contextmanager
def steps(title: str) -> Iterator[Callable[[int, int, Mapping[str, float]], None]]:
    """Watch one training by itself; it is called after every step."""
    began = time.monotonic()
    stage = Stage(title, title, run=lambda space, out: {}, settings=None)
    with observer() as watching:
        watching.begin(stage, 1, 1)
        yield watching.advance
        watching.end(stage, time.monotonic() - began, skipped=False)
