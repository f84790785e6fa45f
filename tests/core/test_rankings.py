"""Rankings: every order with ties of up to five items, by brute force."""

from collections.abc import Sequence
from itertools import permutations, product

import pytest
from scipy.stats import rankdata

from tutelage.core.rankings import groups, mean_rank_order, pairs, preferences, ranks, validate

IDS = "abcde"


def orders(k: int) -> list[tuple[int, ...]]:
    """List every order with ties of k items as ranks without gaps."""
    return [order for order in product(range(k), repeat=k) if set(order) == set(range(max(order) + 1))]


EVERY = [order for k in range(1, 6) for order in orders(k)]


def test_there_are_as_many_orders_as_fubini_counted() -> None:
    assert [len(orders(k)) for k in range(1, 6)] == [1, 3, 13, 75, 541]


def test_pairs_of_every_order() -> None:
    for order in EVERY:
        k = range(len(order))
        assert sorted(pairs(order)) == [(i, j) for i in k for j in k if order[i] < order[j]]


def test_orders_without_ties_give_every_pair_once() -> None:
    for k in range(1, 6):
        for order in permutations(range(k)):
            assert len(pairs(order)) == k * (k - 1) // 2
            assert len({frozenset(pair) for pair in pairs(order)}) == k * (k - 1) // 2


def test_pairs_by_hand() -> None:
    assert pairs([1, 0, 1]) == [(1, 0), (1, 2)]
    assert pairs([0, 0, 0]) == pairs([]) == []


def test_groups_of_every_order_hold_the_items_of_each_rank() -> None:
    for order in EVERY:
        items = IDS[: len(order)]
        made = groups(order, items)
        assert len(made) == len(set(order))
        for rank, group in enumerate(made):
            assert list(group) == [item for item, place in zip(items, order, strict=True) if place == rank]
        validate(made, items)


def test_groups_and_ranks_are_inverse_in_any_order_of_items() -> None:
    for order in EVERY:
        items = IDS[: len(order)]
        assert ranks(groups(order, items), items) == order
        assert ranks(groups(order, items), items[::-1]) == order[::-1]


def test_gaps_between_ranks_mean_nothing() -> None:
    assert groups([7, 2, 7], "abc") == (("b",), ("a", "c"))


def test_preferences_of_every_order() -> None:
    for order in EVERY:
        items = IDS[: len(order)]
        told = preferences(groups(order, items))
        expected = {}
        for i, a in enumerate(items):
            for j, b in enumerate(items):
                if a < b:
                    expected[a, b] = 1.0 if order[i] < order[j] else 0.0 if order[i] > order[j] else 0.5
        assert told == expected


def test_preferences_do_not_depend_on_how_groups_are_written() -> None:
    assert (
        preferences([("c", "a"), ("b",)])
        == preferences([("a", "c"), ("b",)])
        == {
            ("a", "b"): 1.0,
            ("a", "c"): 0.5,
            ("b", "c"): 0.0,
        }
    )


def test_the_mean_order_of_one_ranking_is_itself() -> None:
    for order in EVERY:
        made = groups(order, IDS[: len(order)])
        assert mean_rank_order([made]) == mean_rank_order([made] * 3) == made


def test_the_mean_order_of_every_two_rankings_agrees_with_scipys_midranks() -> None:
    midranks = {order: rankdata(order, method="average") for order in orders(4)}
    for first, second in product(midranks, repeat=2):
        totals = (midranks[first] + midranks[second]).tolist()
        expected = tuple(
            tuple(item for item, total in zip("abcd", totals, strict=True) if total == place)
            for place in sorted(set(totals))
        )
        assert mean_rank_order([groups(first, "abcd"), groups(second, "abcd")]) == expected


def test_the_mean_order_by_hand() -> None:
    """b is first and second, a is second and first, c is always last: a and b tie."""
    assert mean_rank_order([("a", "b", "c"), ("b", "a", "c")]) == (("a", "b"), ("c",))
    assert mean_rank_order([]) == ()


def test_rankings_of_different_items_have_no_mean() -> None:
    with pytest.raises(ValueError, match="different completions"):
        mean_rank_order([[("a",), ("b",)], [("a",)]])


@pytest.mark.parametrize(
    ("made", "presented", "sentence"),
    [
        ([("a",)], "ab", "'b' was presented but is not ranked"),
        ([("a",), ("b", "c")], "ab", "'c' is ranked but was not presented"),
        ([("a",), ("b", "a")], "ab", "'a' is ranked twice"),
        ([("a", "a"), ("b",)], "ab", "'a' is ranked twice"),
        ([("a",), ("b",)], "aba", "'a' was presented twice"),
        ([("a",), (), ("b",)], "ab", "empty group"),
        ([], "a", "'a' was presented but is not ranked"),
    ],
)
def test_a_ranking_covers_exactly_what_was_presented(
    made: Sequence[Sequence[str]], presented: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        validate(made, presented)


def test_every_order_written_in_any_way_is_valid() -> None:
    for order in orders(4):
        made = groups(order, "abcd")
        validate([tuple(reversed(group)) for group in made], "dbca")
