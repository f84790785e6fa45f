"""Draw what every PPO run pays for its reward: the reward it learns from and one it does not, over KL to its start.

The first is the proxy, the second the gold reward (Gao et al. 2023): a judge, or another reward model, that is asked on
validation prompts alone. Where the proxy rises and the gold falls, the policy has learned the reward model's mistakes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tutelage.evaluate.layout import Picture, Section
from tutelage.evaluate.plots import Series, curves
from tutelage.evaluate.tables import Cell, Table
from tutelage.evaluate.wording import plain

#: KL and reward of rollouts, of validation prompts, and what a judge says of the latter.
ROLLOUTS = ("objective/kl", "objective/score")
VALIDATION = ("validation/policy/kl", "validation/policy/score")
GOLD = ("validation/policy/kl", "validation/policy/judged")
#: Rows of the table beside a figure, about.
ROWS = 12


class Measured(Protocol):
    """A run with the name and the colour that it has on the page, and its metrics."""

    @property
    def name(self) -> str: ...
    @property
    def colour(self) -> str: ...
    @property
    def rows(self) -> list[dict[str, float]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What was measured at a step."""

    step: int
    kl: float
    value: float


def course(rows: Sequence[Mapping[str, float]], names: tuple[str, str]) -> list[Point]:
    """Give the points at which both figures are there and finite, step by step."""
    found = [(int(row["step"]), row.get(names[0]), row.get(names[1])) for row in rows]
    return [
        Point(step=step, kl=kl, value=value)
        for step, kl, value in found
        if kl is not None and value is not None and math.isfinite(kl) and math.isfinite(value)
    ]


def section(shown: Sequence[Measured]) -> Section:
    """Make the section of runs that learn from a reward; it is empty where none does."""
    learning = [one for one in shown if len(course(one.rows, ROLLOUTS)) > 1]
    pictures = []
    for name, title, axis, by in (
        ("proxy", "The reward that is learned from, over KL", "mean reward of rollouts", ROLLOUTS),
        ("watched", "The same on validation prompts", "mean reward on validation prompts", VALIDATION),
        ("gold", "A judge that nothing learns from, over KL", "what the judge says", GOLD),
    ):
        lines = [(one, points) for one in learning if len(points := course(one.rows, by)) > 1]
        if lines:
            pictures.append(_picture(name, title, axis, lines))
    text = [sentence(one.name, one.rows) for one in learning]
    return Section(id="drift", title=_title(learning), text=tuple(text), pictures=tuple(pictures))


def sentence(name: str, rows: Sequence[Mapping[str, float]]) -> str:
    """Say how far a run went from its start, what that gained, and where a judge liked it most."""
    proxy, gold = course(rows, ROLLOUTS), course(rows, GOLD)
    said = (
        f"{name}: the reward went from {plain(proxy[0].value, 2)} to {plain(proxy[-1].value, 2)} while the policy "
        f"moved {plain(proxy[-1].kl, 1)} nats a completion from its start"
    )
    if len(gold) < 2:
        return f"{said}. No judge was asked, so nothing here says whether more reward was better (--gold, or a judge)."
    peak, last = max(gold, key=lambda point: point.value), gold[-1]
    said += f"; the judge went from {plain(gold[0].value, 2)} to {plain(last.value, 2)}"
    if peak.step == last.step:
        return f"{said} and never stood higher."
    return (
        f"{said}, and stood highest at step {peak.step:,}, {plain(peak.value, 2)} at {plain(peak.kl, 1)} nats. After "
        "that, more reward was no better by the judge."
    )


def _title(learning: Sequence[Measured]) -> str:
    judged = [one.name for one in learning if len(course(one.rows, GOLD)) > 1]
    fell = [name for name, one in ((one.name, course(one.rows, GOLD)) for one in learning) if _fell(one)]
    if fell:
        return f"The judge stood higher before the end in {' and '.join(fell)}"
    return "The judge stood highest at the end" if judged else "Reward and distance from the start"


def _fell(points: Sequence[Point]) -> bool:
    return len(points) > 1 and max(point.value for point in points) > points[-1].value


def _picture(name: str, title: str, axis: str, lines: Sequence[tuple[Measured, list[Point]]]) -> Picture:
    series = []
    for one, points in lines:
        x, y = tuple(point.kl for point in points), tuple(point.value for point in points)
        label = one.name if len(lines) > 1 else ""
        series.append(Series(label=label, model=one.colour, x=x, y=y, plain=len(points) > 4 * ROWS))
    ends = "; ".join(
        f"{one.name} {plain(points[0].value, 2)} to {plain(points[-1].value, 2)} at {plain(points[-1].kl, 1)} nats"
        for one, points in lines
    )
    svg = curves(f"drift-{name}", series, ("KL to the start, nats a completion", axis), f"{title}: {ends}")
    return Picture(title=title, svg=svg, table=_table(title, lines))


def _table(title: str, lines: Sequence[tuple[Measured, list[Point]]]) -> Table:
    rows = []
    for one, points in lines:
        every = max(1, math.ceil(len(points) / ROWS))
        for point in [*points[::every], *(points[-1:] if (len(points) - 1) % every else [])]:
            cells = (one.name, f"{point.step:,}", plain(point.kl, 2), plain(point.value, 3))
            rows.append(tuple(map(Cell, cells)))
    return Table(caption=title, columns=("run", "step", "KL, nats", "value"), rows=tuple(rows))
