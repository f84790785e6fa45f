"""A verdict follows from the interval and the margin alone: all four, on either side, and at the ends."""

from __future__ import annotations

import math

import pytest

from tutelage.claims.verdicts import VERDICTS, Rule, Verdict, judge, together
from tutelage.core.statistics import Estimate

INF = math.inf
HALF, NONE = Rule(above=0.5), Rule(below=0.0)
SAME = Rule(above=-0.05, below=0.05)


@pytest.mark.parametrize(
    ("low", "high", "rule", "verdict"),
    [
        (0.51, 0.60, HALF, "holds"),
        (0.40, 0.49, HALF, "fails"),
        (0.45, 0.55, HALF, "undecided"),
        # An end on the margin is not beyond it in the claim's favour.
        (0.50, 0.60, HALF, "undecided"),
        (0.40, 0.50, HALF, "fails"),
        (-0.3, -0.1, NONE, "holds"),
        (0.1, 0.3, NONE, "fails"),
        (-0.1, 0.1, NONE, "undecided"),
        (-0.1, 0.0, NONE, "undecided"),
        (0.0, 0.1, NONE, "fails"),
        (-0.04, 0.04, SAME, "holds"),
        (0.05, 0.09, SAME, "fails"),
        (-0.09, -0.05, SAME, "fails"),
        (-0.04, 0.06, SAME, "undecided"),
        (-0.06, 0.06, SAME, "undecided"),
        # Data that bound nothing decide nothing; a figure that was counted is decided by its point.
        (-INF, INF, HALF, "undecided"),
        (0.6, INF, HALF, "holds"),
        (0.5, INF, NONE, "fails"),
        (0.01, 0.01, Rule(below=0.02), "holds"),
        (0.28, 0.28, Rule(below=0.02), "fails"),
        (0.02, 0.02, Rule(below=0.02), "fails"),
    ],
)
def test_the_interval_decides(low: float, high: float, rule: Rule, verdict: Verdict) -> None:
    for mean in (low, high):  # where in the interval the mean lies changes nothing, nor does n
        assert judge(Estimate(mean, low, high, 3), rule) == verdict


def test_no_figure_is_not_tested() -> None:
    assert judge(None, HALF) == "not tested"


def test_all_four_verdicts_occur() -> None:
    figures = [Estimate(0.6, 0.55, 0.65, 9), Estimate(0.4, 0.3, 0.45, 9), Estimate(0.5, 0.4, 0.6, 9), None]
    assert tuple(judge(figure, HALF) for figure in figures) == VERDICTS == ("holds", "fails", "undecided", "not tested")


def test_what_is_no_interval_or_no_margin_is_refused() -> None:
    with pytest.raises(ValueError, match="no number"):
        judge(Estimate(0.5, math.nan, 0.6, 2), HALF)
    with pytest.raises(ValueError, match="needs a margin"):
        Rule()
    with pytest.raises(ValueError, match="Nothing lies"):
        Rule(above=0.1, below=0.1)


@pytest.mark.parametrize(
    ("parts", "conditions", "verdict"),
    [
        (["holds", "holds"], [], "holds"),
        (["holds", "undecided"], [], "undecided"),
        (["undecided", "not tested"], [], "not tested"),
        (["fails", "not tested"], [], "fails"),
        (["holds", "fails", "undecided"], [], "fails"),
        ([], [], "not tested"),
        (["holds"], ["holds"], "holds"),
        (["fails"], ["holds"], "fails"),
        (["holds"], ["undecided"], "not tested"),
        (["fails"], ["fails"], "not tested"),
        (["holds"], ["not tested"], "not tested"),
    ],
)
def test_parts_are_put_together(parts: list[Verdict], conditions: list[Verdict], verdict: Verdict) -> None:
    assert together(parts, conditions) == verdict
    assert together(parts[::-1], conditions) == verdict
