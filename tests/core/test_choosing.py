"""Which prompts come next: shares that are kept, a fair part that only chance chooses, and uncertainty by margins."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutelage.core.choosing import Aims, Candidate, Chosen, Tally, choose, is_set_aside, place, uncertainty

USE_CASES = ("generation", "chat", "extract")
SHARES = {"generation": 60.0, "chat": 30.0, "extract": 10.0}
candidates = st.lists(
    st.builds(
        Candidate,
        st.integers(0, 10_000).map(str),
        st.sampled_from([*USE_CASES, "", "other"]),
        st.none() | st.floats(0, 1),
    ),
    max_size=60,
    unique_by=lambda one: one.id,
)
aims = st.builds(
    lambda random, rest, seed: Aims(random=random, uncertain=rest * (1 - random), shares=SHARES, seed=seed),
    st.floats(0.01, 1),
    st.floats(0, 1),
    st.integers(0, 50),
)


def many(count: int, use_case: str = "chat", seed: int = 0) -> list[Candidate]:
    rng = random.Random(seed)
    return [Candidate(f"{use_case}-{n}", use_case, rng.random()) for n in range(count)]


@given(candidates, st.integers(0, 80), aims)
def test_whoever_is_chosen_was_a_candidate_once_and_the_order_of_candidates_does_not_matter(
    some: list[Candidate], count: int, how: Aims
) -> None:
    chosen = choose(some, count, how, Tally())
    assert len(chosen) == min(count, len(some))
    assert len({one.candidate.id for one in chosen}) == len(chosen)
    assert {one.candidate for one in chosen} <= set(some)
    assert choose(list(reversed(some)), count, how, Tally()) == chosen


@given(candidates, st.integers(0, 80), aims)
def test_what_is_set_aside_is_chosen_by_chance_alone(some: list[Candidate], count: int, how: Aims) -> None:
    for one in choose(some, count, how, Tally()):
        assert (one.reason == "random") == is_set_aside(one.candidate.id, how)
        assert one.reason != "uncertain" or one.candidate.uncertainty


@given(candidates, aims, st.integers(1, 30), st.integers(0, 30))
def test_choosing_one_by_one_is_choosing_at_once(some: list[Candidate], how: Aims, first: int, second: int) -> None:
    at_once = choose(some, first + second, how, Tally())
    before = choose(some, first, how, Tally())
    left = [one for one in some if one not in {chosen.candidate for chosen in before}]
    assert before + choose(left, second, how, tally(before)) == at_once


def tally(chosen: list[Chosen]) -> Tally:
    return Tally(
        reasons=Counter(one.reason for one in chosen), use_cases=Counter(one.candidate.use_case for one in chosen)
    )


@pytest.mark.parametrize("count", [1, 7, 50, 100])
def test_shares_of_rules_are_kept_and_rounded_up_where_they_must_not_be_missed(count: int) -> None:
    how = Aims(random=0.2, uncertain=0.5, shares=SHARES, seed=3)
    found = tally(choose(many(1000), count, how, Tally())).reasons
    assert found["random"] == math.ceil(0.2 * count)
    assert 0 <= found.get("uncertain", 0) - 0.5 * count < 1 or count == 1
    assert sum(found.values()) == count


def test_quotas_fill_what_the_other_rules_left_lacking() -> None:
    how = Aims(random=0.1, uncertain=0.0, shares=SHARES, seed=1)
    everyone = [one for use_case in (*USE_CASES, "other", "") for one in many(400, use_case)]
    found = tally(choose(everyone, 200, how, Tally())).use_cases
    # 20 of the 200 are of any use case, by chance; the quota makes up for them but where they are too many already.
    for use_case, share in SHARES.items():
        assert abs(found[use_case] - 2 * share) <= 12
    assert found["other"] + found[""] == 200 - sum(found[use_case] for use_case in USE_CASES) <= 20


def test_a_use_case_without_a_share_comes_when_nothing_else_is_left() -> None:
    how = Aims(random=0.001, uncertain=0.0, shares=SHARES)
    some = [one for one in [*many(5, "other"), *many(5, "extract")] if not is_set_aside(one.id, how)]
    assert [one.candidate.use_case for one in choose(some, 10, how, Tally())] == ["extract"] * 5 + ["other"] * 5


def test_the_most_uncertain_are_chosen_and_the_unknown_are_not_taken_for_certain() -> None:
    how = Aims(random=0.001, uncertain=0.999, shares=SHARES)
    some = [Candidate("a", "chat", 0.2), Candidate("b", "chat", 0.9), Candidate("c", "chat"), Candidate("d", "chat", 0)]
    assert not any(is_set_aside(one.id, how) for one in some)
    chosen = choose(some, 4, how, Tally())
    assert [(one.candidate.id, one.reason) for one in chosen[:2]] == [("b", "uncertain"), ("a", "uncertain")]
    assert {one.reason for one in chosen[2:]} == {"quota"}


def test_the_random_part_is_a_fair_sample_although_uncertain_prompts_are_preferred() -> None:
    """Uncertainty goes with use case here; the share of the uncertain use case among the random ones stays a half."""
    how = Aims(random=0.3, uncertain=0.7, shares=SHARES, seed=11)
    everyone = [one._replace(uncertainty=0.9) for one in many(2000, "chat")]
    everyone += [one._replace(uncertainty=0.1) for one in many(2000, "extract")]
    chosen = choose(everyone, 1000, how, Tally())
    by_chance = Counter(one.candidate.use_case for one in chosen if one.reason == "random")
    others = Counter(one.candidate.use_case for one in chosen if one.reason != "random")
    # 300 draws of a half: four standard errors are 35.
    assert abs(by_chance["chat"] - 150) < 35
    assert others == {"chat": 700}


def test_places_are_uniform_and_independent_of_the_purpose() -> None:
    ids = [f"prompt {n}" for n in range(4000)]
    order, aside = ([place(purpose, 7, id) for id in ids] for purpose in ("order", "aside"))
    for values in (order, aside):
        assert 0 <= min(values) and max(values) < 1
        # Kolmogorov and Smirnov's distance to the uniform; 0.031 is exceeded once in a thousand.
        assert max(abs(value - n / 4000) for n, value in enumerate(sorted(values))) < 0.031
    mean = sum(a * b for a, b in zip(order, aside, strict=True)) / 4000
    assert abs(mean - 0.25) < 4 * 7 / 36 / math.sqrt(4000)
    assert place("order", 8, ids[0]) != order[0]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([], 0.0), ([3.0], 0.0), ([1.0, 1.0, -4.0], 1.0), ([0.0, math.log(3)], 0.5), ([-1000.0, 1000.0], 0.0)],
)
def test_uncertainty_by_hand(scores: list[float], expected: float) -> None:
    """With P(best beats second) = 3/4 the chance that the second is better is 1/4, and twice that is one half."""
    assert uncertainty(scores) == pytest.approx(expected)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=9))
def test_uncertainty_is_twice_the_chance_that_the_second_best_wins(scores: list[float]) -> None:
    *_, second, best = sorted(scores)
    wins = math.exp(second) / (math.exp(second) + math.exp(best))
    assert uncertainty(scores) == pytest.approx(2 * wins, abs=1e-12)
