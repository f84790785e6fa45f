"""Out-of-fold accuracy beside a length rule, on a case that can be counted by hand."""

import math

import pytest
from scipy import stats

from tutelage.evaluate.folds import FoldPair, report


def pair(fold: int, group: str, scores: tuple[float, float], characters: tuple[int, int], **changes: str) -> FoldPair:
    told = {"row": "r", "conversation": group} | changes
    return FoldPair(fold=fold, group=group, winner=0, loser=1, scores=scores, characters=characters, **told)


#: Model right, wrong, tied, right; "longer wins" right, right, tied, wrong.
PAIRS = [
    pair(1, "a", (2.0, 1.0), (9, 5)),
    pair(1, "b", (1.0, 2.0), (9, 5)),
    pair(2, "c", (1.0, 1.0), (5, 5)),
    pair(2, "c", (0.5, 0.0), (4, 5)),
]


def test_shares_differences_and_folds_by_hand() -> None:
    found = report(PAIRS, "longer", "conversation")
    assert (found.model.mean, found.rule.mean, found.difference.mean) == (0.625, 0.625, 0.0)
    assert (found.groups, found.model.n) == (3, 4)
    assert [(one.fold, one.groups, one.pairs, one.model, one.rule) for one in found.folds] == [
        (1, 2, 2, 0.5, 1.0),
        (2, 1, 2, 0.75, 0.25),
    ]
    # Differences 0, -1, 0 and 1 in groups {0}, {-1}, {0, 1}, which are 16 / (1 + 1 + 4) = 8/3 alike ones:
    # V = 8/5 (0 + 1 + 1) / 16 with 5/3 degrees of freedom.
    error = math.sqrt(8 / 5 * 2 / 16)
    assert found.difference.high == pytest.approx(stats.t.ppf(0.975, 5 / 3) * error)
    assert found.detectable == pytest.approx((stats.t.ppf(0.975, 5 / 3) + stats.t.ppf(0.8, 5 / 3)) * error)


def test_the_other_rule_is_right_where_this_one_is_wrong() -> None:
    longer, shorter = (report(PAIRS, rule, "conversation") for rule in ("longer", "shorter"))
    assert shorter.rule.mean == 1 - longer.rule.mean
    assert shorter.difference.mean == pytest.approx(longer.difference.mean + 2 * longer.rule.mean - 1)


def test_labelers_and_conversations_both_widen_the_interval() -> None:
    pairs = [
        pair(1 + number % 2, f"l{number % 4}", (float(number % 3), 1.0), (number % 5, 2), conversation=f"c{number % 7}")
        for number in range(40)
    ]
    by_labeler = report(pairs, "longer", "labeler")
    assert by_labeler.groups == 4
    by_conversation = [FoldPair(**{**{n: getattr(p, n) for n in p.__slots__}, "group": p.conversation}) for p in pairs]
    one_way = report(by_conversation, "longer", "conversation")
    assert by_labeler.difference.mean == pytest.approx(one_way.difference.mean)
    assert by_labeler.difference != one_way.difference


def test_what_the_data_cannot_bound_is_null() -> None:
    plain = report(PAIRS[2:], "longer", "conversation").plain()
    assert plain["difference"]["low"] is None and plain["detectable"] is None
    assert plain["folds"][0]["pairs"] == 2
