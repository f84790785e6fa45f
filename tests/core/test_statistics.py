"""Estimates: by hand, by double loops from the definitions, and by simulated coverage."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tutelage.core.statistics import (
    Estimate,
    Resampling,
    cluster_bootstrap,
    detectable,
    mean_estimate,
    paired_difference,
    pooled,
    two_way,
    wilson,
    win_rate,
    wins,
)

Array = NDArray[np.float64]
#: The 97.5 % points of Student's t from printed tables.
T_975 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 19: 2.093}


def bounds(estimate: Estimate) -> tuple[float, float]:
    return estimate.low, estimate.high


# --- wins ---------------------------------------------------------------------------------------------------------


def test_a_lower_rank_wins_and_a_tie_is_half() -> None:
    assert wins([0, 1, 2, 3], [1, 1, 0, 3]).tolist() == [1.0, 0.5, 0.0, 0.5]
    assert float(wins(0, 2)) == 1.0


def test_wins_of_both_sides_sum_to_one() -> None:
    a, b = np.arange(25) % 5, np.arange(25) // 5
    assert (wins(a, b) + wins(b, a)).tolist() == [1.0] * 25
    assert wins(a, b).tolist() == [1.0 if x < y else 0.0 if x > y else 0.5 for x, y in zip(a, b, strict=True)]


# --- one way ------------------------------------------------------------------------------------------------------


def test_the_mean_of_independent_rows_is_students_interval() -> None:
    values = [1.0, 2.0, 4.0, 5.0, 8.0]  # mean 4, standard deviation sqrt(7.5)
    given = mean_estimate(values)
    half = T_975[4] * math.sqrt(7.5 / 5)
    assert given.mean == 4 and given.n == 5 and given.level == 0.95
    assert bounds(given) == pytest.approx((4 - half, 4 + half), abs=1e-3)
    expected = stats.t.interval(0.9, 4, loc=4, scale=stats.sem(values))
    assert bounds(mean_estimate(values, level=0.9)) == pytest.approx(expected)


def test_equal_clusters_are_the_interval_of_their_means() -> None:
    """Three clusters of two: the cluster means 1, 2 and 6 are three independent observations."""
    given = mean_estimate([0.0, 2.0, 1.0, 3.0, 6.0, 6.0], ["x", "x", "y", "y", "z", "z"])
    half = T_975[2] * math.sqrt(((1 - 3) ** 2 + (2 - 3) ** 2 + (6 - 3) ** 2) / 2 / 3)
    assert given.mean == 3 and given.n == 6
    assert bounds(given) == pytest.approx((3 - half, 3 + half), abs=1e-3)


def test_repeating_every_row_within_its_cluster_changes_nothing() -> None:
    values = [0.3, 1.0, 0.0, 0.5]
    once, often = mean_estimate(values), mean_estimate(values * 10, list("abcd") * 10)
    assert bounds(often) == pytest.approx(bounds(once))
    assert (once.n, often.n) == (4, 40)


def test_a_single_row_or_cluster_bounds_nothing() -> None:
    assert mean_estimate([0.7]) == Estimate(0.7, -math.inf, math.inf, 1)
    assert bounds(mean_estimate([0.0, 1.0], ["p", "p"])) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("values", "clusters", "sentence"),
    [
        ([], None, "at least one value"),
        ([1.0, math.nan], None, "finite values"),
        ([1.0, 2.0], ["p"], "one cluster name for each of 2 rows"),
        ([[1.0]], None, "at least one value"),
    ],
)
def test_bad_values_are_refused(values: list[float], clusters: list[str] | None, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        mean_estimate(values, clusters)


# --- two ways -----------------------------------------------------------------------------------------------------


def variance_by_definition(values: Array, alike: Callable[[int, int], bool]) -> float:
    """Sum e_i e_j over every two rows that share a cluster, over n^2, times G / (G - 1)."""
    n, e = len(values), values - values.mean()
    total = sum(e[i] * e[j] for i in range(n) for j in range(n) if alike(i, j))
    clusters = len({next(j for j in range(n) if alike(i, j)) for i in range(n)})
    return float(total) / n**2 * clusters / (clusters - 1)


@pytest.mark.parametrize("sizes", [(12, 4), (4, 12), (4, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_two_way_by_a_double_loop(seed: int, sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    prompts, labelers = rng.integers(0, sizes[0], 40), rng.integers(0, sizes[1], 40)
    values = rng.normal(size=40) + rng.normal(size=12)[prompts] + rng.normal(size=12)[labelers]
    parts = (
        variance_by_definition(values, lambda i, j: prompts[i] == prompts[j]),
        variance_by_definition(values, lambda i, j: labelers[i] == labelers[j]),
        variance_by_definition(values, lambda i, j: prompts[i] == prompts[j] and labelers[i] == labelers[j]),
    )
    variance = parts[0] + parts[1] - parts[2]
    half = T_975[3] * math.sqrt(variance if variance > 0 else max(parts))
    given = two_way(values, prompts, [f"labeler {i}" for i in labelers])
    assert given.mean == pytest.approx(values.mean()) and given.n == 40
    assert given.high - given.mean == pytest.approx(half, rel=1e-3)
    assert given.mean - given.low == pytest.approx(half, rel=1e-3)


def test_two_way_by_hand() -> None:
    """Two prompts by two labelers, values 0, 1 / 2, 5: residuals -2, -1 / 0, 3.

    Prompts: 2 (9 + 9) / 16; labelers: 2 (4 + 4) / 16; rows: 4/3 (4 + 1 + 0 + 9) / 16; one degree of freedom.
    """
    given = two_way([0.0, 1.0, 2.0, 5.0], list("ppqq"), list("abab"))
    half = T_975[1] * math.sqrt((36 + 16 - 56 / 3) / 16)
    assert bounds(given) == pytest.approx((2 - half, 2 + half), rel=1e-3)


def test_a_variance_that_is_not_positive_gives_way_to_the_largest_part() -> None:
    """Mostly the crossing differs: parts 2 (0.16 + 0.16) / 16, 0 and 4/3 * 2 (1.44 + 0.64) / 16."""
    given = two_way([1.2, -0.8, -1.2, 0.8], list("ppqq"), list("abab"))
    assert given.high == pytest.approx(T_975[1] * math.sqrt(4 / 3 * 4.16 / 16), rel=1e-3)


def test_with_one_labeler_only_prompts_cluster_and_the_other_way_round() -> None:
    values, names = [0.0, 1.0, 1.0, 0.0, 1.0], list("aabbc")
    by_name = mean_estimate(values, names)
    assert two_way(values, names, ["x"] * 5) == by_name == two_way(values, ["x"] * 5, names)
    assert bounds(two_way([0.0, 1.0], ["p"] * 2, ["l"] * 2)) == (-math.inf, math.inf)


def test_two_way_does_not_depend_on_names_or_order_of_rows() -> None:
    rng = np.random.default_rng(0)
    prompts, labelers, values = rng.integers(0, 9, 50), rng.integers(0, 5, 50), rng.random(50)
    shuffle = rng.permutation(50)
    other = two_way(values[shuffle], [f"p{i}" for i in prompts[shuffle]], [f"l{i}" for i in labelers[shuffle]])
    assert other == pytest.approx(two_way(values, prompts, labelers))


def crossed(rng: np.random.Generator, spread: tuple[float, float, float]) -> tuple[Array, Array, Array]:
    """Draw 60 prompts, each judged by 3 of 20 labelers; the true mean is 0. `spread`: prompt, labeler, noise."""
    prompts = np.repeat(np.arange(60), 3)
    labelers = rng.permuted(np.tile(np.arange(20), (60, 1)), axis=1)[:, :3].ravel()
    effects = spread[0] * rng.normal(size=60)[prompts] + spread[1] * rng.normal(size=20)[labelers]
    return effects + spread[2] * rng.normal(size=180), prompts.astype(float), labelers.astype(float)


def coverage(estimate: Callable[[Array, Array, Array], Estimate], spread: tuple[float, float, float]) -> float:
    rng = np.random.default_rng(11)
    given = [estimate(*crossed(rng, spread)) for _ in range(400)]
    return sum(e.low <= 0 <= e.high for e in given) / 400


@pytest.mark.parametrize("spread", [(1.0, 0.5, 1.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.5), (0.0, 1.0, 1.0)])
def test_the_two_way_interval_covers(spread: tuple[float, float, float]) -> None:
    """400 experiments: 95 % +- 4 standard errors of 1.1 %."""
    assert 0.906 <= coverage(two_way, spread) <= 0.994


def test_intervals_that_ignore_labelers_or_prompts_do_not_cover() -> None:
    """The control of the test above: these fall short by far on the same data."""
    assert coverage(lambda values, prompts, _: mean_estimate(values, prompts), (0.3, 1.0, 1.0)) < 0.8
    assert coverage(lambda values, prompts, _: mean_estimate(values), (1.0, 0.5, 1.0)) < 0.85


@pytest.mark.parametrize("spread", [(1.0, 0.0, 1.0), (0.0, 0.0, 1.0)])
def test_the_one_way_interval_covers(spread: tuple[float, float, float]) -> None:
    assert 0.906 <= coverage(lambda values, prompts, _: mean_estimate(values, prompts), spread) <= 0.994


def test_a_hundred_thousand_rows() -> None:
    """The example by hand, every row 25,000 times over: it shares both clusters, so the interval stays."""
    copies = 25_000
    given = two_way([0.0, 1.0, 2.0, 5.0] * copies, list("ppqq") * copies, list("abab") * copies)
    half = T_975[1] * math.sqrt((36 + 16 - 56 / 3) / 16)
    assert bounds(given) == pytest.approx((2 - half, 2 + half), rel=1e-3)
    assert given.n == 100_000


# --- rates, differences, proportions ------------------------------------------------------------------------------


def test_a_win_rate_is_the_two_way_mean_kept_between_zero_and_one() -> None:
    shares, prompts, labelers = [1.0, 0.5, 0.0, 1.0, 1.0, 1.0], list("ppqqrr"), list("ababab")
    free = two_way(shares, prompts, labelers)
    given = win_rate(shares, prompts, labelers)
    assert free.high > 1 or free.low < 0
    assert given == Estimate(4.5 / 6, max(0.0, free.low), min(1.0, free.high), 6)


def test_a_rate_without_any_variation_is_as_uncertain_as_its_prompts_are_few() -> None:
    """Ten prompts, each judged by two labelers, all wins: Wilson's lower bound is 10 / (10 + z^2)."""
    given = win_rate([1.0] * 20, list("abcdefghij") * 2, ["x"] * 10 + ["y"] * 10)
    assert (given.mean, given.high, given.n) == (1.0, 1.0, 20)
    assert given.low == pytest.approx(10 / (10 + 1.959964**2))


