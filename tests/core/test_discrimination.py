"""Areas under curves and temperatures, against other ways to compute them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

from tutelage.core.discrimination import auc, auc_difference, temperature


def pairs(scores: list[float], positive: list[bool]) -> float:
    """Count pairs, ties as half."""
    above = [s for s, p in zip(scores, positive, strict=True) if p]
    below = [s for s, p in zip(scores, positive, strict=True) if not p]
    return float(np.mean([(a > b) + 0.5 * (a == b) for a in above for b in below]))


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        positive = rng.random(40) < 0.4
        scores = np.round(rng.normal(size=40) + positive, 1)
        found = auc(scores, positive)
        assert found and found.n == 40
        assert found.mean == pytest.approx(pairs(scores.tolist(), positive.tolist()))
        assert found.mean == pytest.approx(roc_auc_score(positive, scores))
        assert 0 <= found.low < found.mean < found.high <= 1


def test_one_kind_alone_has_no_area_and_a_perfect_one_an_honest_interval() -> None:
    assert auc([0.1, 0.2], [True, True]) is None
    assert auc_difference([1.0], [2.0], [True]) is None
    perfect = auc([1, 2, 3, 4], [False, False, True, True])
    assert perfect and perfect.mean == 1.0 and perfect.low < 0.5


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Normal scores a unit apart have an area of Phi(1 / sqrt 2); 95 % of 400 is 380, with a deviation of 4.4."""
    truth = 0.7602499389065233
    rng = np.random.default_rng(2)
    positive = np.arange(80) < 30
    held = both = 0
    for _ in range(400):
        scores = rng.normal(size=80) + positive
        found = auc(scores, positive)
        other = auc_difference(scores, rng.normal(size=80) + positive, positive)
        assert found and other
        held += found.low <= truth <= found.high
        both += other.low <= 0 <= other.high
    assert 366 <= held <= 394 and 366 <= both <= 394


def test_the_same_scores_do_not_differ() -> None:
    found = auc_difference([1, 2, 3, 4], [10, 20, 30, 40], [False, True, False, True])
    assert found and (found.mean, found.low, found.high) == (0, 0, 0)


def test_a_temperature_undoes_what_scores_were_multiplied_by() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(scale=2, size=4000)
    targets = (rng.random(4000) < 1 / (1 + np.exp(-logits))).astype(float)
    assert temperature(logits * 3, targets) == pytest.approx(3, rel=0.1)

    def loss(t: np.ndarray) -> float:
        return float(np.mean(np.logaddexp(0, logits / t) - targets * logits / t))

    assert temperature(logits, targets) == pytest.approx(float(minimize(loss, [1.0]).x[0]), rel=1e-2)
    assert temperature([], []) == 1.0
