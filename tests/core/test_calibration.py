"""Calibration: against counts by hand, a general optimizer, and models whose sureness is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from tutelage.core.calibration import calibration


def drawn(sureness: float, pairs: int = 3000, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Differences of a model that is `sureness` times too sure of preferences that follow the logistic law."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=pairs)
    preferred = rng.random(pairs) < 1 / (1 + np.exp(-true))
    return np.where(preferred, true, -true) * sureness, [f"p{n // 3}" for n in range(pairs)]


def test_one_bin_by_hand() -> None:
    """Margins ln 3 (75 % sure) right, ln 3 wrong, 0 (50 % sure) a tie: right in one half, 2/3 sure on average."""
    found = calibration([math.log(3), -math.log(3), 0.0], list("abc"))
    [one] = found.bins
    assert (one.sureness, one.right.mean, one.right.n) == pytest.approx((2 / 3, 1 / 2, 3))
    assert found.error == pytest.approx(2 / 3 - 1 / 2)
    assert found.loss == pytest.approx((math.log(4 / 3) + math.log(4) + math.log(2)) / 3)


@pytest.mark.parametrize("sureness", [0.5, 1.0, 3.0])
def test_the_slope_undoes_what_a_model_is_too_sure_of(sureness: float) -> None:
    margins, prompts = drawn(sureness)
    found = calibration(margins, prompts, [f"l{n % 7}" for n in range(len(margins))])
    best = minimize_scalar(lambda slope: np.logaddexp(0, -slope * margins).sum(), bracket=(0.1, 1.0))
    assert found.slope is not None
    assert found.slope.mean == pytest.approx(best.x, rel=1e-4)
    assert found.slope.low < 1 / sureness < found.slope.high
    assert found.slope.high - found.slope.low < 0.4 / sureness
    assert (found.error < 0.03) == (sureness == 1.0)
    assert [one.right.n for one in found.bins] == [300] * 10
    assert [one.sureness for one in found.bins] == sorted(one.sureness for one in found.bins)


def test_the_interval_of_the_slope_covers() -> None:
    """120 studies of 300 pairs: 95 % - 4 standard errors of 2 %."""
    held = 0
    for seed in range(120):
        slope = calibration(*drawn(1.0, 300, seed)).slope
        assert slope is not None
        held += slope.low <= 1 <= slope.high
    assert held / 120 >= 0.87


def test_a_model_that_is_always_right_or_says_nothing_has_no_slope() -> None:
    assert calibration([1.0, 2.0, 0.5], list("abc")).slope is None
    said = calibration([0.0, 0.0], list("ab"))
    assert said.slope is None and said.error == 0 and said.loss == pytest.approx(math.log(2))
    with pytest.raises(ValueError, match="at least one value"):
        calibration([], [])
