"""The arithmetic of watching traffic: spikes, drift, and scores that fade."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence


def spike(history: Sequence[float], now: float, *, span: float = 24.0) -> float:
    """Return by how many standard deviations a count exceeds the exponentially weighted mean of those before it.

    `history` holds one count per equal stretch of time, oldest first; `span` is the mean age, in stretches, that a
    count's weight has. The deviation is at least that of a Poisson count with that mean, and at least 1.
    """
    if not history:
        return 0.0
    alpha = 2.0 / (span + 1.0)
    mean, variance = float(history[0]), 0.0
    for count in history[1:]:
        step = count - mean
        mean += alpha * step
        variance = (1.0 - alpha) * (variance + alpha * step * step)
    return (now - mean) / math.sqrt(max(variance, mean, 1.0))


def drift(declared: Mapping[str, float], seen: Mapping[str, int], *, pseudo: float = 0.5, even: float = 0.25) -> float:
    """Return KL(seen || declared) in nats, less what chance alone gives: (labels - 1) / (2 n).

    Both are smoothed: `pseudo` is added to every label's count, and the declared shares are mixed with `even` parts of
    even ones, because labels are guessed and nobody declares exactly. Never below 0; ValueError for shares that are
    all 0.
    """
    labels = sorted(declared.keys() | seen.keys())
    n = sum(seen.values())
    if n == 0 or len(labels) < 2:
        return 0.0
    total = sum(declared.values())
    if total <= 0:
        raise ValueError("The declared shares add up to nothing.")
    divergence = 0.0
    for label in labels:
        q = (seen.get(label, 0) + pseudo) / (n + pseudo * len(labels))
        p = (1 - even) * declared.get(label, 0.0) / total + even / len(labels)
        divergence += q * math.log(q / p)
    return max(divergence - (len(labels) - 1) / (2 * n), 0.0)


def faded(points: Iterable[tuple[float, float]], half_life: float) -> float:
    """Return the sum of (weight, age) pairs, a weight counting half after each `half_life` of age."""
    return sum(weight * 0.5 ** (age / half_life) for weight, age in points)
