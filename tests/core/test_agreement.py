"""Agreement: by hand, by brute force over every two orders, and against Gwet's published examples."""

import math
from collections.abc import Sequence
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from tutelage.core.agreement import (
    Tally,
    agreement,
    between,
    compare,
    gwet_ac1,
    kendall_tau,
    krippendorff_alpha,
    pairwise,
    within,
)
from tutelage.core.dyads import Sharing
from tutelage.core.statistics import Resampling, win_rate

Order = tuple[int, ...]


def how(seed: int = 0, resamples: int = 200) -> Resampling:
    return Resampling(np.random.default_rng(seed), resamples)


def orders(k: int) -> list[Order]:
    return [order for order in product(range(k), repeat=k) if set(order) == set(range(max(order) + 1))]


def written(order: Order) -> list[list[str]]:
    """Write an order, given as ranks, as groups of letters."""
    return [["abcde"[i] for i, rank in enumerate(order) if rank == place] for place in sorted(set(order))]


def sign(x: int) -> int:
    return (x > 0) - (x < 0)


def counted_by_hand(first: Order, second: Order) -> Tally:
    """Count by the signs of rank differences: alike when both signs are equal, half alike when only one is 0."""
    signs = [(sign(first[i] - first[j]), sign(second[i] - second[j])) for i, j in combinations(range(len(first)), 2)]
    untied = [pair for pair in signs if 0 not in pair]
    half = sum(0.5 for x, y in signs if x != y and 0 in (x, y))
    exact = sum(x == y for x, y in signs)
    return Tally(len(signs), len(untied), sum(x == y for x, y in untied), exact + half, exact)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_every_two_orders_with_ties(k: int) -> None:
    for first, second in product(orders(k), repeat=2):
        assert compare(written(first), written(second)) == counted_by_hand(first, second)


def test_every_order_of_five_against_a_few() -> None:
    for first in orders(5):
        for second in [(0, 1, 2, 3, 4), (0, 0, 1, 1, 2), (0, 0, 0, 0, 0)]:
            assert compare(written(first), written(second)) == counted_by_hand(first, second)


def test_one_comparison_by_hand() -> None:
    """Pairs ab, ac, bc: agreed; a tie for one of them; opposite."""
    assert compare([["a"], ["b"], ["c"]], [["a", "c"], ["b"]]) == Tally(pairs=3, untied=2, same=1, credit=1.5, exact=1)


def test_only_pairs_that_both_ranked_count() -> None:
    assert compare([["a"], ["b"], ["c"]], [["x"], ["b"], ["c"]]) == Tally(1, 1, 1, 1.0, 1)
    assert compare([["a"], ["b"]], [["c"], ["d"]]) == Tally()


def test_groups_of_labelers() -> None:
    same, other, tie = [["a"], ["b"]], [["b"], ["a"]], [["a", "b"]]
    assert within([same, same, other]) == Tally(pairs=3, untied=3, same=1, credit=1.0, exact=1)
    assert between([same, other], [same, tie]) == Tally(pairs=4, untied=2, same=1, credit=2.0, exact=1)
    assert within([same]) == between([same], []) == Tally()


def test_the_three_readings_by_hand() -> None:
    given = agreement([Tally(3, 2, 1, 1.5, 1), Tally(1, 1, 1, 1.0, 1)], how())
    assert given.ties_excluded is not None and given.tie_half is not None and given.exact is not None
    assert given.ties_excluded[::3] == pytest.approx((2 / 3, 3))
    assert given.tie_half[::3] == pytest.approx((2.5 / 4, 4))
    assert given.exact[::3] == pytest.approx((2 / 4, 4))


def test_what_nobody_compared_has_no_agreement() -> None:
    assert agreement([], how()) == agreement([Tally()], how()) == (None, None, None)
    only_ties = agreement([Tally(pairs=1, untied=0, same=0, credit=1.0, exact=1)] * 2, how())
    assert only_ties.ties_excluded is None and only_ties.exact is not None


