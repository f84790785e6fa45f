"""Win rates that are fitted: by Bradley and Terry from all pairs of arms, and at equal length.

Both are quasi-likelihoods of shares 1, 1/2 and 0, so a tie is half a win for either side. Their intervals are those of
the influence of each judgement on the figure (`two_way`), so they are for new prompts and new labelers. R rankings, M
arms.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from tutelage.core.clusters import Floats
from tutelage.core.logistic import fit
from tutelage.core.statistics import Estimate, two_way


class LengthControlled(NamedTuple):
    """The win rate at equal length; `outside` says that one side was longer in all comparisons, so it is a guess."""

    estimate: Estimate
    outside: bool


def bradley_terry(
    ranks: ArrayLike, arm: int, baseline: int, prompts: ArrayLike, labelers: ArrayLike
) -> Estimate | None:
    """Give the chance that an arm beats the baseline, from every pair of arms in every ranking.

    `ranks` [R, M] are lower for better, NaN for an arm that a ranking leaves out. P(i beats j) = s(t_i - t_j), s
    the logistic function (Bradley and Terry 1952; ties count half, as in Hunter 2004). None where a t is not finite: of
    an arm that always wins, or one that was never compared.
    """
    table = np.asarray(ranks, dtype=np.float64)
    first, second = np.triu_indices(table.shape[1], 1)
    shares = (1 + np.sign(table[:, second] - table[:, first])) / 2  # [R, M (M - 1) / 2]
    design = np.zeros((len(first), table.shape[1]))
    design[np.arange(len(first)), first], design[np.arange(len(first)), second] = 1.0, -1.0
    design = np.delete(design, baseline, axis=1)
    fitted = fit(design[None] * np.ones((len(table), 1, 1)), shares)
    if fitted is None:
        return None
    place = arm - (arm > baseline)
    return _figure(fitted[0][place], fitted[1][:, place], prompts, labelers)


def length_controlled(
    shares: ArrayLike, longer: ArrayLike, prompts: ArrayLike, labelers: ArrayLike
) -> LengthControlled | None:
    """Give the win rate as if both outputs were equally long; None where it cannot be fitted.

    `shares` are those of `wins`, `longer` says by how much the arm's output is longer than the other. P = s(a + b
    tanh(longer / sd)), read at longer = 0 (after Dubois et al. 2024, without their terms for prompts).
    """
    rows, by = np.asarray(shares, dtype=np.float64), np.asarray(longer, dtype=np.float64)
    spread = float(by.std())
    if not spread:
        return None
    design = np.stack([np.ones(len(by)), np.tanh(by / spread)], axis=1)
    fitted = fit(design[:, None], rows[:, None])
    if fitted is None:
        return None
    found = _figure(fitted[0][0], fitted[1][:, 0], prompts, labelers)
    return LengthControlled(found, bool(by.min() > 0 or by.max() < 0))


def _figure(log_odds: float, influence: Floats, prompts: ArrayLike, labelers: ArrayLike) -> Estimate:
    """Turn log-odds and what each row adds to them into a chance with the interval of the log-odds."""
    found = two_way(log_odds + len(influence) * influence, prompts, labelers)
    mean, low, high = (float(expit(value)) for value in (log_odds, found.low, found.high))
    return Estimate(mean, low, high, found.n, found.level)
