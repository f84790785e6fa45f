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
    bounded_mean,
    cluster_bootstrap,
    components,
    detectable,
    detected_by,
    mean_estimate,
    paired_difference,
    pooled,
    rate_difference,
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


def half_squares(values: Array, qualifies: Callable[[int, int], bool]) -> float:
    """Half the mean squared difference over the pairs that qualify."""
    n = len(values)
    found = [(values[i] - values[j]) ** 2 / 2 for i in range(n) for j in range(i) if qualifies(i, j)]
    return float(np.mean(found))


@pytest.mark.parametrize("seed", range(3))
def test_components_by_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prompts, labelers = rng.integers(0, 12, 40), rng.integers(0, 4, 40)
    values = rng.normal(size=40) + 2 * rng.normal(size=12)[prompts] + 2 * rng.normal(size=4)[labelers]
    one_prompt = half_squares(values, lambda i, j: prompts[i] == prompts[j] and labelers[i] != labelers[j])
    one_labeler = half_squares(values, lambda i, j: prompts[i] != prompts[j] and labelers[i] == labelers[j])
    apart = half_squares(values, lambda i, j: prompts[i] != prompts[j] and labelers[i] != labelers[j])
    prompt, labeler = max(0.0, apart - one_prompt), max(0.0, apart - one_labeler)
    given = components(values + 1e6, prompts, [f"labeler {i}" for i in labelers])
    assert given == pytest.approx((prompt, labeler, max(0.0, apart - prompt - labeler)), rel=1e-6)


def test_components_that_cannot_be_told_apart() -> None:
    """One labeler a prompt: differences of prompts are the rest. One labeler in all: he has no part."""
    assert components([0.0, 4.0, 6.0], list("pqr"), list("aab")) == (0.0, 10.0 - 8.0, 8.0)
    assert components([0.0, 4.0], list("pq"), list("aa")) == (0.0, 0.0, 8.0)
    with pytest.raises(ValueError, match="single prompt"):
        components([0.0, 4.0], list("pp"), list("ab"))


