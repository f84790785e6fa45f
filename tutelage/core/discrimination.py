"""How well scores tell two kinds apart, and how probabilities become honest ones."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import rankdata

from tutelage.core.statistics import Estimate

Floats = NDArray[np.float64]

#: Temperatures that are looked among, as natural logarithms: from 1 / 20 to 20.
COOLEST, HOTTEST = -math.log(20), math.log(20)


def auc(scores: ArrayLike, are_positive: ArrayLike, level: float = 0.95) -> Estimate | None:
    """Give the chance that a positive scores above a negative (ties are half), None where one kind is not there.

    The interval is DeLong's (DeLong, DeLong and Clarke-Pearson 1988) on the logit scale, so that it stays within 0 and
    1; where the variance is 0, as at a perfect separation, it reaches as far as Wilson's for the rarer kind's number.
    """
    found = _placements(scores, are_positive)
    if found is None:
        return None
    above, below = found
    mean, count = float(above.mean()), len(above) + len(below)
    deviation = math.sqrt(_variance(above) / len(above) + _variance(below) / len(below))
    z = NormalDist().inv_cdf((1 + level) / 2)
    if not deviation > 0 or not 0 < mean < 1:
        reach = z * z / (min(len(above), len(below)) + z * z)
        return Estimate(mean, max(0.0, mean - reach), min(1.0, mean + reach), count, level)
    centre, reach = math.log(mean / (1 - mean)), z * deviation / (mean * (1 - mean))
    return Estimate(mean, _logistic(centre - reach), _logistic(centre + reach), count, level)


def auc_difference(
    first: ArrayLike, second: ArrayLike, are_positive: ArrayLike, level: float = 0.95
) -> Estimate | None:
    """Give how much larger the area of the first scores is than that of the second, of the same items.

    The interval takes into account that both are measured on the same items (DeLong et al. 1988).
    """
    one, other = _placements(first, are_positive), _placements(second, are_positive)
    if one is None or other is None:
        return None
    above, below = one[0] - other[0], one[1] - other[1]
    mean = float(above.mean())
    reach = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(
        _variance(above) / len(above) + _variance(below) / len(below)
    )
    return Estimate(mean, max(-1.0, mean - reach), min(1.0, mean + reach), len(above) + len(below), level)


def temperature(logits: ArrayLike, targets: ArrayLike) -> float:
    """Give the T > 0 for which sigmoid(logit / T) fits the targets (0 to 1) best by log-likelihood; 1 without any.

    Source: temperature scaling, Guo et al. 2017 (arXiv 1706.04599), for one label.
    """
    z, t = np.asarray(logits, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    assert z.shape == t.shape, f"{z.shape} logits and {t.shape} targets"
    if not len(z):
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = z / math.exp(log_temperature)
        return float(np.mean(np.logaddexp(0, scaled) - t * scaled))

    found = minimize_scalar(loss, bounds=(COOLEST, HOTTEST), method="bounded")
    return math.exp(float(found.x))


def _placements(scores: ArrayLike, are_positive: ArrayLike) -> tuple[Floats, Floats] | None:
    """Give for each positive the share of negatives below it, and for each negative that of positives above it."""
    values, positive = np.asarray(scores, dtype=np.float64), np.asarray(are_positive, dtype=bool)
    assert values.shape == positive.shape, f"{values.shape} scores and {positive.shape} kinds"
    above, below = values[positive], values[~positive]
    if not len(above) or not len(below):
        return None
    ranks = rankdata(values)
    shares = (ranks[positive] - rankdata(above)) / len(below)
    return shares, 1 - (ranks[~positive] - rankdata(below)) / len(above)


def _variance(values: Floats) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))
