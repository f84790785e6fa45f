"""Estimates from rows of two labelers: by double loops from the definition, by simulated coverage."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tutelage.core.dyads import Sharing, estimate, ratio, share
from tutelage.core.statistics import mean_estimate, two_way

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


def half_squares(values: Array, alike: Callable[[int, int], bool]) -> float:
    """Half the mean squared difference over the pairs of rows that are alike."""
    n = len(values)
    return float(np.mean([(values[i] - values[j]) ** 2 / 2 for i in range(n) for j in range(i) if alike(i, j)]))


def reach(parts: list[tuple[float, float]]) -> float:
    """Half an interval of the mean, from variances with their degrees of freedom (`two_way`)."""
    whole = sum(variance for variance, _ in parts)
    freedom = whole**2 / sum(variance**2 / each for variance, each in parts)
    weighted = sum(variance * stats.t.ppf(0.975, each) for variance, each in parts) / whole
    return float((stats.t.ppf(0.975, freedom) + weighted) / 2 * math.sqrt(whole))


@pytest.mark.parametrize("seed", range(4))
def test_two_labelers_a_row_by_a_double_loop(seed: int) -> None:
    """The variance by prompts, and what that does not hold of the part of each labeler."""
    values, sharing = drawn(seed)
    assert sharing.others is not None
    n, names = len(values), sharing.prompts
    pairs = [{one, two} for one, two in zip(sharing.labelers, sharing.others, strict=True)]
    labelers = sorted(set().union(*pairs))
    values = values + 2 * np.array([sum(map(labelers.index, pair)) for pair in pairs])  # so that they have a part
    one = half_squares(values, lambda i, j: names[i] != names[j] and len(pairs[i] & pairs[j]) == 1)
    none = half_squares(values, lambda i, j: names[i] != names[j] and not pairs[i] & pairs[j])
    apart, prompts = values - values.mean(), 1 / sum((names.count(name) / n) ** 2 for name in set(names))
    factor = prompts / (prompts - 1)
    by_prompt = factor * sum(apart[i] * apart[j] for i in range(n) for j in range(n) if names[i] == names[j]) / n**2
    shared = np.array([[len(pairs[i] & pairs[j]) for j in range(n)] for i in range(n)])
    held = shared - shared.mean(axis=0) - shared.mean(axis=1)[:, None] + shared.mean()
    same = np.array([[names[i] == names[j] for j in range(n)] for i in range(n)])
    own = (none - one) * (shared.mean() - factor * (held * same).mean())
    counts = [sum(name in pair for pair in pairs) for name in labelers]
    freedom = sum(counts) ** 2 / sum(count**2 for count in counts) - 1
    assert own > 0
    assert mean(values, sharing) == pytest.approx(
        (values.mean(), reach([(by_prompt, prompts - 1), (own, freedom)])), rel=1e-4
    )


def test_one_labeler_a_row_is_the_interval_of_all_judgements() -> None:
    values, (names, firsts, _) = drawn(0)
    found = two_way(values, names, firsts)
    assert mean(values, Sharing(names, firsts)) == pytest.approx((found.mean, found.high - found.mean), rel=1e-4)


def test_two_labelers_speak_for_themselves() -> None:
    """No other labeler could be drawn: the interval is over prompts."""
    values = np.array([0.0, 1.0, 1.0, 0.0, 2.0, 5.0])
    names = list("aabbcd")
    by_prompt = mean_estimate(values, names)
    given = mean(values, Sharing(names, ["x"] * 6, ["y"] * 6))
    assert given == pytest.approx((values.mean(), by_prompt.high - by_prompt.mean), rel=1e-4)


def test_one_prompt_and_two_labelers_bound_nothing() -> None:
    found = estimate([[1.0, 2.0]], ratio, Sharing(["p"], ["a"], ["b"]), 1)
    assert found is not None and (found.mean, found.low, found.high) == (0.5, -math.inf, math.inf)
    assert estimate([], ratio, Sharing([], [], []), 0) is None
    assert estimate([[0.0, 0.0]], ratio, Sharing(["p"], ["a"], ["b"]), 0) is None


def experiments(spread: tuple[float, float, float], labelers: int = 20) -> list[tuple[Array, Sharing]]:
    """Draw 200 times: 60 prompts by 3 labelers each, so 3 pairs each; the true mean is 0."""
    rng, made = np.random.default_rng(3), []
    for _ in range(200):
        labeler, prompt = spread[1] * rng.normal(size=labelers), spread[0] * rng.normal(size=60)
        rows = []
        for p in range(60):
            a, b, c = rng.choice(labelers, 3, replace=False)
            rows += [(p, *pair) for pair in ((a, b), (a, c), (b, c))]
        noise = spread[2] * rng.normal(size=180)
        values = np.array([prompt[p] + labeler[a] + labeler[b] for p, a, b in rows]) + noise
        columns = [[str(name) for name in column] for column in zip(*rows, strict=True)]
        made.append((values, Sharing(*columns)))
    return made


@pytest.mark.parametrize("spread", [(1.0, 0.5, 1.0), (0.0, 1.0, 1.0), (0.5, 0.0, 1.0)])
@pytest.mark.parametrize("labelers", [5, 20])
def test_the_interval_covers(spread: tuple[float, float, float], labelers: int) -> None:
    """200 experiments: 95 % - 4 standard errors of 1.5 %."""
    found = [mean(values, sharing) for values, sharing in experiments(spread, labelers)]
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
    assert 0 <= found.low < found.mean < found.high <= 1


def test_a_share_without_variation_is_as_uncertain_as_its_prompts_are_few() -> None:
    """Ten prompts, all pairs alike: Wilson's lower bound is 10 / (10 + z^2)."""
    names = [f"p{n}" for n in range(10)]
    found = share([6.0] * 10, [6.0] * 10, Sharing(names, ["a", "b"] * 5, ["c", "d"] * 5))
    assert found is not None and (found.mean, found.high, found.n) == (1.0, 1.0, 60)
    assert found.low == pytest.approx(10 / (10 + 1.959964**2))
