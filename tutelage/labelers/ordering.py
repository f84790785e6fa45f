"""From utilities to an order: what all simulated labelers share."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence


def places(values: Mapping[str, float], texts: Sequence[str], tie: float) -> list[int]:
    """Rank texts by their values: 0 is best, equal ranks are ties.

    From the best down, a text less than `tie` below the first of its rank joins it. Equal texts are always tied.
    """
    order = sorted(values, key=lambda text: -values[text])
    ranks, level = {order[0]: 0}, values[order[0]]
    for before, text in zip(order, order[1:], strict=False):
        apart = level - values[text] >= tie
        ranks[text] = ranks[before] + apart
        level = values[text] if apart else level
    return [ranks[text] for text in texts]


def logistic(rng: random.Random, scale: float) -> float:
    """Draw from the logistic distribution around 0: noise under which one of two texts wins by Bradley and Terry."""
    uniform = min(max(rng.random(), 1e-9), 1 - 1e-9)
    return scale * math.log(uniform / (1 - uniform))
