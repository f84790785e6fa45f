"""Fitted win rates: by closed forms, by a general optimizer, and on simulated labelers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from tutelage.core.contests import bradley_terry, length_controlled
from tutelage.core.statistics import win_rate, wins


def test_with_two_arms_it_is_the_win_rate() -> None:
    ranks = np.array([[0, 1], [0, 1], [1, 0], [0, 0], [0, 1], [1, 0]], dtype=float)
    prompts, labelers = list("ppqqrr"), list("ababab")
    found, plain = (
        bradley_terry(ranks, 0, 1, prompts, labelers),
        win_rate(wins(ranks[:, 0], ranks[:, 1]), prompts, labelers),
    )
    assert found is not None
    assert (found.mean, found.n) == (pytest.approx(plain.mean), 6)
    assert 0 < found.low < found.mean < found.high < 1
    other = bradley_terry(ranks, 1, 0, prompts, labelers)
    assert other is not None and (other.mean, other.low) == pytest.approx((1 - found.mean, 1 - found.high))


@pytest.mark.parametrize("seed", range(3))
def test_strengths_are_those_of_a_general_optimizer(seed: int) -> None:
    """Rankings of four arms, some of which leave an arm out: the log-likelihood, by a loop over pairs."""
    rng = np.random.default_rng(seed)
    ranks = np.round(rng.normal(size=(40, 4)) + [0.0, 0.3, 0.6, 0.9])
    ranks[rng.random((40, 4)) < 0.1] = np.nan

    def loss(free: np.ndarray) -> float:
        strengths, total = np.array([free[0], 0.0, free[1], free[2]]), 0.0
        for row in ranks:
            for i in range(4):
                for j in range(4):
                    if i != j and not math.isnan(row[i] + row[j]):
                        won = 1.0 if row[i] < row[j] else 0.5 if row[i] == row[j] else 0.0
                        total -= won * math.log(expit(strengths[i] - strengths[j]))
        return total

    best = minimize(loss, np.zeros(3), method="BFGS").x
    for arm, expected in ((0, best[0]), (2, best[1]), (3, best[2])):
        found = bradley_terry(ranks, arm, 1, np.arange(40), np.arange(40) % 7)
        assert found is not None and found.mean == pytest.approx(expit(expected), abs=1e-4)


def test_what_has_no_finite_strength_is_none() -> None:
    always = np.array([[0.0, 1.0, 2.0], [0.0, 2.0, 1.0]])
    assert bradley_terry(always, 0, 1, list("pq"), list("ab")) is None
    never = np.array([[0.0, 1.0, np.nan], [1.0, 0.0, np.nan]])
    assert bradley_terry(never, 2, 1, list("pq"), list("ab")) is None


def test_a_preference_for_length_alone_is_gone_at_equal_length() -> None:
    """Judges who only like length, and an arm that writes longer: the raw rate is high, the controlled one half."""
    rng = np.random.default_rng(2)
    longer = rng.normal(40, 60, 4000)
    shares = (rng.random(4000) < expit(1.5 * np.tanh(longer / longer.std()))).astype(float)
    found = length_controlled(shares, longer, np.arange(4000) // 2, np.arange(4000) % 40)
    assert found is not None and not found.outside
    assert shares.mean() > 0.6
    assert found.estimate.low < 0.5 < found.estimate.high and found.estimate.high - found.estimate.low < 0.08


def test_length_that_does_not_matter_changes_nothing() -> None:
    """Half of each length wins, so the slope is 0 and the interval that of the intercept."""
    shares, longer = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0] * 4, [5.0, 5.0, 5.0, -5.0, -5.0, -5.0] * 4
    found = length_controlled(shares, longer, np.arange(24), np.arange(24) % 6)
    assert found is not None and found.estimate.mean == pytest.approx(2 / 3)


def test_equal_or_one_sided_lengths() -> None:
    assert length_controlled([1.0, 0.0], [3.0, 3.0], list("pq"), list("ab")) is None
    shares, longer = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0], [1.0, 9.0, 2.0, 8.0, 9.0, 1.0, 3.0]
    found = length_controlled(shares, longer, list("pqrstuv"), list("abababa"))
    assert found is not None and found.outside


def test_intervals_hold_the_truth() -> None:
    """200 studies of three arms, 60 prompts by 3 of 10 labelers: 95 % +- 4 standard errors of 1.5 %."""
    rng, prompts, held = np.random.default_rng(6), np.repeat(np.arange(60), 3), 0
    strengths = np.array([0.8, 0.0, 0.4])
    for _ in range(200):
        labelers = rng.permuted(np.tile(np.arange(10), (60, 1)), axis=1)[:, :3].ravel()
        ranks = -(strengths + rng.gumbel(size=(180, 3))).argsort(axis=1).argsort(axis=1).astype(float)
        found = bradley_terry(ranks, 0, 1, prompts, labelers)
        assert found is not None
        held += found.low <= expit(0.8) <= found.high
    assert 0.89 <= held / 200 <= 1.0