@pytest.mark.parametrize("sizes", [(12, 4), (4, 12), (6, 6)])
@pytest.mark.parametrize("seed", range(3))
def test_two_way_is_the_analysis_of_variance_where_everybody_judges_everything(
    seed: int, sizes: tuple[int, int]
) -> None:
    """V = (MS_few + MS_other - MS_rest) / n, of which MS_few and MS_other - MS_rest have their way's freedom."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=sizes) + 2 * rng.normal(size=(sizes[0], 1)) + 2 * rng.normal(size=(1, sizes[1]))
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    n, freedom = table.size, (sizes[0] - 1, sizes[1] - 1)
    squares = ((rows - table.mean()) ** 2).sum() * sizes[1], ((columns - table.mean()) ** 2).sum() * sizes[0]
    means = squares[0] / freedom[0], squares[1] / freedom[1]
    rest = ((table - rows - columns + table.mean()) ** 2).sum() / (freedom[0] * freedom[1])
    few = 0 if sizes[0] <= sizes[1] else 1
    own = max(0.0, means[1 - few] - rest) / n
    variance = means[few] / n + own
    effective = variance**2 / ((means[few] / n) ** 2 / freedom[few] + own**2 / freedom[1 - few])
    prompts, labelers = np.indices(sizes).reshape(2, -1)
    given = two_way(table.ravel(), prompts, labelers)
    assert given.mean == pytest.approx(table.mean()) and given.n == n
    weighted = (
        means[few] / n * stats.t.ppf(0.975, freedom[few]) + own * stats.t.ppf(0.975, freedom[1 - few])
    ) / variance
    reach = (stats.t.ppf(0.975, effective) + weighted) / 2
    assert given.high - given.mean == pytest.approx(reach * math.sqrt(variance))
    assert given.mean - given.low == pytest.approx(given.high - given.mean)


def test_two_way_by_hand() -> None:
    """Two prompts by two labelers, values 0, 1 / 2, 5: labelers' means 1 and 3, prompts' 1/2 and 7/2, MS_rest 1.

    V = 9 / 4 + (4 - 1) / 4 = 3; freedom 3^2 / ((9 / 4)^2 + (3 / 4)^2) = 8 / 5 together and 1 each.
    """
    given = two_way([0.0, 1.0, 2.0, 5.0], list("ppqq"), list("abab"))
    half = (stats.t.ppf(0.975, 8 / 5) + T_975[1]) / 2 * math.sqrt(3)
    assert bounds(given) == pytest.approx((2 - half, 2 + half), rel=1e-4)


def test_what_few_clusters_hold_of_the_others_is_not_counted_twice() -> None:
    """Two labelers with prompts of their own, all of which the third judges too: by loops over cells."""
    rng = np.random.default_rng(5)
    prompts, labelers = np.repeat(np.arange(12), 2), np.array([0, 2, 1, 2] * 6)
    values = 3 * rng.normal(size=12)[prompts] + rng.normal(size=24)
    shares = np.bincount(labelers) / 24
    effective = 1 / (shares**2).sum()
    sums = np.bincount(labelers, weights=values - values.mean())
    few = effective / (effective - 1) * (sums**2).sum() / 24**2
    held = sum(
        (np.mean((labelers == one) & (prompts == other)) - shares[one] / 12) ** 2
        for one in range(3)
        for other in range(12)
    )
    own = components(values, prompts, labelers).prompt * (1 / 12 - effective / (effective - 1) * held)
    whole = (few + own) ** 2 / (few**2 / (effective - 1) + own**2 / 11)
    reach = (few * stats.t.ppf(0.975, effective - 1) + own * stats.t.ppf(0.975, 11)) / (few + own)
    given = two_way(values, prompts, labelers)
    half = (stats.t.ppf(0.975, whole) + reach) / 2 * math.sqrt(few + own)
    assert own > 0 and given.high - given.mean == pytest.approx(half)


def test_a_way_without_a_part_of_its_own_leaves_the_other() -> None:
    """Prompts have the same means, so the interval is that of two labelers, whose means are 1 and 2."""
    given = two_way([1.0, 2.0, 2.0, 1.0, 0.0, 3.0], list("ppqqrr"), list("ababab"))
    assert bounds(given) == bounds(mean_estimate([1.0, 2.0], [0, 1]))
    assert given.n == 6


def test_labelers_with_few_rows_count_less() -> None:
    """Shares 1/2, 1/4, 1/4 are 8/3 labelers: factor 8/5, freedom 5/3; residual sums by labeler are 2, -1 and -1."""
    given = mean_estimate([3.0, 3.0, 1.0, 1.0], list("aabc"))
    half = stats.t.ppf(0.975, 5 / 3) * math.sqrt(8 / 5 * 6 / 16)
    assert bounds(given) == pytest.approx((2 - half, 2 + half))


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
    half = (stats.t.ppf(0.975, 8 / 5) + T_975[1]) / 2 * math.sqrt(3)
    assert bounds(given) == pytest.approx((2 - half, 2 + half), rel=1e-3)
    assert given.n == 100_000


# --- rates, differences, proportions ------------------------------------------------------------------------------


def test_a_win_rate_is_where_the_score_test_does_not_refuse() -> None:
    """Its bounds r solve |mean - r| = t * sqrt(V * r (1 - r) / (mean (1 - mean))), with V and t of the two-way mean."""
    shares, prompts, labelers = [1.0, 0.5, 0.0, 1.0, 1.0, 1.0, 0.0, 0.5], list("ppqqrrss"), list("abcabcab")
    free = two_way(shares, prompts, labelers)
    given = win_rate(shares, prompts, labelers)
    assert (given.mean, given.n) == (5 / 8, 8)
    for bound in bounds(given):
        half = (free.high - free.mean) * math.sqrt(bound * (1 - bound) / (5 / 8 * 3 / 8))
        assert abs(given.mean - bound) == pytest.approx(half)


def test_a_rate_of_independent_rows_is_wilsons_with_students_t() -> None:
    """81 of 263: one trial less for the variance that is estimated, and t for the normal quantile."""
    given = win_rate([1.0] * 81 + [0.0] * 182, np.arange(263))
    assert bounds(given) == pytest.approx((0.2553, 0.3662), abs=1e-3)
    assert bounds(win_rate([1.0, 0.0], ["p"] * 2)) == (0.0, 1.0), "a single prompt bounds nothing"


def test_the_mean_of_a_scale_is_a_rate_of_its_length() -> None:
    prompts, labelers = list("ppqqrrss"), list("abcabcab")
    shares = win_rate([0.0, 1.0, 0.5, 1.0, 1.0, 0.5, 1.0, 0.5], prompts, labelers)
    given = bounded_mean([1.0, 7.0, 4.0, 7.0, 7.0, 4.0, 7.0, 4.0], (1.0, 7.0), prompts, labelers)
    assert given == pytest.approx(Estimate(1 + 6 * shares.mean, 1 + 6 * shares.low, 1 + 6 * shares.high, 8))
    assert 1 < given.low < given.high <= 7
    with pytest.raises(ValueError, match="from 0 to 1"):
        bounded_mean([8.0], (1.0, 7.0), ["p"], ["a"])


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
    half = (stats.t.ppf(0.975, 8 / 5) + T_975[1]) / 2 * math.sqrt(3)
    assert given.mean == 2 and bounds(given) == pytest.approx((2 - half, 2 + half), rel=1e-4)


def test_a_difference_of_rates_stays_within_its_bounds_and_is_never_certain() -> None:
    few = rate_difference([1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0], list("pqrs"))
    assert few == paired_difference([1.0, 1.0, 1.0, 0.0], [0.0] * 4, list("pqrs"))._replace(high=1.0)
    same = rate_difference([1.0] * 20, [1.0] * 20, np.arange(20))
    assert bounds(same) == pytest.approx((-0.1611, 0.1611), abs=1e-4), "Wilson's bound for 0 of 20"


@pytest.mark.parametrize(("rate", "prompts"), [(0.60, 200), (0.55, 780), (0.53, 2180)])
def test_what_a_study_can_detect(rate: float, prompts: int) -> None:
    """80 % power for these true win rates needs these numbers of independent prompts."""
    half = np.arange(prompts) % 2.0
    assert detected_by(win_rate(half, np.arange(prompts))) == pytest.approx(rate - 0.5, rel=0.02)


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
