"""Who calls the API: both firms, some who withdraw, nothing held out, and personal data for intake to find."""

from __future__ import annotations

from collections import Counter

import pytest

from tutelage.village.callers import FIRMS, Call, make_calls
from tutelage.village.prompts import mentions_heldout
from tutelage.village.world import World, make_world


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(3)


@pytest.fixture(scope="module")
def calls(world: World) -> list[Call]:
    return make_calls(world, 7, 600)


def test_the_same_seed_makes_the_same_calls(world: World) -> None:
    assert make_calls(world, 1, 40) == make_calls(world, 1, 40)
    assert {one.text for one in make_calls(world, 1, 40)} != {one.text for one in make_calls(world, 2, 40)}


def test_both_firms_have_customers_and_some_of_those_who_agree_withdraw(calls: list[Call]) -> None:
    callers = {one.caller for one in calls}
    assert len({caller.name for caller in callers}) == len(callers)
    of_firm = Counter(caller.firm for caller in callers)
    assert set(of_firm) == set(FIRMS) and of_firm["Village bakery"] == pytest.approx(3 * of_firm["Village mill"], abs=3)
    gone = [caller for caller in callers if caller.withdraws]
    assert 0 < len(gone) < 0.15 * len(callers) and {caller.firm for caller in gone} == {"Village bakery"}
    assert 4 < len(calls) / len(callers) < 8
    # Few callers have all kinds, too.
    few = {one.caller for one in make_calls(world=make_world(3), seed=1, count=60)}
    assert {caller.firm for caller in few} == set(FIRMS) and any(caller.withdraws for caller in few)


def test_nothing_held_out_is_asked(world: World, calls: list[Call]) -> None:
    assert not [one.text for one in calls if mentions_heldout(one.text, world)]
    heldout = [one.text for one in calls[:50]]
    left = {one.text for one in make_calls(world, 7, 600, heldout)}
    assert left and not left & set(heldout)


def test_intake_has_work(calls: list[Call]) -> None:
    texts = [one.text for one in calls]
    assert len(texts) - len(set(texts)) == pytest.approx(0.04 * 600, abs=3)
    assert 5 < sum("@" in text or "+44" in text for text in texts) < 40
