"""The ladder: weights that fade, and measures by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutelage.govern.ladder import MEASURES, Incident, Ladder, is_news, measure, score
from tutelage.govern.signals import SIGNALS, Finding, Signal

NOW = datetime(2026, 5, 20, tzinfo=UTC)
DAY = timedelta(days=1)
LADDER = Ladder()


def incident(signal: str, days: float = 0.0, **values: object) -> Incident:
    return Incident(signal=signal, at=NOW - days * DAY, **values)  # type: ignore[arg-type]


def test_a_weight_halves_in_a_week() -> None:
    assert score([incident("spam", 7)], NOW, LADDER) == pytest.approx(1.0)


def test_what_nobody_looked_at_counts_once_a_signal_and_what_was_confirmed_each_time() -> None:
    open_ones = [incident("spam", days) for days in (0, 1, 2)]
    assert score(open_ones, NOW, LADDER) == pytest.approx(2.0)
    confirmed = [incident("spam", 7, review="confirmed"), incident("spam", 14, review="confirmed")]
    assert score([*open_ones, *confirmed], NOW, LADDER) == pytest.approx(2.0 + 1.0 + 0.5)
    assert score([incident("spam", review="dismissed")], NOW, LADDER) == 0.0


def test_measures_by_hand() -> None:
    assert measure([], NOW, LADDER) == "none"
    assert measure([incident("spike")], NOW, LADDER) == "none"
    assert measure([incident("drift")], NOW, LADDER) == "warn"
    assert measure([incident("spam"), incident("drift")], NOW, LADDER) == "throttle"
    assert measure([incident("spam", review="confirmed") for _ in range(3)], NOW, LADDER) == "sandbox"
    assert measure([incident("spam", review="confirmed") for _ in range(5)], NOW, LADDER) == "suspend"


def test_grave_suspends_for_a_day_unless_it_was_dismissed() -> None:
    grave = incident("critical", 0.5, is_grave=True)
    assert measure([grave], NOW, LADDER) == "suspend"
    assert measure([incident("critical", 0.5, is_grave=True, review="dismissed")], NOW, LADDER) == "none"
    assert measure([incident("critical", 1.5, is_grave=True)], NOW, LADDER) == "warn"


def test_a_signal_is_news_once_a_day_and_again_when_it_is_grave() -> None:
    finding = Finding(signal="critical", application="a", reason="")
    grave = Finding(signal="critical", application="a", reason="", is_grave=True)
    before = [incident("critical", 0.5), incident("spam", 0.1)]
    assert is_news([], finding, NOW) and is_news([incident("critical", 1.1)], finding, NOW)
    assert not is_news(before, finding, NOW)
    assert is_news(before, grave, NOW)
    assert not is_news([incident("critical", 0.5, is_grave=True)], grave, NOW)


made = st.builds(
    Incident,
    signal=st.sampled_from(SIGNALS),
    at=st.integers(0, 60 * 24).map(lambda hours: NOW - timedelta(hours=hours)),
    is_grave=st.just(False),
    review=st.sampled_from(["open", "confirmed", "dismissed"]),
)


@given(st.lists(made, max_size=20), st.sampled_from(SIGNALS))
def test_dismissing_all_of_a_signal_is_never_harsher(incidents: list[Incident], signal: Signal) -> None:
    spared = [replace(one, review="dismissed") if one.signal == signal else one for one in incidents]
    assert MEASURES.index(measure(spared, NOW, LADDER)) <= MEASURES.index(measure(incidents, NOW, LADDER))


@given(st.lists(made, max_size=40))
def test_no_program_revokes(incidents: list[Incident]) -> None:
    assert measure(incidents, NOW, LADDER) in ("none", "warn", "throttle", "sandbox", "suspend")