def test_one_prompt_cannot_bound_agreement() -> None:
    given = agreement([Tally(3, 3, 2, 2.0, 2)], how()).exact
    assert given is not None and (given.low, given.high) == (-math.inf, math.inf)


def test_the_interval_is_the_same_for_the_same_generator_and_wider_when_prompts_differ() -> None:
    alike, unlike = [Tally(10, 10, 7, 7.0, 7)] * 30, [Tally(10, 10, 10 * (i % 2), 10.0 * (i % 2), 0) for i in range(30)]
    assert agreement(unlike, how()) == agreement(unlike, how())
    first, second = agreement(alike, how()).ties_excluded, agreement(unlike, how()).ties_excluded
    assert first is not None and second is not None
    assert first.low == first.high == 0.7
    assert second.low < 0.4 and second.high > 0.6


def test_the_bootstrap_interval_covers() -> None:
    """120 experiments of 60 prompts whose six pairs agree together; 95 % +- 4 standard errors of 2 %."""
    rng, covered = np.random.default_rng(7), 0
    for _ in range(120):
        chances = rng.beta(2, 1, size=60)  # mean 2/3
        tallies = [Tally(6, 6, same, float(same), same) for same in rng.binomial(6, chances).tolist()]
        given = agreement(tallies, Resampling(rng, 200)).ties_excluded
        assert given is not None
        covered += given.low <= 2 / 3 <= given.high
    assert 0.87 <= covered / 120


# --- pairs of labelers --------------------------------------------------------------------------------------------


def test_pairwise_agreement_counts_as_the_tallies_say() -> None:
    """The three readings of two prompts by hand; one labeler in common."""
    given = pairwise([Tally(3, 2, 1, 1.5, 1), Tally(1, 1, 1, 1.0, 1)], Sharing(["p", "q"], ["a", "a"], ["b", "c"]))
    assert given.ties_excluded is not None and given.tie_half is not None and given.exact is not None
    assert given.ties_excluded[::3] == pytest.approx((2 / 3, 3))
    assert given.tie_half[::3] == pytest.approx((2.5 / 4, 4))
    assert given.exact[::3] == pytest.approx((2 / 4, 4))
    assert pairwise([], Sharing([], [], [])) == (None, None, None)


def test_one_labeler_against_the_others_is_a_rate_for_new_prompts_and_new_others() -> None:
    same, prompts, others = [1, 0, 1, 1, 0, 1, 1, 1], list("ppqqrrss"), list("ababcbac")
    given = pairwise([Tally(1, 1, one, float(one), one) for one in same], Sharing(prompts, others)).exact
    assert given == pytest.approx(win_rate(same, prompts, others))


# --- Kendall's tau-b ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3, 4])
def test_tau_of_every_two_orders_agrees_with_scipy(k: int) -> None:
    for first, second in product(orders(k), repeat=2):
        given = kendall_tau(written(first), written(second))
        if len(set(first)) == 1 or len(set(second)) == 1:
            assert given is None
        else:
            assert given == pytest.approx(stats.kendalltau(first, second).statistic)


def test_tau_by_hand() -> None:
    """Four items, one swap and one tie: 4 of 6 pairs alike, one opposite, one tied; 3 / sqrt(6 * 5)."""
    assert kendall_tau([["a"], ["b"], ["c"], ["d"]], [["b"], ["a"], ["c", "d"]]) == pytest.approx(3 / math.sqrt(30))


# --- Krippendorff's alpha -----------------------------------------------------------------------------------------

Units = dict[tuple[str, str], dict[str, int]]


def distance(metric: str, c: int, k: int, common: dict[int, int]) -> float:
    if metric == "nominal":
        return float(c != k)
    if metric == "interval":
        return float((c - k) ** 2)
    low, high = min(c, k), max(c, k)
    between_them = sum(count for value, count in common.items() if low <= value <= high)
    return (between_them - (common[c] + common[k]) / 2) ** 2


