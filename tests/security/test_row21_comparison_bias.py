"""Row 21: in a comparison nobody knows what stands on which side, chance alone decides it, and each votes once."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from scipy.stats import binomtest

from tutelage.serve.pages import pairs, tally
from tutelage.store import Store, votes

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

ARMS = ("base", "sft", "ppo")


def test_chance_alone_draws_arms_and_sides(store: Store) -> None:
    """6,000 draws of the real source: every one of the six ordered pairs as often as the others.

    A fair source fails this once in more than a million runs: six two-sided binomial tests at 1e-7.
    """
    chance = random.SystemRandom()
    drawn = Counter(pairs.draw(ARMS, (), chance) for _ in range(6000))
    assert set(drawn) == {(a, b) for a in ARMS for b in ARMS if a != b}
    for number in drawn.values():
        assert binomtest(number, 6000, 1 / 6).pvalue > 1e-7


def test_what_was_voted_on_is_not_drawn_again(store: Store) -> None:
    chance = random.Random(1)
    done = {frozenset({"base", "sft"}), frozenset({"base", "ppo"})}
    assert {pairs.draw(ARMS, done, chance) for _ in range(50)} == {("sft", "ppo"), ("ppo", "sft")}
    assert pairs.draw(ARMS, done | {frozenset({"sft", "ppo"})}, chance) is None
    assert pairs.draw(("base",), (), chance) is None


def test_a_favoured_side_is_seen_in_the_tally(store: Store) -> None:
    """Eight of ten votes for the left, whatever stood there: 80 %, and by hand for each arm what it won.

    Wilson's interval for 8 of 10 is [0.490, 0.943]; few voters make it wider.
    """
    from tests.store.test_votes import cast, comparison, swapped

    for number in range(10):
        about = comparison(store, f"cmp-{number}", prompt=f"prompt {number}", voter=f"voter {number}")
        if number % 2:
            about = comparison(store, f"swp-{number}", prompt=f"other {number}", **swapped(about), voter=about.voter)
        cast(store, about, "left" if number < 8 else "right")
    counted = tally.count(votes.counted(store))
    assert counted.left is not None and counted.left.mean == pytest.approx(0.8)
    assert counted.left.low < 0.490 and counted.left.high > 0.943
    assert (counted.votes, counted.people, counted.usable) == (10, 10, 10)
    [pair] = counted.pairs
    assert (pair.first.arm, pair.wins, pair.losses, pair.ties, pair.both_bad) == ("base", 5, 5, 0, 0)
    assert pair.rate.mean == pytest.approx(0.5)
