"""Estimates from rows of two labelers: by double loops from the definition, by simulated coverage."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tutelage.core.dyads import Sharing, estimate, ratio, share
from tutelage.core.statistics import mean_estimate

Array = NDArray[np.float64]


def mean(values: Array, sharing: Sharing) -> tuple[float, float]:
    """Give the mean of the values and half the width of its interval."""
    sums = np.column_stack([values, np.ones(len(values))])
    found = estimate(sums, ratio, sharing, len(values))
    assert found is not None and found.n == len(values)
    return found.mean, found.high - found.mean


def drawn(seed: int, rows: int = 40, prompts: int = 9, labelers: int = 6) -> tuple[Array, Sharing]:
    rng = np.random.default_rng(seed)
    pairs = [rng.choice(labelers, 2, replace=False) for _ in range(rows)]
    names = [f"p{p}" for p in rng.integers(0, prompts, rows)]
    return rng.normal(size=rows), Sharing(names, [f"l{a}" for a, _ in pairs], [f"l{b}" for _, b in pairs])


def loop(values: Array, clusters: list[object], alike: Callable[[int, int], bool]) -> float:
    """Sum e_i e_j over every two rows that are alike, over n^2, times G / (G - 1)."""
    n, e = len(values), values - values.mean()
    total = sum(e[i] * e[j] for i in range(n) for j in range(n) if alike(i, j))
    return float(total) / n**2 * len(set(clusters)) / (len(set(clusters)) - 1)


@pytest.mark.parametrize("seed", range(4))
def test_two_labelers_a_row_by_a_double_loop(seed: int) -> None:
    """Rows that share a labeler depend on each other; a pair of rows counts once, also when it shares both."""
    values, sharing = drawn(seed)
    names, firsts, seconds = sharing.prompts, sharing.labelers, sharing.others
    assert seconds is not None
    pairs = [frozenset(pair) for pair in zip(firsts, seconds, strict=True)]

    def met(i: int, j: int) -> bool:
        return bool(pairs[i] & pairs[j])

    def twice(i: int, j: int) -> bool:
        return pairs[i] == pairs[j]

    def total(among: Callable[[int, int], bool]) -> float:
        """Every shared labeler counts: a pair of rows with both labelers in common counts twice."""
        e, n = values - values.mean(), len(values)
        found = sum(e[i] * e[j] * len(pairs[i] & pairs[j]) for i in range(n) for j in range(n) if among(i, j))
        return float(found) / n**2

    def factor(clusters: set[object]) -> float:
        return len(clusters) / (len(clusters) - 1)

    def same(i: int, j: int) -> bool:
        return names[i] == names[j]

    members = {(name, one) for name, pair in zip(names, pairs, strict=True) for one in pair}
    cells = [*zip(names, pairs, strict=True)]
    by_prompt = loop(values, [*names], same)
    by_labeler = total(lambda i, j: True) * factor({*firsts, *seconds}) - loop(values, [*pairs], twice)
    both = total(same) * factor({*members}) - loop(values, [*cells], lambda i, j: same(i, j) and twice(i, j))
    variance = by_prompt + by_labeler - both
    given = mean(values, sharing)
    freedom = min(len(set(names)), len({*firsts, *seconds})) - 1
    expected = variance if variance > 0 else max(by_prompt, by_labeler, both)
    assert given[0] == pytest.approx(values.mean())
    assert given[1] == pytest.approx(float(stats.t.ppf(0.975, freedom)) * math.sqrt(expected), rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_one_labeler_a_row_by_a_double_loop(seed: int) -> None:
    """V_prompt + V_labeler - V_both (Cameron, Gelbach and Miller 2011), or the largest where that is not positive."""
    values, (names, firsts, _) = drawn(seed)
    cells = [*zip(names, firsts, strict=True)]
    parts = [
        loop(values, [*clusters], lambda i, j, clusters=clusters: clusters[i] == clusters[j])  # type: ignore[misc]
        for clusters in (names, firsts, cells)
    ]
    variance = parts[0] + parts[1] - parts[2]
    half = float(stats.t.ppf(0.975, min(len(set(names)), len(set(firsts))) - 1))
    expected = values.mean(), half * math.sqrt(variance if variance > 0 else max(parts))
    assert mean(values, Sharing(names, firsts)) == pytest.approx(expected, rel=1e-4)


def test_two_labelers_speak_for_themselves() -> None:
    """No other labeler could be drawn: the interval is over prompts."""
    values = np.array([0.0, 1.0, 1.0, 0.0, 2.0, 5.0])
    names = list("aabbcd")
    half = float(stats.t.ppf(0.975, 3)) * math.sqrt(loop(values, [*names], lambda i, j: names[i] == names[j]))
    given = mean(values, Sharing(names, ["x"] * 6, ["y"] * 6))
    assert given == pytest.approx((values.mean(), half), rel=1e-4)


def test_one_prompt_and_two_labelers_bound_nothing() -> None:
    found = estimate([[1.0, 2.0]], ratio, Sharing(["p"], ["a"], ["b"]), 1)
    assert found is not None and (found.mean, found.low, found.high) == (0.5, -math.inf, math.inf)
    assert estimate([], ratio, Sharing([], [], []), 0) is None
    assert estimate([[0.0, 0.0]], ratio, Sharing(["p"], ["a"], ["b"]), 0) is None


def experiments(spread: tuple[float, float, float]) -> list[tuple[Array, Sharing]]:
    """Draw 200 times: 60 prompts by 3 of 20 labelers, so 3 pairs each; the true mean is 0."""
    rng, made = np.random.default_rng(3), []
    for _ in range(200):
        labeler, prompt = spread[1] * rng.normal(size=20), spread[0] * rng.normal(size=60)
        rows = []
        for p in range(60):
            a, b, c = rng.choice(20, 3, replace=False)
            rows += [(p, *pair) for pair in ((a, b), (a, c), (b, c))]
        noise = spread[2] * rng.normal(size=180)
        values = np.array([prompt[p] + labeler[a] + labeler[b] for p, a, b in rows]) + noise
        columns = [[str(name) for name in column] for column in zip(*rows, strict=True)]
        made.append((values, Sharing(*columns)))
    return made


@pytest.mark.parametrize("spread", [(1.0, 0.5, 1.0), (0.0, 1.0, 1.0), (0.5, 0.0, 1.0)])
def test_the_interval_covers(spread: tuple[float, float, float]) -> None:
    """200 experiments: 95 % - 4 standard errors of 1.5 %."""
    found = [mean(values, sharing) for values, sharing in experiments(spread)]
    assert sum(abs(value) <= half for value, half in found) / 200 >= 0.89


def test_an_interval_over_prompts_alone_does_not_cover() -> None:
    """The control of the test above."""
    found = [mean_estimate(values, sharing.prompts) for values, sharing in experiments((0.0, 1.0, 1.0))]
    assert sum(one.low <= 0 <= one.high for one in found) / 200 < 0.8


def test_a_share_stays_between_zero_and_one_and_weighs_rows_by_their_pairs() -> None:
    sharing = Sharing(list("pqr"), list("aab"), list("bcc"))
    found = share([6.0, 1.0, 3.0], [6.0, 2.0, 3.0], sharing)
    assert found is not None
    assert found.mean == pytest.approx(10 / 11) and found.n == 11
    assert 0 <= found.low < found.mean < found.high == 1


def test_a_share_without_variation_is_as_uncertain_as_its_prompts_are_few() -> None:
    """Ten prompts, all pairs alike: Wilson's lower bound is 10 / (10 + z^2)."""
    names = [f"p{n}" for n in range(10)]
    found = share([6.0] * 10, [6.0] * 10, Sharing(names, ["a", "b"] * 5, ["c", "d"] * 5))
    assert found is not None and (found.mean, found.high, found.n) == (1.0, 1.0, 60)
    assert found.low == pytest.approx(10 / (10 + 1.959964**2))
