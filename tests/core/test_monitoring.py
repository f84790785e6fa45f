"""The arithmetic of the monitor: by hand, with fractions, and against scipy."""

from __future__ import annotations

import math

import pytest
from scipy.stats import entropy

from tutelage.core.monitoring import drift, faded, spike


def test_a_spike_by_hand() -> None:
    # span 3 is a weight of 1/2 for the newest: the mean goes 4, 6, 5; the variance 0, 4, 3.
    assert spike([4, 8, 4], 15, span=3) == pytest.approx((15 - 5) / math.sqrt(5))
    # The variance exceeds the mean: 0 and 64 give a mean of 32 and a variance of 1024.
    assert spike([0, 64], 96, span=3) == pytest.approx(2.0)
    assert spike([], 100) == 0.0
    assert spike([0, 0], 3) == pytest.approx(3.0)


def test_drift_is_the_divergence_less_what_chance_gives() -> None:
    declared, seen = {"chat": 0.5, "rewrite": 0.5}, {"chat": 90, "rewrite": 10}
    expected = entropy([90.5 / 101, 10.5 / 101], [0.5, 0.5]) - 1 / 200
    assert drift(declared, seen) == pytest.approx(expected)


def test_no_drift_for_what_was_declared_and_for_nothing() -> None:
    assert drift({"chat": 3, "rewrite": 1}, {"chat": 75, "rewrite": 25}) < 0.01
    assert drift({"chat": 1.0}, {}) == 0.0
    with pytest.raises(ValueError, match="nothing"):
        drift({"chat": 0.0}, {"rewrite": 5})


def test_weights_fade_by_half() -> None:
    assert faded([(2.0, 0.0), (4.0, 7.0), (8.0, 14.0)], 7.0) == pytest.approx(6.0)