def test_a_rate_beyond_zero_and_one_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        win_rate([0.0, 2.0], ["p", "q"], ["a", "b"])


def test_paired_differences_take_out_the_difficulty_of_the_prompt() -> None:
    rng = np.random.default_rng(3)
    difficulty = 10 * rng.normal(size=50)
    a, b = difficulty + 1 + 0.1 * rng.normal(size=50), difficulty + 0.1 * rng.normal(size=50)
    given = paired_difference(a, b, np.arange(50))
    t = stats.ttest_rel(a, b)
    assert bounds(given) == pytest.approx(tuple(t.confidence_interval(0.95)))
    assert given.low > 0.9 and mean_estimate(a).low < mean_estimate(b).high


def test_paired_differences_with_labelers_by_hand() -> None:
    """The differences are 0, 1 / 2, 5, the example of two prompts and two labelers."""
    given = paired_difference([1.0, 1.0, 2.0, 7.0], [1.0, 0.0, 0.0, 2.0], list("ppqq"), list("abab"))
    half = T_975[1] * math.sqrt((36 + 16 - 56 / 3) / 16)
    assert given.mean == 2 and bounds(given) == pytest.approx((2 - half, 2 + half), rel=1e-3)


def test_pairs_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="row by row"):
        paired_difference([1.0, 2.0], [1.0], ["p", "q"])


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_against_newcombes_table(successes: int, n: int, low: float, high: float) -> None:
    """Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    given = wilson(successes, n)
    assert bounds(given) == pytest.approx((low, high), abs=6e-5)
    assert given.mean == successes / n


def test_wilson_inverts_the_score_test() -> None:
    for successes in range(8):
        for bound in bounds(wilson(successes, 7)):
            if 0 < bound < 1:
                score = (successes / 7 - bound) / math.sqrt(bound * (1 - bound) / 7)
                assert abs(score) == pytest.approx(1.959964, abs=1e-5)


def test_wilson_agrees_with_scipy_at_another_level() -> None:
    expected = stats.binomtest(13, 40).proportion_ci(0.9, method="wilson")
    assert bounds(wilson(13, 40, 0.9)) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_proportions_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, n)


# --- pooling and resampling ---------------------------------------------------------------------------------------


def test_pooled_runs_by_hand() -> None:
    """Half-widths 0.3 and 0.4 over two runs: sqrt(0.09 + 0.16) / 2 = 0.25; uneven ones stay uneven."""
    given = pooled([Estimate(0.5, 0.2, 0.6, 10), Estimate(0.7, 0.3, 0.7, 20)])
    assert given == pytest.approx(Estimate(0.6, 0.35, 0.65, 30))


def test_pooling_equal_runs_narrows_by_the_root_of_their_number() -> None:
    given = pooled([Estimate(0.5, 0.4, 0.6, 100)] * 4)
    assert given == pytest.approx(Estimate(0.5, 0.45, 0.55, 400))


def test_pooled_intervals_cover() -> None:
    """400 experiments of three independent runs with unlike errors: 95 % +- 4 standard errors of 1.1 %."""
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(400):
        given = pooled([mean_estimate(scale * rng.normal(size=100)) for scale in (1.0, 2.0, 3.0)])
        covered += given.low <= 0 <= given.high
    assert 0.906 <= covered / 400 <= 0.994


@pytest.mark.parametrize("estimates", [[], [Estimate(0, 0, 0, 1, 0.9), Estimate(0, 0, 0, 1, 0.95)]])
def test_what_cannot_be_pooled_is_refused(estimates: list[Estimate]) -> None:
    with pytest.raises(ValueError, match="of one level"):
        pooled(estimates)


def test_the_bootstrap_of_a_mean_agrees_with_its_normal_interval() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=400)
    given = cluster_bootstrap(values[:, None], lambda sums: sums[..., 0] / 400, 400, Resampling(rng, 4000))
    assert given is not None
    half = 1.96 * values.std() / 20
    assert bounds(given) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_the_bootstrap_of_two_clusters_by_enumeration() -> None:
    """Clusters 0 and 1: the resampled mean is 0, 1/2 or 1 with chances 1/4, 1/2 and 1/4."""
    sums = np.array([[0.0], [1.0]])
    how = Resampling(np.random.default_rng(0), 500, level=0.4)
    assert cluster_bootstrap(sums, lambda s: s[..., 0] / 2, 2, how) == Estimate(0.5, 0.5, 0.5, 2, 0.4)
    wide = Resampling(np.random.default_rng(0), 500, level=0.9)
    assert cluster_bootstrap(sums, lambda s: s[..., 0] / 2, 2, wide) == Estimate(0.5, 0.0, 1.0, 2, 0.9)


# --- detectable effects -------------------------------------------------------------------------------------------


def test_what_can_be_detected_by_hand() -> None:
    """Three clusters with means 1, 2 and 6: t is 4.303 at 97.5 % and 1.061 at 80 % with 2 degrees of freedom."""
    values, clusters = [0.0, 2.0, 1.0, 3.0, 6.0, 6.0], ["x", "x", "y", "y", "z", "z"]
    error = math.sqrt(((1 - 3) ** 2 + (2 - 3) ** 2 + (6 - 3) ** 2) / 2 / 3)
    assert detectable(values, clusters) == pytest.approx((4.303 + 1.061) * error, abs=2e-3)
    assert detectable([1.0, 2.0], ["x", "x"]) == math.inf


def test_what_can_be_detected_is_detected_in_four_of_five_repetitions() -> None:
    """Thirty clusters of three rows; the effect is that of the known spread, 3,000 repetitions (deviation 0.7 %)."""
    rng = np.random.default_rng(7)
    clusters = np.repeat(np.arange(30), 3)
    known = np.concatenate([np.full(45, 1.0), np.full(45, -1.0)])  # spread of cluster means: 1
    effect = detectable(known, clusters) * math.sqrt(29 / 30)
    samples = rng.normal(effect, 1.0, (3000, 30))  # a row is a repetition, its values are cluster means
    found = (stats.ttest_1samp(samples, 0.0, axis=1).pvalue < 0.05) & (samples.mean(axis=1) > 0)
    assert 0.78 <= found.mean() <= 0.82
