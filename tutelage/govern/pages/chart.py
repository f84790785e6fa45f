"""Bars of a small figure: where each stands, in units of the figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 720.0, 96.0


class Bar(NamedTuple):
    """A bar of a figure that is `WIDTH` wide and `HEIGHT` high."""

    x: float
    y: float
    width: float
    height: float


def bars(values: Sequence[int]) -> list[Bar]:
    """Return a bar for each value, from 0 at the bottom to the largest value at the top; a third between is free."""
    most = max(values, default=0) or 1
    step = WIDTH / max(len(values), 1)
    heights = [HEIGHT * value / most for value in values]
    return [
        Bar(round(step * place, 2), round(HEIGHT - height, 2), round(step * 2 / 3, 2), round(height, 2))
        for place, height in enumerate(heights)
    ]
