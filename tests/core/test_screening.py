"""Screening: by hand, against scikit-learn's accuracy and scipy's tau, and with exact fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau
from sklearn.metrics import accuracy_score

from tutelage.core import screening
from tutelage.core.screening import Outcome, Share


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_agreement_on_flags_is_accuracy(pairs: list[tuple[bool, bool]]) -> None:
    answers = {f"i{n}": answer for n, (answer, _) in enumerate(pairs)}
    keys = {f"i{n}": key for n, (_, key) in enumerate(pairs)}
    expected = accuracy_score([key for _, key in pairs], [answer for answer, _ in pairs])
    assert screening.flag_agreement(answers, keys).value == pytest.approx(expected)


def test_agreement_on_flags_by_hand() -> None:
    keys = {"a": True, "b": False, "c": True, "d": True}
    assert screening.flag_agreement({"a": True, "b": True, "c": True, "d": True}, keys) == Share(3.0, 4)


@pytest.mark.parametrize("answer", list(permutations("abcd")))
def test_without_ties_ranking_agreement_is_tau_on_another_scale(answer: tuple[str, ...]) -> None:
    share = screening.ranking_agreement({"p": [[item] for item in answer]}, {"p": [["a"], ["b"], ["c"], ["d"]]})
    tau = kendalltau([answer.index(item) for item in "abcd"], range(4)).statistic
    assert share.of == 6
    assert share.value == pytest.approx((tau + 1) / 2)


def test_ranking_agreement_by_hand_over_all_pairs_of_all_prompts() -> None:
    keys = {"p": [["a"], ["b", "c"]], "q": [["x"], ["y"]]}
    # p: a over b as in the key (1), a and c tied here only (1/2), b and c tied in the key only (1/2). q: turned round.
    answers = {"p": [["a", "c"], ["b"]], "q": [["y"], ["x"]]}
    assert screening.ranking_agreement(answers, keys) == Share(2.0, 4)


def test_who_ties_everything_gets_half_of_a_key_without_ties() -> None:
    key = [["a"], ["b"], ["c"], ["d"]]
    assert screening.ranking_agreement({"p": [["a", "b", "c", "d"]]}, {"p": key}).value == 0.5


@given(st.lists(st.lists(st.integers(1, 7), min_size=2, max_size=4), min_size=1, max_size=6))
def test_the_score_is_the_mean_of_each_demonstrations_mean(scores: list[list[int]]) -> None:
    exact = sum((Fraction(sum(given), len(given)) for given in scores), Fraction(0)) / len(scores)
    found = screening.demonstration_score({f"d{n}": given for n, given in enumerate(scores)})
    assert found == pytest.approx(float(exact))


def test_demonstrations_weigh_alike_whoever_scored_them() -> None:
    assert screening.demonstration_score({"a": [7, 7, 7, 7], "b": [3, 5]}) == 5.5


@pytest.mark.parametrize("scores", [{}, {"a": [7]}, {"a": [7, 7], "b": []}])
def test_a_score_is_missing_until_every_demonstration_has_two(scores: dict[str, list[int]]) -> None:
    assert screening.demonstration_score(scores) is None


@pytest.mark.parametrize("score", [0, 8, 3.5])
def test_a_score_off_the_scale_is_refused(score: Any) -> None:
    with pytest.raises(ValueError, match="from 1 to 7"):
        screening.demonstration_score({"a": [score, 5]})


def test_the_cut_offs_are_the_papers_and_are_reached_from_below() -> None:
    found = screening.outcomes(Share(18, 24), Share(35.5, 48), 6.0)
    assert found == (
        Outcome("flags", 0.75, 0.75),
        Outcome("ranking", 35.5 / 48, 0.75),
        Outcome("demonstration", 6.0, 6.0),
    )
    assert [outcome.is_met for outcome in found] == [True, False, True]


def test_what_is_missing_is_neither_met_nor_missed() -> None:
    assert [outcome.is_met for outcome in screening.outcomes(None, None, None)] == [None, None, None]


@pytest.mark.parametrize(
    "answers, keys, told",
    [
        ({}, {}, "no key"),
        ({"a": True}, {"a": True, "b": True}, "b has no answer"),
        ({"a": True, "c": True}, {"a": True}, "c has no key"),
    ],
)
def test_answers_and_keys_must_match(answers: dict[str, bool], keys: dict[str, bool], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        screening.flag_agreement(answers, keys)


def test_an_order_must_place_every_output_once() -> None:
    with pytest.raises(ValueError, match="'b' was presented but is not ranked"):
        screening.ranking_agreement({"p": [["a"]]}, {"p": [["a"], ["b"]]})
