"""Each signal both ways, on events made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from tests.govern.month import WORDINGS, window_of
from tutelage.core.simhash import simhash
from tutelage.govern import signals
from tutelage.govern.signals import Declared, Event, Rules, Window

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_numbers = count()


def event(ago: timedelta, **values: Any) -> Event:
    given: dict[str, Any] = {
        "id": f"r{next(_numbers)}",
        "at": NOW - ago,
        "application": "a",
        "prompt": f"{next(_numbers):016x}",
    }
    return Event(**{**given, **values})


def window(events: list[Event], **declared: Any) -> Window:
    ordered = sorted(events, key=lambda one: one.at)
    return window_of(Declared(application="a", **declared), ordered, NOW, Rules())


def hits(yes: int, no: int) -> list[Event]:
    made = [event(number * MINUTE, severities={"hate": 1}) for number in range(yes)]
    return [*made, *(event(number * MINUTE) for number in range(no))]


def test_a_rate_of_hits_counts_from_its_lower_bound() -> None:
    # Wilson's lower bound of 5 of 40 is 5.5 %, that of 4 of 40 is 4.0 % (tables of Brown, Cai and DasGupta's formula).
    (finding,) = signals.hit_rate(window(hits(5, 35)))
    assert finding.reason == "5 of 40 requests of a day are hate (at least 5.5 %)."
    assert len(finding.requests) == 5
    assert signals.hit_rate(window(hits(4, 36))) == []


def test_no_rate_is_told_of_few_requests_or_old_ones() -> None:
    assert signals.hit_rate(window(hits(19, 0))) == []
    assert (
        signals.hit_rate(window([event(DAY + number * MINUTE, severities={"hate": 2}) for number in range(50)])) == []
    )


def test_one_critical_request_is_looked_at_and_three_are_grave() -> None:
    bad = {"sexual/minors": 2}
    (finding,) = signals.critical(window([event(HOUR, severities=bad), event(HOUR, severities={"hate": 2})]))
    assert not finding.is_grave and len(finding.requests) == 1
    (grave,) = signals.critical(window([event(number * HOUR, severities=bad) for number in range(3)]))
    assert grave.is_grave
    assert signals.critical(window([event(HOUR, severities={"sexual/minors": 1})])) == []


def steady(per_hour: int, hours: int) -> list[Event]:
    return [event(hour * HOUR + 30 * MINUTE) for hour in range(1, hours) for _ in range(per_hour)]


def test_an_hour_far_above_the_own_week_is_a_spike() -> None:
    (finding,) = signals.spikes(window([*steady(9, 100), *(event(number * MINUTE) for number in range(40))]))
    # A steady nine an hour deviates by three: 40 are (40 - 9) / 3 above.
    assert finding.reason.startswith("40 requests in an hour, 10.3 deviations")
    assert signals.spikes(window([*steady(9, 100), *(event(number * MINUTE) for number in range(20))])) == []


def test_the_first_day_has_no_spike() -> None:
    assert signals.spikes(window([*steady(1, 20), *(event(number * MINUTE / 10) for number in range(500))])) == []


def probes(texts: tuple[str, ...], **values: Any) -> list[Event]:
    given = {"blocked": True, "end_user": "u", **values}
    return [event(number * 4 * MINUTE, prompt=simhash(text), **given) for number, text in enumerate(texts)]


def test_rewordings_of_a_blocked_request_are_probing() -> None:
    (finding,) = signals.probing(window(probes(WORDINGS)))
    assert finding.signal == "probing" and len(finding.requests) >= 5


@pytest.mark.parametrize(
    "events",
    [
        probes((WORDINGS[0],) * 8),  # the same request again and again: a program that retries
        probes(WORDINGS, blocked=False),
        probes(WORDINGS, end_user=""),
        probes(tuple(f"A wholly other wish number {n} about {n * 'very '}far things" * n for n in range(1, 3))),
        [
            event(number * HOUR, prompt=simhash(text), blocked=True, end_user="u")
            for number, text in enumerate(WORDINGS)
        ],
    ],
)
def test_what_is_no_probing(events: list[Event]) -> None:
    assert signals.probing(window(events)) == []


def test_use_that_was_not_declared_is_drift() -> None:
    other = [event(number * HOUR / 2, use_case="extract") for number in range(120)]
    assert [one.signal for one in signals.drifts(window(other, use_cases={"chat": 1.0}))] == ["drift"]
    assert signals.drifts(window(other, use_cases={"extract": 0.7, "chat": 0.3})) == []
    assert signals.drifts(window(other)) == []
    assert signals.drifts(window(other[:99], use_cases={"chat": 1.0})) == []


def letters(number: int, **values: Any) -> list[Event]:
    text = simhash("You have won a prize; send your account number before Friday, and we pay at once.")
    given = {"answer": text, "completion_tokens": 60, **values}
    return [event(place * MINUTE, **given) for place in range(number)]


def test_nearly_equal_long_answers_to_different_prompts_are_spam() -> None:
    (finding,) = signals.spam(window(letters(50)))
    assert finding.reason == "50 of 50 longer answers of a day are nearly the same text."
    assert signals.spam(window(letters(50, completion_tokens=3))) == []
    assert signals.spam(window(letters(50, prompt="0000000000000007"))) == []
    assert signals.spam(window(letters(49))) == []
    assert (
        signals.spam(
            window([event(number * MINUTE, answer=simhash(str(number) * 3 + "x" * number)) for number in range(60)])
        )
        == []
    )


def test_likeness_is_found_wherever_the_bits_differ() -> None:
    first, six, seven = 0, 0b111 << 40 | 0b111, 0b1111 << 40 | 0b111
    base = (1 << 63) | (0xF0F0F << 10)
    answers = [base ^ first, base ^ six]
    assert len(signals._alike([event(MINUTE, answer=f"{answer:016x}") for answer in answers], 6)) == 2
    answers = [base ^ first, base ^ seven]
    assert signals._alike([event(MINUTE, answer=f"{answer:016x}") for answer in answers], 6) == []


def test_a_key_used_from_many_new_networks_is_leaked() -> None:
    known = [event(hours * HOUR, key="k", network="home") for hours in range(2, 60)]
    strangers = [event(number * MINUTE, key="k", network=f"n{number % 3}") for number in range(6)]
    assert [one.signal for one in signals.leaked_key(window([*known, *strangers]))] == ["leaked_key"]
    assert signals.leaked_key(window([*known, *strangers[:2]])) == []
    # A key whose every request comes from networks of its own is no news, nor is one that is new itself.
    assert signals.leaked_key(window(strangers)) == []
    many = [event(hours * HOUR, key="k", network=f"pool{hours}") for hours in range(2, 60)]
    assert signals.leaked_key(window([*many, *strangers])) == []


def test_log_probabilities_at_volume_and_sweeps_are_extraction() -> None:
    scored = [event(number * MINUTE, logprobs=True, echo=True) for number in range(500)]
    assert [one.signal for one in signals.extraction(window(scored))] == ["extraction"]
    assert signals.extraction(window(scored[1:])) == []
    sweep = [event(number * MINUTE, prompt="0000000000000005", temperature=number / 10, n=1) for number in range(20)]
    assert "20 settings" in signals.extraction(window(sweep))[0].reason
    assert signals.extraction(window(sweep[1:])) == []


def test_many_sandboxes_behind_one_network_play_with_quotas() -> None:
    def made(organisations: int) -> list[Event]:
        return [
            event(HOUR, application=f"a{number}", organisation=f"o{number}", network="flat")
            for number in range(organisations)
        ]

    found = signals.quota_games(made(4), Rules())
    assert [one.application for one in found] == ["a0", "a1", "a2", "a3"]
    assert signals.quota_games(made(3), Rules()) == []


def test_reasons_hold_no_text_and_at_most_fifty_requests() -> None:
    (finding,) = signals.hit_rate(window(hits(200, 0)))
    assert len(finding.requests) == 50
