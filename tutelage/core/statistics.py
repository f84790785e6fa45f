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
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from tutelage.core import clusters as shared
from tutelage.core.clusters import Components, Floats, Spread, Way


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

    V = G / (G - 1) * sum_g (sum of residuals in g)^2 / n^2 with G - 1 degrees of freedom (Liang and Zeger 1986), where
    G = n^2 / sum_g n_g^2 is the number of clusters if they are alike, and less if some have most of the rows (Kish
    1965). Without clusters every row is its own, and this is Student's interval.
    """
    rows = _rows(values)
    way = Way.of(np.arange(len(rows)) if clusters is None else clusters, len(rows))
    return _interval(rows, shared.one_way(rows, way), level)


def two_way(values: ArrayLike, prompts: ArrayLike, labelers: ArrayLike, level: float = 0.95) -> Estimate:
    """Give the mean with an interval for new prompts *and* new labelers, who may be crossed in any way.

    `labelers` [D] name who judged each row, or [D, 2] the two whom it tells of.

    V = V_few + s * c, as an analysis of variance has it: V_few is the variance of `mean_estimate` by the way with fewer
    clusters, at least a twentieth of that of independent rows; s is the variance of the other way's own means
    (`components`), 0 or more; c is the part of it that V_few does not hold (1 / G_other where all are crossed). The
    quantile lies half way between Student's with the degrees of freedom of Satterthwaite (1946), which is a little too
    small, and the mean of both ways' quantiles, weighted by their variances (Cochran and Cox 1957), which is too
    large. So few labelers widen the interval as far as they matter. With a single labeler (or prompt) only the other
    way can be clustered: the interval then speaks of that one labeler (or prompt).
    Where a row has two labelers, V_few is always that by prompts, and s the part of each labeler
    (docs/decisions/038); rows of a single prompt then bound nothing.
    """
    rows = _rows(values)
    return _interval(rows, _crossed(rows, prompts, labelers), level)


def bounded_mean(
    values: ArrayLike, bounds: tuple[float, float], prompts: ArrayLike, labelers: ArrayLike, level: float = 0.95
) -> Estimate:
    """Give the mean of a scale with ends, such as 1 and 7, with the interval of `win_rate`, which leans to its middle.

    ValueError for values outside the bounds.
    """
    low, high = bounds
    found = win_rate((_rows(values) - low) / (high - low), prompts, labelers, level)
    mean, below, above = (low + (high - low) * share for share in found[:3])
    return Estimate(mean, below, above, found.n, level)


def win_rate(shares: ArrayLike, prompts: ArrayLike, labelers: ArrayLike | None = None, level: float = 0.95) -> Estimate:
    """Give a rate, such as the mean of `wins` or of a yes/no flag, with a score interval, sound near 0 and 1 too.

    Wilson's interval with as many trials as would give the rate the variance of `two_way`, mean (1 - mean) / V, and
    with Student's t for the normal quantile (Korn and Graubard 1998, for surveys). Without labelers (a benchmark)
    prompts alone cluster. Where all rows are the same the variance estimate is 0, which says too much; then each
    *prompt* is one trial. ValueError for values outside 0 to 1.
    """
    rows = _rows(shares)
    if rows.min() < 0 or rows.max() > 1:
        raise ValueError(f"A rate is a mean of values from 0 to 1, not of {rows.min()} to {rows.max()}.")
    by_prompt, mean = Way.of(prompts, len(rows)), float(rows.mean())
    spread = shared.one_way(rows, by_prompt) if labelers is None else _crossed(rows, prompts, labelers)
    if not spread.variance or rows.min() == rows.max():
        return wilson(mean * by_prompt.size, by_prompt.size, level)._replace(n=len(rows))
    return score_interval(mean, spread, len(rows), level)


def components(values: ArrayLike, prompts: ArrayLike, labelers: ArrayLike) -> Components:
    """Estimate what judgements vary by, from half the mean squared difference of pairs of them.

    Pairs of one prompt differ by labeler + rest, pairs of one labeler by prompt + rest, and pairs that share neither by
    all three (Koch 1967); parts below 0 are 0. Where no prompt has two labelers, prompt and rest cannot be told apart,
    and both count as rest. With one labeler the labelers' part is 0. ValueError for fewer than two prompts.
    """
    rows = _rows(values)
    by_prompt, by_labeler = Way.of(prompts, len(rows)), Way.of(labelers, len(rows))
    if by_prompt.size == 1:
        raise ValueError("Judgements of a single prompt do not tell what they vary by.")
    return shared.components(rows, by_prompt, by_labeler)


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
    ((variance, freedom),) = shared.one_way(rows, Way.of(clusters, len(rows))).parts
    if not freedom:
        return math.inf
    return float(stdtrit(freedom, (1 + level) / 2) + stdtrit(freedom, power)) * math.sqrt(variance)


def rate_difference(
    a: ArrayLike, b: ArrayLike, prompts: ArrayLike, labelers: ArrayLike | None = None, level: float = 0.95
) -> Estimate:
    """Give the `paired_difference` of two rates, kept within -1 and 1.

    Where every pair differs alike (as where both are always right) the variance estimate is 0, which says too much;
    then as many prompts could differ, on either side, as Wilson's interval allows for 0 of them.
    """
    found = paired_difference(a, b, prompts, labelers, level)
    if found.low == found.high:
        unseen = wilson(0, Way.of(prompts, found.n).size, level).high
        found = found._replace(low=found.mean - unseen, high=found.mean + unseen)
    return found._replace(low=max(-1.0, found.low), high=min(1.0, found.high))


def score_interval(share: float, spread: Spread, n: int, level: float = 0.95) -> Estimate:
    """Give Wilson's interval of a share with as many trials as give it this variance (`win_rate`); n is passed on."""
    return _wilson(share, share * (1 - share) / spread.variance, spread.reach(level), n, level)


def wilson(successes: float, n: int, level: float = 0.95) -> Estimate:
    """Give a proportion of n *independent* trials with Wilson's score interval (1927), sound near 0 and 1 too.

    ValueError where there are no trials, or more successes than trials.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"There cannot be {successes} successes in {n} trials.")
    return _wilson(successes / n, n, NormalDist().inv_cdf((1 + level) / 2), n, level)


def detected_by(estimate: Estimate, power: float = 0.8) -> float:
    """Give what is `detectable` by a study whose figure this is: (z_level + z_power) * SE.

    The standard error is read from the interval as a normal one, half its width / z_level; with few labelers, where it
    is Student's, that is up to 7 % too much. An effect is found where the interval leaves out what holds without it.
    """
    z = NormalDist().inv_cdf((1 + estimate.level) / 2)
    return (estimate.high - estimate.low) / 2 * (1 + NormalDist().inv_cdf(power) / z)


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


def _crossed(rows: Floats, prompts: ArrayLike, labelers: ArrayLike) -> Spread:
    return shared.crossed(rows, Way.of(prompts, len(rows)), Way.of_one_or_two(labelers, len(rows)))


def _wilson(share: float, trials: float, z: float, n: int, level: float) -> Estimate:
    """Give Wilson's interval of a share of `trials`, all from 0 to 1 where there are none; n is only passed on."""
    weight = trials / z / z
    centre = (share * weight + 0.5) / (weight + 1)
    half = math.sqrt(share * (1 - share) * weight + 0.25) / (weight + 1)
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half), n, level)


def _interval(rows: Floats, spread: Spread, level: float) -> Estimate:
    mean = float(rows.mean())
    half = spread.reach(level) * math.sqrt(spread.variance)
    return Estimate(mean, mean - half, mean + half, len(rows), level)
