"""Whether a reward model's differences foretell how often people agree with them.

The loss takes P(winner preferred) = s(r_winner - r_loser), s the logistic function (paper, equation 1). A model is
calibrated where, of the pairs that it is 80 % sure of, people order 80 % as it does. R pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from tutelage.core.logistic import fit
from tutelage.core.statistics import Estimate, two_way, win_rate

#: Pairs of a bin at least, and bins at most.
LEAST, MOST = 30, 10


class Bin(NamedTuple):
    """Pairs of like sureness: the mean sureness of the model, and the share that people order as it does."""

    sureness: float
    right: Estimate


class Calibration(NamedTuple):
    """How sure a model is against how often it is right.

    `error` is the mean distance of both over bins, by their pairs. `slope` is what the differences must be multiplied
    by to fit best: below 1 the model is too sure, above 1 not sure enough; None where no finite number fits best, as of
    a model that is always right. `loss` is the mean of -log s(r_winner - r_loser); log 2 = 0.693 knows nothing.
    """

    bins: tuple[Bin, ...]
    error: float
    slope: Estimate | None
    loss: float


def calibration(margins: ArrayLike, prompts: ArrayLike, labelers: ArrayLike | None = None) -> Calibration:
    """Compare s(|r_winner - r_loser|) with the share of pairs in the right order, in bins of about equal size.

    `margins` [R] are r_winner - r_loser; `prompts` and `labelers` [R] say whose pairs they are, for the intervals.
    ValueError for no pairs.
    """
    rows = np.asarray(margins, dtype=np.float64)
    whose = np.asarray(prompts)
    judged = None if labelers is None else np.asarray(labelers)
    right, sureness = (1 + np.sign(rows)) / 2, expit(np.abs(rows))
    bins = []
    for part in np.array_split(np.argsort(sureness, kind="stable"), max(1, min(MOST, len(rows) // LEAST))):
        found = win_rate(right[part], whose[part], None if judged is None else judged[part])
        bins.append(Bin(float(sureness[part].mean()), found))
    error = sum(one.right.n * abs(one.right.mean - one.sureness) for one in bins) / len(rows)
    loss = float(np.logaddexp(0.0, -rows).mean())
    return Calibration(tuple(bins), error, _slope(rows, whose, whose if judged is None else judged), loss)


def _slope(rows: ArrayLike, prompts: ArrayLike, labelers: ArrayLike) -> Estimate | None:
    margins = np.asarray(rows, dtype=np.float64)
    size = float(np.sqrt(np.square(margins).mean()))
    fitted = fit(margins[:, None, None] / size, np.ones((len(margins), 1))) if size else None
    if fitted is None:
        return None
    values = (fitted[0][0] + len(margins) * fitted[1][:, 0]) / size
    return two_way(values, prompts, labelers)._replace(mean=float(fitted[0][0]) / size)
