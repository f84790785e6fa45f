"""What a long command shows: one live block at a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tutelage.pipeline.stages import Observer, Stage

#: Seconds between two plain progress lines of one stage, and figures that a line has room for.
EVERY, FIGURES = 15.0, 8
#: What matters while a model trains, in order, by the names that people use; all else is in the run's metrics.
NAMES = {
    "objective/score": "reward",
    "validation/policy/score": "validation reward",
    "objective/kl": "KL",
    "ppo/policy/entropy": "entropy",
    "tokens/completion_mean": "length",
    "ppo/policy/clipfrac": "clipped",
    "ppo/val/var_explained": "explained variance",
    "loss": "loss",
    "heldout/loss": "held-out loss",
    "accuracy": "accuracy",
    "heldout/accuracy": "held-out accuracy",
}


@contextmanager
def observer() -> Iterator[Observer]:
    """Watch a pipeline: a live block when standard error is a terminal, else lines."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.live import Live
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=32),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    block = Block(Progress(*columns, console=console), console)
    with Live(block, console=console, refresh_per_second=4):
        yield block


def chosen(figures: Mapping[str, float]) -> dict[str, float]:
    """Choose the figures that matter now: those with a name that people use, or all where none has one."""
    known = {name: figures[metric] for metric, name in NAMES.items() if metric in figures}
    rates = {name: value for name, value in figures.items() if name.endswith("/s")}
    return {**known, **rates} if known else dict(list(figures.items())[:FIGURES])


def shown(figures: Mapping[str, float]) -> str:
    """Write the figures that matter now."""
    return "  ".join(f"{name} {value:.3g}" for name, value in chosen(figures).items())


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
    """One live block of rich's: a bar for the running stage and its figures under it, the finished ones above it."""

    def __init__(self, progress: Any, console: Any) -> None:
        self._progress, self._console = progress, console
        self._task: Any = None
        self._figures: dict[str, float] = {}
        self._head = ""

    def __rich__(self) -> Any:
        from rich.columns import Columns
        from rich.console import Group
        from rich.text import Text

        figures = [
            Text.assemble((f"{name} ", "dim"), (f"{value:.3g}", "bold"), "   ")
            for name, value in chosen(self._figures).items()
        ]
        return Group(self._progress, Columns(figures, padding=(0, 0)))

    def begin(self, stage: Stage, number: int, count: int) -> None:
        # A training by itself is no first of one.
        self._head, self._figures = f"{number}/{count} {stage.title}" if count > 1 else stage.title, {}
        self._task = self._progress.add_task(self._head, total=None)

    def tell(self, sentence: str) -> None:
        self._console.print(sentence, highlight=False)

    def advance(self, done: float, total: float, figures: Mapping[str, float]) -> None:
        self._figures.update(figures)
        self._progress.update(self._task, completed=done, total=total)

    def end(self, stage: Stage, seconds: float, skipped: bool) -> None:
        state = "made before" if skipped else f"{seconds:.0f} s"
        if stage.ceiling is not None and seconds > stage.ceiling:
            state += f", over its ceiling of {stage.ceiling:.0f} s"
        self._progress.remove_task(self._task)
        self._figures = {}
        self._console.print(f"{self._head}: {state}", highlight=False)


@contextmanager
def whole(title: str) -> Iterator[Callable[[float, float, Mapping[str, float]], None]]:
    """Watch one work by itself; it is called with what is done, all that there was to do now, and figures."""
    began = time.monotonic()
    stage = Stage(title, title, run=lambda space, out: {}, settings=None)
    with observer() as watching:
        watching.begin(stage, 1, 1)
        yield watching.advance
        watching.end(stage, time.monotonic() - began, skipped=False)


@contextmanager
def steps(title: str, episodes: int = 0) -> Iterator[Callable[[int, int, Mapping[str, float]], None]]:
    """Watch one training by itself; it is called after every step, which has so many episodes."""
    began = time.monotonic()
    stage = Stage(title, title, run=lambda space, out: {}, settings=None)
    before: list[int] = []

    def advance(step: int, count: int, metrics: Mapping[str, float]) -> None:
        # A run that goes on has steps behind it that took no time now.
        before.append(step - 1)
        rate = {"episodes/s": episodes * (step - before[0]) / (time.monotonic() - began)} if episodes else {}
        watching.advance(step, count, {**metrics, **rate})

    with observer() as watching:
        watching.begin(stage, 1, 1)
        yield advance
        watching.end(stage, time.monotonic() - began, skipped=False)
