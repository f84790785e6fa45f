"""Logistic regression of shares: what Bradley-Terry strengths, rates at equal length and calibration are fitted by.

R rows that may depend on each other, C comparisons in a row, P coefficients.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from tutelage.core.clusters import Floats

#: Steps of Newton's method, which takes about six, and the log-odds at which a figure is taken as without bound.
_STEPS, _BOUND = 50, 15.0


def fit(design: Floats, shares: Floats) -> tuple[Floats, Floats] | None:
    """Fit shares [R, C] by a logistic regression on `design` [R, C, P]; NaN shares do not count.

    Give the coefficients [P] and what each row adds to them [R, P]: H^-1 times its score. None where they have no
    finite maximum.
    """
    there = ~np.isnan(shares)
    found = np.zeros(design.shape[-1])
    for _ in range(_STEPS):
        chance = expit(design @ found)
        scores = np.einsum("rc,rcp->rp", np.where(there, np.nan_to_num(shares) - chance, 0.0), design)
        weights = np.where(there, chance * (1 - chance), 0.0)
        curvature = np.einsum("rc,rcp,rcq->pq", weights, design, design)
        if np.linalg.matrix_rank(curvature) < len(found) or np.abs(found).max() > _BOUND:
            return None
        step = np.linalg.solve(curvature, scores.sum(axis=0))
        if np.abs(step).max() < 1e-10:
            return found, np.linalg.solve(curvature, scores.T).T
        found = found + step
    return None