def alpha_by_definition(units: Units, metric: str) -> float:
    """1 - (mean difference of values within things) / (mean difference of all values), every pair in both orders."""
    paired = {unit: list(given.values()) for unit, given in units.items() if len(given) > 1}
    everything = [value for given in paired.values() for value in given]
    common, n = {value: everything.count(value) for value in everything}, len(everything)
    observed = sum(
        distance(metric, a, b, common) / (len(given) - 1)
        for given in paired.values()
        for i, a in enumerate(given)
        for j, b in enumerate(given)
        if i != j
    )
    expected = sum(
        distance(metric, a, b, common) for i, a in enumerate(everything) for j, b in enumerate(everything) if i != j
    )
    return 1 - (observed / n) / (expected / (n * (n - 1)))


def observed_by_four() -> Units:
    return {
        (f"unit {n}", ""): {"ABCD"[i]: value for i, value in enumerate(row) if value != MISSING}
        for n, row in enumerate(FOUR_RATERS)
    }


@pytest.mark.parametrize(("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_published_values_of_alpha(metric: str, published: float) -> None:
    """Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C-E: four observers, twelve units."""
    given = krippendorff_alpha(observed_by_four(), metric)  # type: ignore[arg-type]
    assert given is not None
    assert given.mean == pytest.approx(published, abs=5e-4)
    assert given.n == 11 and -1 <= given.low < given.mean < given.high <= 1
    assert alpha_by_definition(observed_by_four(), metric) == pytest.approx(given.mean)


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval"])
def test_alpha_by_its_definition(metric: str) -> None:
    rng = np.random.default_rng(4)
    units: Units = {}
    for n in range(30):
        who = rng.choice(6, size=rng.integers(1, 5), replace=False)
        units[f"p{n // 3}", str(n)] = {f"l{one}": int(rng.integers(-2, 4)) for one in who}
    given = krippendorff_alpha(units, metric)  # type: ignore[arg-type]
    assert given is not None and given.mean == pytest.approx(alpha_by_definition(units, metric))


def test_alpha_of_full_agreement_is_one_and_of_no_information_none() -> None:
    full = krippendorff_alpha({("p", "x"): {"a": 1, "b": 1}, ("q", "x"): {"a": 7, "b": 7}}, "ordinal")
    assert full is not None and (full.mean, full.n) == (1.0, 2)
    assert krippendorff_alpha({("p", "x"): {"a": 4, "b": 4}}, "ordinal") is None
    assert krippendorff_alpha({("p", "x"): {"a": 4}}, "ordinal") is None
    assert krippendorff_alpha({}, "ordinal") is None


def test_the_interval_of_alpha_covers() -> None:
    """60 experiments of 40 prompts by 2 of 8 labelers who see the truth with noise; truth: 10,000 prompts at once."""
    rng = np.random.default_rng(9)

    def drawn(prompts: int) -> Units:
        truth = rng.integers(1, 8, size=prompts)
        seen: Units = {}
        for n in range(prompts):
            a, b = rng.choice(8, 2, replace=False)
            noisy = np.clip(truth[n] + rng.integers(-2, 3, size=2), 1, 7)
            seen[f"p{n}", "x"] = {f"l{a}": int(noisy[0]), f"l{b}": int(noisy[1])}
        return seen

    large = krippendorff_alpha(drawn(10_000), "ordinal")
    assert large is not None and large.high - large.low < 0.1
    found = [krippendorff_alpha(drawn(40), "ordinal") for _ in range(60)]
    assert sum(one is not None and one.low <= large.mean <= one.high for one in found) >= 51


# --- Gwet's AC1 ---------------------------------------------------------------------------------------------------

MISSING = 0
#: Four raters, 12 units, 5 categories, answers missing: Gwet, Handbook of Inter-Rater Reliability (2014), p. 120.
FOUR_RATERS = [
    (1, 1, MISSING, 1),
    (2, 2, 3, 2),
    (3, 3, 3, 3),
    (3, 3, 3, 3),
    (2, 2, 2, 2),
    (1, 2, 3, 4),
    (4, 4, 4, 4),
    (1, 1, 2, 1),
    (2, 2, 2, 2),
    (MISSING, 5, 5, 5),
    (MISSING, MISSING, 1, 1),
    (MISSING, MISSING, 3, MISSING),
]
#: Two abstractors, 100 records: rows and columns are ectopic, abnormal and normal intrauterine pregnancy (same book).
ABSTRACTORS = [[13, 0, 0], [0, 20, 7], [0, 4, 56]]


def from_table(table: Sequence[Sequence[int]]) -> list[list[int]]:
    """Spread a contingency table of two raters into one row of category counts per item."""
    size = range(len(table))
    return [[(k == i) + (k == j) for k in size] for i in size for j in size for _ in range(table[i][j])]


@pytest.mark.parametrize(
    ("counts", "published", "items"),
    [
        ([[row.count(k) for k in range(1, 6)] for row in FOUR_RATERS], 0.77544, 11),
        (from_table(ABSTRACTORS), 0.8493305, 100),
        (from_table([[118, 5], [2, 0]]), 0.9408, 125),  # Gwet 2008: agreement 94 %, kappa -0.02
    ],
)
def test_published_values_of_ac1(counts: list[list[int]], published: float, items: int) -> None:
    given = gwet_ac1(counts, how())
    assert given is not None
    assert given.mean == pytest.approx(published, abs=5e-5)
    assert given.n == items
    assert given.low < given.mean < given.high <= 1


def test_ac1_of_two_raters_by_the_formula_for_flags() -> None:
    """Yes/no by two raters: p_e = 2 pi (1 - pi) with pi the mean share of yes."""
    yes_yes, split, no_no = 30, 10, 60
    observed, share = (yes_yes + no_no) / 100, (2 * yes_yes + split) / 200
    chance = 2 * share * (1 - share)
    given = gwet_ac1([[2, 0]] * yes_yes + [[1, 1]] * split + [[0, 2]] * no_no, how())
    assert given is not None and given.mean == pytest.approx((observed - chance) / (1 - chance))


def test_ac1_of_full_agreement_is_one_and_of_no_information_none() -> None:
    full = gwet_ac1([[3, 0], [0, 2], [2, 0]], how())
    assert full is not None and full.mean == 1.0
    assert gwet_ac1([[1, 0], [0, 1]], how()) is None
    assert gwet_ac1([[0, 0]], how()) is None


def test_items_without_answers_do_not_change_ac1() -> None:
    counts = from_table(ABSTRACTORS)
    given, padded = gwet_ac1(counts, how()), gwet_ac1(counts + [[0, 0, 0]] * 40, how())
    assert given is not None and padded is not None
    assert padded[::3] == pytest.approx((given.mean, given.n))


def test_ac1_draws_whole_prompts() -> None:
    """Each item five times over tells no more than once: by prompt the interval stays, by item it shrinks."""
    once = from_table([[30, 6], [4, 10]])
    counts, prompts = once * 5, list(range(50)) * 5
    by_prompt, by_item, original = gwet_ac1(counts, how(), prompts), gwet_ac1(counts, how()), gwet_ac1(once, how())
    assert by_prompt is not None and by_item is not None and original is not None
    assert by_prompt.mean == pytest.approx(original.mean)
    assert (by_prompt.low, by_prompt.high) == pytest.approx((original.low, original.high))
    assert by_item.high - by_item.low < 0.6 * (original.high - original.low)


@pytest.mark.parametrize("counts", [[[1], [2]], [1, 2, 3]])
def test_ac1_needs_two_categories(counts: list[object]) -> None:
    with pytest.raises(ValueError, match="two or more categories"):
        gwet_ac1(counts, how())  # type: ignore[arg-type]
