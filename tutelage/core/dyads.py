"""Estimates from rows that each tell something of one prompt and of one or two labelers, such as how far two agree.

Rows that share a prompt or a labeler depend on each other in any way; only rows that share neither are independent. The
variance is that of the linearised statistic: V = sum of e_i e_j over all rows i, j that share something, where e_i is
the influence of row i (Cameron and Miller 2014, "Robust inference for dyadic data", with the prompt as a second way as
in Cameron, Gelbach and Miller 2011). D rows, S sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from tutelage.core.statistics import Codes, Estimate, Floats, wilson

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

    `sums` [D, S] are rows whose total the smooth function `statistic` maps from [..., S] to [...], NaN where it is
    undefined. With one labeler column V = V_prompt + V_labeler - V_both. With two, rows that share either labeler
    depend on each other, and pairs of rows that share both count once. Each part has its factor G / (G - 1), and there
    are min(G_prompt, G_labeler) - 1 degrees of freedom. In small samples the sum can be <= 0; then the largest of
    the parts stands in. Where there is one prompt only, or no labeler more than a row has, only the other way is
    clustered, and the interval speaks of that one prompt, or of these labelers. `n` is only passed on.
    """
    rows = np.asarray(sums, dtype=np.float64)
    if not len(rows):
        return None
    total = rows.sum(axis=0)
    value = float(statistic(total))
    if math.isnan(value):
        return None
    variance, freedom = _variance(rows @ _gradient(statistic, total), sharing)
    half = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(variance) if 0 < variance < math.inf else math.inf
    return Estimate(value, value - half, value + half, n, level)


def share(part: ArrayLike, whole: ArrayLike, sharing: Sharing, level: float = 0.95) -> Estimate | None:
    """Give sum(part) / sum(whole), a share from 0 to 1, with the interval of `estimate` kept within 0 and 1.

    Where every row has the same share the variance estimate is 0, which says too much; then Wilson's interval is taken
    as if each prompt were one observation. n is the sum of `whole`.
    """
    sums = np.column_stack([np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)])
    counted = sums[:, 1] > 0
    n = round(float(sums[:, 1].sum()))
    found = estimate(sums, ratio, sharing, n, level)
    if found is None:
        return None
    if np.ptp(sums[counted, 0] / sums[counted, 1]) == 0:
        prompts = len({prompt for prompt, counts in zip(sharing.prompts, counted, strict=True) if counts})
        return wilson(found.mean * prompts, prompts, level)._replace(n=n)
    return found._replace(low=max(0.0, found.low), high=min(1.0, found.high))


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


def _variance(influence: Floats, sharing: Sharing) -> tuple[float, int]:
    """Give the variance and its degrees of freedom; infinite where neither prompts nor labelers can tell."""
    prompts = _codes([sharing.prompts])[0]
    columns = _codes([sharing.labelers] if sharing.others is None else [sharing.labelers, sharing.others])
    size, labelers = int(prompts.max()) + 1, int(max(column.max() for column in columns)) + 1

    def part(keys: Sequence[Codes]) -> float:
        return _squares(influence, keys)

    by_prompt = part([prompts])
    by_labeler = part(columns)
    both = part([prompts * labelers + column for column in columns])
    if len(columns) == 2:
        pair = np.minimum(*columns) * labelers + np.maximum(*columns)
        by_labeler -= part([pair])
        both -= part([prompts * labelers**2 + pair])
    if labelers <= len(columns):
        return (by_prompt, size - 1) if size > 1 else (math.inf, 0)
    if size == 1:
        return by_labeler, labelers - 1
    variance = by_prompt + by_labeler - both
    return variance if variance > 0 else max(by_prompt, by_labeler, both), min(size, labelers) - 1


def _squares(influence: Floats, keys: Sequence[Codes]) -> float:
    """Sum the squared sums of influence by cluster, times G / (G - 1); a row belongs to a cluster of every key."""
    codes = np.unique(np.concatenate(keys), return_inverse=True)[1]
    size = int(codes.max()) + 1
    if size == 1:
        return 0.0
    sums = np.bincount(codes, weights=np.tile(influence, len(keys)))
    return float(size / (size - 1) * np.square(sums).sum())


def _codes(columns: Sequence[Sequence[str]]) -> list[Codes]:
    """Number the names 0 ... G - 1, the same name alike in every column."""
    codes = np.unique(np.concatenate([np.asarray(column) for column in columns]), return_inverse=True)[1]
    return np.split(codes, len(columns))
