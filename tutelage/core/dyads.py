"""Estimates from rows that each tell something of one prompt and of one or two labelers, such as how far two agree.

Rows that share a prompt or a labeler depend on each other in any way; only rows that share neither are independent. The
interval is that of `two_way` over the influence of each row on the figure. D rows, S sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tutelage.core.clusters import Floats, Spread, Way, crossed
from tutelage.core.statistics import Estimate, score_interval, wilson

_STEP = 1e-6


class Sharing(NamedTuple):
    """Whose each row is: its prompt, its labeler, and the other labeler where a row tells of two."""

    prompts: Sequence[str]
    labelers: Sequence[str]
    others: Sequence[str] | None = None


def estimate(
    sums: ArrayLike, statistic: Callable[[Floats], Floats], sharing: Sharing, n: int, level: float = 0.95
) -> Estimate | None:
    """Give a statistic of column sums with a t interval for new prompts *and* new labelers; None where it is undefined.

    `sums` [D, S] are rows whose total the function `statistic` maps from [..., S] to [...], NaN where it is undefined;
    it is smooth, and the same for sums that are all multiplied alike, as ratios are. `n` is only passed on.
    """
    rows = np.asarray(sums, dtype=np.float64)
    if not len(rows):
        return None
    total = rows.sum(axis=0)
    value = float(statistic(total))
    if math.isnan(value):
        return None
    spread = _spread(rows @ _gradient(statistic, total), sharing)
    half = spread.reach(level) * math.sqrt(spread.variance) if 0 < spread.variance < math.inf else math.inf
    return Estimate(value, value - half, value + half, n, level)


def share(part: ArrayLike, whole: ArrayLike, sharing: Sharing, level: float = 0.95) -> Estimate | None:
    """Give sum(part) / sum(whole), a share from 0 to 1, with the score interval of `win_rate`; None where it is 0 / 0.

    Where every row has the same share the variance estimate is 0, which says too much; then Wilson's interval is taken
    as if each prompt were one observation. n is the sum of `whole`.
    """
    sums = np.column_stack([np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)])
    counted, total = sums[:, 1] > 0, sums.sum(axis=0)
    if not counted.any():
        return None
    value, n = float(total[0] / total[1]), round(float(total[1]))
    spread = _spread((sums[:, 0] - value * sums[:, 1]) / total[1], sharing)
    if not spread.variance or np.ptp(sums[counted, 0] / sums[counted, 1]) == 0:
        prompts = len({prompt for prompt, counts in zip(sharing.prompts, counted, strict=True) if counts})
        return wilson(value * prompts, prompts, level)._replace(n=n)
    return score_interval(value, spread, n, level)


def ratio(sums: Floats) -> Floats:
    """Give sums[..., 0] / sums[..., 1], NaN where the latter is 0."""
    whole = sums[..., 1]
    return np.divide(sums[..., 0], whole, out=np.full_like(whole, np.nan), where=whole > 0)


def _gradient(statistic: Callable[[Floats], Floats], total: Floats) -> Floats:
    """Give the derivative of the statistic at the total, by central differences [S]."""
    step = _STEP * max(1.0, float(np.abs(total).max()))
    moves = step * np.eye(len(total))
    slope: Floats = (statistic(total + moves) - statistic(total - moves)) / (2 * step)
    return slope


def _spread(rows: Floats, sharing: Sharing) -> Spread:
    """Give the variance of the sum of influences, which is the mean of D times each of them."""
    n = len(rows)
    labelers = [np.asarray(sharing.labelers)]
    if sharing.others is not None:
        labelers.append(np.asarray(sharing.others))
    return crossed(n * rows, Way.of(sharing.prompts, n), Way.numbered(labelers))
