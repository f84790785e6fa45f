"""Means with intervals that know which judgements depend on each other, and never hide how many there are.

Judgements of one prompt are alike, and so are judgements by one labeler; an interval that takes them as independent is
too narrow. All estimates weigh rows equally. An interval of (-inf, inf) means that the data cannot bound it.
Values that are no list, are none or are not finite, and cluster names that are not one for each, are a ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


class Estimate(NamedTuple):
    """A mean, its confidence interval of the given level, and the number n of rows that it rests on."""

    mean: float
    low: float
    high: float
    n: int
    level: float = 0.95


def wins(rank_a: ArrayLike, rank_b: ArrayLike) -> Floats:
    """Count 1 where a is ranked better (lower) than b, 1/2 where they tie, 0 where it is worse."""
    return np.asarray((1 + np.sign(np.subtract(rank_b, rank_a))) / 2, dtype=np.float64)


def mean_estimate(values: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95) -> Estimate:
    """Give the mean with a t interval; rows of one cluster (a prompt, say) may depend on each other in any way.

    V = G / (G - 1) * sum_g (sum of residuals in g)^2 / n^2 with G - 1 degrees of freedom (Liang and Zeger 1986).
    Without clusters every row is its own, and this is Student's interval.
    """
    rows = _rows(values)
    codes = np.arange(len(rows)) if clusters is None else _codes(clusters, len(rows))
    return _interval(rows, _variance(rows, codes), _size(codes) - 1, level)


def two_way(values: ArrayLike, prompts: ArrayLike, labelers: ArrayLike, level: float = 0.95) -> Estimate:
    """Give the mean with an interval for new prompts *and* new labelers, who may be crossed in any way.

    V = V_prompt + V_labeler - V_both, each with its own factor G / (G - 1) (Cameron, Gelbach and Miller 2011), and
    min(G_prompt, G_labeler) - 1 degrees of freedom. In small samples the sum can be <= 0; then the largest of the three
    stands in. With a single labeler (or prompt) only the other way can be clustered: the interval
    then speaks of that one labeler (or prompt).
    """
    rows = _rows(values)
    by_prompt, by_labeler = _codes(prompts, len(rows)), _codes(labelers, len(rows))
    sizes = _size(by_prompt), _size(by_labeler)
    if min(sizes) == 1:
        codes = by_prompt if sizes[1] == 1 else by_labeler
        return _interval(rows, _variance(rows, codes), _size(codes) - 1, level)
    both = _codes(by_prompt * sizes[1] + by_labeler, len(rows))
    parts = [_variance(rows, codes) for codes in (by_prompt, by_labeler, both)]
    variance = parts[0] + parts[1] - parts[2]
    return _interval(rows, variance if variance > 0 else max(parts), min(sizes) - 1, level)


def win_rate(shares: ArrayLike, prompts: ArrayLike, labelers: ArrayLike, level: float = 0.95) -> Estimate:
    """Give a rate, such as the mean of `wins` or of a yes/no flag, with the interval of `two_way` kept within 0 and 1.

    Where all rows are the same the variance estimate is 0, which says too much; then Wilson's interval is taken as if
    each *prompt* were one observation. ValueError for values outside 0 to 1.
    """
    rows = _rows(shares)
    if rows.min() < 0 or rows.max() > 1:
        raise ValueError(f"A rate is a mean of values from 0 to 1, not of {rows.min()} to {rows.max()}.")
    if rows.min() == rows.max():
        known = wilson(float(rows[0]) * _size(_codes(prompts, len(rows))), _size(_codes(prompts, len(rows))), level)
        return known._replace(n=len(rows))
    estimate = two_way(rows, prompts, labelers, level)
    return estimate._replace(low=max(0.0, estimate.low), high=min(1.0, estimate.high))


def paired_difference(
    a: ArrayLike, b: ArrayLike, prompts: ArrayLike, labelers: ArrayLike | None = None, level: float = 0.95
) -> Estimate:
    """Give the mean of a - b where a[i] and b[i] judge two models on the same prompt (and by the same labeler).

    Pairing takes the difficulty of the prompt out of the error. Without labelers (a benchmark) prompts alone cluster.
    ValueError where the two are not equally long.
    """
    first, second = _rows(a), _rows(b)
    if len(first) != len(second):
        raise ValueError(f"Paired values must match row by row, but there are {len(first)} and {len(second)}.")
    change = first - second
    return mean_estimate(change, prompts, level) if labelers is None else two_way(change, prompts, labelers, level)


def detectable(values: ArrayLike, clusters: ArrayLike, level: float = 0.95, power: float = 0.8) -> float:
    """Give the smallest true mean that data with this spread would tell from 0 in a share `power` of repetitions.

    (t_(1 + level) / 2 + t_power) * sqrt(V) with V and the G - 1 degrees of freedom of `mean_estimate` (Bloom 1995);
    infinite for a single cluster.
    """
    rows = _rows(values)
    codes = _codes(clusters, len(rows))
    freedom = _size(codes) - 1
    if freedom == 0:
        return math.inf
    reach = float(stdtrit(freedom, (1 + level) / 2) + stdtrit(freedom, power))
    return reach * math.sqrt(_variance(rows, codes))


def wilson(successes: float, n: int, level: float = 0.95) -> Estimate:
    """Give a proportion of n *independent* trials with Wilson's score interval (1927), sound near 0 and 1 too.

    ValueError where there are no trials, or more successes than trials.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"There cannot be {successes} successes in {n} trials.")
    z, share = NormalDist().inv_cdf((1 + level) / 2), successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half), n, level)


