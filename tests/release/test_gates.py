"""Gates as pure functions: every outcome on intervals made by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutelage.errors import MissingError, RefusedError, SettingsError
from tutelage.release.gates import Gate, judge, read, refuse_unless_passed
from tutelage.store.results import Figure

NAN = math.nan


def state(figure: Figure | None, **gate: Any) -> str:
    (outcome,) = judge([Gate(figure="f", **gate)], {} if figure is None else {"f": figure})
    return outcome.state


@pytest.mark.parametrize(
    ("interval", "gate", "expected"),
    [
        # (mean, low, high) against at least 0.5 with the whole interval
        ((0.60, 0.55, 0.65), {"at_least": 0.5}, "passed"),
        ((0.60, 0.50, 0.70), {"at_least": 0.5}, "passed"),
        ((0.60, 0.49, 0.71), {"at_least": 0.5}, "undecided"),
        ((0.50, 0.45, 0.55), {"at_least": 0.5}, "undecided"),
        ((0.45, 0.40, 0.50), {"at_least": 0.5}, "undecided"),
        ((0.44, 0.39, 0.49), {"at_least": 0.5}, "failed"),
        # a cost: at most 0.02
        ((-0.01, -0.03, 0.01), {"at_most": 0.02}, "passed"),
        ((0.01, -0.01, 0.03), {"at_most": 0.02}, "undecided"),
        ((0.05, 0.03, 0.07), {"at_most": 0.02}, "failed"),
        # the mean alone
        ((0.51, 0.30, 0.72), {"at_least": 0.5, "part": "mean"}, "passed"),
        ((0.49, 0.30, 0.68), {"at_least": 0.5, "part": "mean"}, "failed"),
        # not shown to be worse
        ((0.45, 0.39, 0.51), {"at_least": 0.5, "part": "any"}, "passed"),
        ((0.45, 0.41, 0.49), {"at_least": 0.5, "part": "any"}, "failed"),
        # both ends
        ((0.50, 0.45, 0.55), {"at_least": 0.4, "at_most": 0.6}, "passed"),
        ((0.50, 0.35, 0.65), {"at_least": 0.4, "at_most": 0.6}, "undecided"),
        ((0.70, 0.65, 0.75), {"at_least": 0.4, "at_most": 0.6}, "failed"),
        # numbers that are none never pass
        ((NAN, NAN, NAN), {"at_least": 0.5}, "undecided"),
        ((NAN, NAN, NAN), {"at_least": 0.5, "part": "any"}, "undecided"),
        ((NAN, NAN, NAN), {"at_least": 0.5, "part": "mean"}, "failed"),
        ((0.6, -math.inf, math.inf), {"at_least": 0.5}, "undecided"),
        # too few rows, however good
        ((0.9, 0.8, 1.0), {"at_least": 0.5, "least_n": 101}, "unmeasured"),
        ((0.9, 0.8, 1.0), {"at_least": 0.5, "least_n": 100}, "passed"),
    ],
)
def test_every_outcome(interval: tuple[float, float, float], gate: dict[str, Any], expected: str) -> None:
    assert state(Figure(*interval, 100), **gate) == expected


def test_what_was_not_measured_fails() -> None:
    assert state(None, at_least=0.0) == "unmeasured"
    assert state(None, at_most=1.0, part="any") == "unmeasured"


SHARE = st.floats(0, 1)


@given(st.lists(SHARE, min_size=3, max_size=3).map(sorted), SHARE)
def test_what_the_whole_interval_shows_its_mean_and_its_parts_show_too(ends: list[float], bound: float) -> None:
    low, mean, high = ends
    found = {part: state(Figure(mean, low, high, 9), at_least=bound, part=part) for part in ("whole", "mean", "any")}
    order = {"passed": 2, "undecided": 1, "failed": 0}
    assert order[found["whole"]] <= order[found["any"]]
    assert (found["whole"] == "passed") == (low >= bound)
    assert (found["mean"] == "passed") == (mean >= bound)
    assert (found["any"] == "passed") == (high >= bound)


def test_the_first_gate_that_does_not_pass_is_named_with_its_figure_and_the_others_are_counted() -> None:
    gates = [
        Gate(figure="win_rate/sft", at_least=0.5),
        Gate(figure="difference/toxic", at_most=0.0),
        Gate(figure="tax/all tasks", at_most=0.05, part="any"),
    ]
    figures = {"win_rate/sft": Figure(0.6, 0.55, 0.65, 900), "difference/toxic": Figure(0.01, -0.002, 0.022, 1000)}
    with pytest.raises(RefusedError) as refused:
        refuse_unless_passed(judge(gates, figures), "m@2")
    assert str(refused.value) == (
        "m@2 is not promoted. The gate difference/toxic fails: difference/toxic is 0.010 [-0.002, 0.022], n = 1000, "
        "and its whole interval must be at most 0; the interval is too wide to tell, so evaluate on more. "
        "1 more of 3 gates do not pass."
    )
    figures["difference/toxic"] = Figure(-0.03, -0.04, -0.02, 1000)
    with pytest.raises(RefusedError, match="tax/all tasks has nothing to judge by: some part of its interval must be"):
        refuse_unless_passed(judge(gates, figures), "m@2")
    figures["tax/all tasks"] = Figure(0.06, 0.04, 0.08, 1600)
    refuse_unless_passed(judge(gates, figures), "m@2")


def test_a_file_of_gates_is_read_and_its_mistakes_are_told(tmp_path: Path) -> None:
    path = tmp_path / "gates.toml"
    path.write_text('[[gates]]\nfigure = "win_rate/sft"\nat_least = 0.5\nleast_n = 300\n')
    assert read(path) == (Gate(figure="win_rate/sft", at_least=0.5, least_n=300),)
    for text, told in (
        ("", "holds no gate"),
        ('[[gates]]\nfigure = "f"\n', "has no range"),
        ('[[gates]]\nfigure = "f"\nat_least = 0.6\nat_most = 0.5\n', "at least 0.6 and at most 0.5"),
        ('[[gates]]\nfigure = "f"\nat_least = nan\n', "at_least"),
        ('[[gates]]\nfigure = "f"\natleast = 1\n', "there is no setting"),
        ('[[gates]]\nfigure = "f"\nat_least = 0.5\npart = "most"\n', "part"),
    ):
        path.write_text(text)
        with pytest.raises((RefusedError, SettingsError), match=told):
            read(path)
    with pytest.raises(MissingError, match="There is no recipe"):
        read(tmp_path / "none.toml")
