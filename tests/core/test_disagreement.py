"""Noise and taste: by hand, and against labelers whose chances are known."""

from __future__ import annotations

import numpy as np
import pytest

from tutelage.core.disagreement import Judged, decompose

AB, BA, TIE = (("a",), ("b",)), (("b",), ("a",)), (("a", "b"),)


def test_by_hand() -> None:
    """Anna twice: 1 apart and 0 apart, so 1/2. Anna and Ben: on p ab/tie 1/4, on q 0 and 1. Cleo and Dora of the
    other group agree on p; across, on p, both Ann's orders and Ben's tie against ba twice."""
    judged = [
        Judged("p", "anna", "one", AB),
        Judged("p", "ben", "one", TIE),
        Judged("q", "anna", "one", AB),
        Judged("q", "anna", "one", BA),
        Judged("q", "ben", "one", AB),
        Judged("r", "anna", "one", AB),
        Judged("r", "anna", "one", AB),
        Judged("p", "cleo", "two", BA),
        Judged("p", "dora", "two", BA),
    ]
    found = decompose(judged)
    assert found.noise is not None and (found.noise.mean, found.noise.n) == (0.5, 2)
    assert found.within["one"].mean == pytest.approx((1 / 4 + 0 + 1) / 3)
    assert found.within["two"].mean == 0 and found.within[""].n == 4
    assert found.own_taste is not None and found.own_taste.mean == pytest.approx(5 / 16 - 1 / 2)
    [apart] = found.apart
    assert (apart.first, apart.second, apart.across.n) == ("one", "two", 4)
    assert apart.across.mean == pytest.approx((1 + 1 + 1 / 4 + 1 / 4) / 4)
    assert apart.taste.mean == pytest.approx(5 / 8 - (5 / 12 + 0) / 2)


def test_without_repeats_or_company_there_is_nothing_to_say() -> None:
    found = decompose([Judged("p", "anna", "one", AB), Judged("q", "ben", "one", AB)])
    assert found == (None, {}, None, ())
    one = decompose([Judged("p", "anna", "one", AB), Judged("p", "cleo", "two", AB)])
    assert one.apart == ()


def test_chances_that_are_known_are_found() -> None:
    """Chances 0.9 - s, 0.1 + s of two groups, s a labeler's own shift of 0 or 0.2: noise and tastes by formula."""
    rng, judged = np.random.default_rng(0), []
    shift = {f"{group}{number}": 0.2 * (number % 2) for group in "xy" for number in range(6)}
    chance = {name: 0.9 - by if name[0] == "x" else 0.1 + by for name, by in shift.items()}
    for prompt in range(400):
        for group in "xy":
            first, second = rng.choice([name for name in chance if name[0] == group], 2, replace=False)
            for name in (first, first, second):
                judged.append(Judged(f"p{prompt}", name, group, AB if rng.random() < chance[name] else BA))
    found = decompose(judged)
    noise = np.mean([2 * p * (1 - p) for p in chance.values()])
    # Two different labelers of six, three of each kind, differ in kind with 3/5.
    own = 3 / 5 * 0.2**2
    assert found.noise is not None and found.own_taste is not None
    [apart] = found.apart
    for estimate, truth in ((found.noise, noise), (found.within[""], noise + own), (found.own_taste, own)):
        assert estimate.low <= truth <= estimate.high
        assert estimate.high - estimate.low < 0.3
    # The groups' means are 0.8 and 0.2; within a group, judgements of different labelers are slightly alike in kind.
    assert apart.taste.low <= 0.6**2 <= apart.taste.high and apart.taste.low > 0.1