def pooled(estimates: Sequence[Estimate]) -> Estimate:
    """Average the estimates of several runs (seeds) whose errors are independent: the mean of means.

    Each side of the interval is sqrt(sum of squared distances to the bound) / runs, so uneven intervals stay uneven.
    It speaks of these runs, not of the spread over other seeds. Runs judged on the same prompts or by the same labelers
    are *not* independent: put their rows together and use `two_way`, with the same prompt and labeler ids.
    ValueError for no estimates, or estimates of several levels.
    """
    if len({estimate.level for estimate in estimates}) != 1:
        raise ValueError("Pool one or more estimates of one level.")
    count = len(estimates)
    mean = math.fsum(estimate.mean for estimate in estimates) / count
    below = math.hypot(*(estimate.mean - estimate.low for estimate in estimates)) / count
    above = math.hypot(*(estimate.high - estimate.mean for estimate in estimates)) / count
    return Estimate(mean, mean - below, mean + above, sum(estimate.n for estimate in estimates), estimates[0].level)


class Resampling(NamedTuple):
    """How to bootstrap: the random generator, the number of resamples and the level of the percentile interval."""

    rng: np.random.Generator
    resamples: int = 2000
    level: float = 0.95


def cluster_bootstrap(sums: Floats, statistic: Callable[[Floats], Floats], n: int, how: Resampling) -> Estimate | None:
    """Give a statistic of column sums with a percentile interval over resampled clusters; None where it is undefined.

    `sums` [G, S] holds S sums per cluster (one prompt with all that hangs on it) and `statistic` maps [..., S] to
    [...], NaN where it is undefined (0 / 0); such resamples are left out. Whole clusters are drawn with replacement
    (Davison and Hinkley 1997, section 3.8). `n` is only passed on.
    """
    value = float(statistic(sums.sum(axis=0)))
    if math.isnan(value):
        return None
    size = len(sums)
    if size == 1:
        return Estimate(value, -math.inf, math.inf, n, how.level)
    draws = (np.bincount(how.rng.integers(size, size=size), minlength=size) @ sums for _ in range(how.resamples))
    spread = statistic(np.stack(list(draws)))
    tail = (1 - how.level) / 2
    low, high = np.nanquantile(spread, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), n, how.level)


def _rows(values: ArrayLike) -> Floats:
    """Read one or more finite numbers."""
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 1 or not len(rows):
        raise ValueError(f"An estimate needs a list of at least one value, not an array of shape {rows.shape}.")
    if not np.isfinite(rows).all():
        raise ValueError("An estimate needs finite values; drop missing ones first, and report how many.")
    return rows


def _codes(labels: ArrayLike, n: int) -> Codes:
    """Number the clusters 0 ... G - 1: one code per row."""
    names = np.asarray(labels)
    if names.shape != (n,):
        raise ValueError(f"There must be one cluster name for each of {n} rows, not an array of shape {names.shape}.")
    return np.unique(names, return_inverse=True)[1]


def _size(codes: Codes) -> int:
    return int(codes.max()) + 1


def _variance(rows: Floats, codes: Codes) -> float:
    """Give the one-way cluster-robust variance of the mean; infinite for a single cluster, which cannot tell."""
    size = _size(codes)
    if size == 1:
        return math.inf
    sums = np.bincount(codes, weights=rows - rows.mean())
    return float(size / (size - 1) * np.square(sums).sum() / len(rows) ** 2)


def _interval(rows: Floats, variance: float, freedom: int, level: float) -> Estimate:
    mean = float(rows.mean())
    half = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(variance) if freedom > 0 else math.inf
    return Estimate(mean, mean - half, mean + half, len(rows), level)
