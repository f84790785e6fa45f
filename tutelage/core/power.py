"""How large an effect a study can find, and how many prompts or labelers it takes to find a given one.

A judgement is mean + prompt + labeler + rest, with independent parts (crossed random effects); P prompts, each judged
by K of L labelers, who share the work evenly. Then Var(mean) = prompt / P + labeler / L + rest / (P K).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from scipy.special import stdtrit

from tutelage.core.clusters import Components

#: More prompts or labelers than anybody asks.
MOST = 10_000_000


class Design(NamedTuple):
    """Prompts, labelers (None where they are alike or speak for themselves only), and labelers of each prompt."""

    prompts: int
    labelers: int | None = None
    overlap: int = 1


class Aim(NamedTuple):
    """The power that is wanted, and the level of the interval."""

    power: float = 0.8
    level: float = 0.95


USUAL = Aim()


def detectable(parts: Components, design: Design, aim: Aim = USUAL) -> float:
    """Give the smallest effect found with the power: (t_level + t_power) * SE, with Satterthwaite's degrees of freedom.

    It is found where the interval leaves out what holds without it; infinite for a single prompt or labeler.
    ValueError for a design or parts that cannot be.
    """
    _check(parts, design)
    size = design.prompts * design.overlap
    rest = parts.rest / size
    by_prompt, by_labeler = parts.prompt / design.prompts, 0.0
    terms = [(by_prompt + rest, design.prompts - 1)]
    if design.labelers is not None and parts.labeler:
        by_labeler = parts.labeler / design.labelers
        terms.append((by_labeler + rest, design.labelers - 1))
    variance = by_prompt + by_labeler + rest
    if not variance:
        return 0.0
    if min(freedom for _, freedom in terms) < 1:
        return math.inf
    freedom = variance**2 / sum(term**2 / degrees for term, degrees in terms)
    quantiles = stdtrit(freedom, (1 + aim.level) / 2) + stdtrit(freedom, aim.power)
    return float(quantiles) * math.sqrt(variance)


def prompts_needed(parts: Components, design: Design, effect: float, aim: Aim = USUAL) -> int | None:
    """Give the fewest prompts that find the effect with the design's labelers; None where no number is enough."""
    return _fewest(lambda prompts: detectable(parts, design._replace(prompts=prompts), aim) <= effect, 2)


def labelers_needed(parts: Components, design: Design, effect: float, aim: Aim = USUAL) -> int | None:
    """Give the fewest labelers that find the effect on the design's prompts; None where no number is enough."""
    least = max(2, design.overlap)
    return _fewest(lambda labelers: detectable(parts, design._replace(labelers=labelers), aim) <= effect, least)


def _fewest(is_enough: Callable[[int], bool], least: int) -> int | None:
    """Find the smallest number that is enough, where all larger ones are too; None above `MOST`."""
    high = least
    while not is_enough(high):
        if high >= MOST:
            return None
        high *= 2
    low = max(least, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return low


def _check(parts: Components, design: Design) -> None:
    if min(parts) < 0 or not all(map(math.isfinite, parts)):
        raise ValueError(f"Variances cannot be below 0 or infinite, as of {parts}.")
    if design.prompts < 1 or design.overlap < 1 or (design.labelers or design.overlap) < design.overlap:
        raise ValueError(f"A design needs prompts, and as many labelers as judge one of them, not {design}.")
