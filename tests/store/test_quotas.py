"""Quotas on both databases: held before a call, counted after it, returned when its gateway died."""

from __future__ import annotations

from datetime import timedelta

from tests.firms import NOW, Firm
from tutelage.store import Store, quotas
from tutelage.store.application_forms import Limits
from tutelage.store.quotas import HELD, Refused, Reservation, Used

LIMITS = Limits(requests_per_minute=3, tokens_per_minute=100, tokens_per_day=150)
MINUTE = timedelta(minutes=1)


def reserve(store: Store, firm: Firm, tokens: int, *, minutes: float = 0) -> Reservation | Refused:
    return quotas.reserve(store, firm.id, tokens=tokens, limits=LIMITS, now=NOW + minutes * MINUTE)


def held(store: Store, firm: Firm, tokens: int, *, minutes: float = 0) -> Reservation:
    found = reserve(store, firm, tokens, minutes=minutes)
    assert isinstance(found, Reservation), found
    return found


def test_each_limit_refuses_and_says_when_to_come_back(store: Store) -> None:
    firm = Firm.of(store)
    assert reserve(store, firm, 101) == Refused(limit="tokens_per_minute", most=100, retry_after=None)
    first = held(store, firm, 90)
    late = quotas.reserve(store, firm.id, tokens=20, limits=LIMITS, now=NOW + timedelta(seconds=45))
    assert late == Refused(limit="tokens_per_minute", most=100, retry_after=15)
    quotas.settle(store, first, tokens=30, now=NOW)
    assert quotas.used(store, firm.id, now=NOW) == Used(minute_requests=1, minute_tokens=30, day_tokens=30)
    held(store, firm, 20), held(store, firm, 20)
    assert reserve(store, firm, 1) == Refused(limit="requests_per_minute", most=3, retry_after=60)
    assert quotas.used(store, firm.id, now=NOW + MINUTE) == Used(minute_requests=0, minute_tokens=0, day_tokens=70)
    held(store, firm, 80, minutes=1)
    day = reserve(store, firm, 1, minutes=2)
    assert day == Refused(limit="tokens_per_day", most=150, retry_after=(15 * 60 - 2) * 60)
    assert isinstance(reserve(store, firm, 100, minutes=15 * 60), Reservation)


def test_settling_counts_what_was_used_once_in_the_windows_that_it_was_held_in(store: Store) -> None:
    firm = Firm.of(store)
    first = held(store, firm, 50)
    second = held(store, firm, 60, minutes=1)
    quotas.settle(store, first, tokens=10, now=NOW + MINUTE)
    now = quotas.used(store, firm.id, now=NOW + MINUTE)
    assert now == Used(minute_requests=1, minute_tokens=60, day_tokens=70)
    for _ in range(2):
        quotas.settle(store, second, tokens=5, now=NOW + MINUTE)
    assert quotas.used(store, firm.id, now=NOW + MINUTE) == Used(minute_requests=1, minute_tokens=5, day_tokens=15)


def test_a_call_that_cost_more_than_it_held_is_counted_whole(store: Store) -> None:
    firm = Firm.of(store)
    quotas.settle(store, held(store, firm, 10), tokens=40, now=NOW)
    assert quotas.used(store, firm.id, now=NOW).day_tokens == 40


def test_what_a_dead_gateway_held_is_returned_once_and_counted_should_it_not_have_been_dead(store: Store) -> None:
    firm = Firm.of(store)
    first = held(store, firm, 100)
    assert isinstance(reserve(store, firm, 60, minutes=1), Refused)
    assert quotas.return_overdue(store, now=NOW + HELD - MINUTE) == 0
    # The refusal itself returns what is overdue, so nobody waits for a tidying process.
    held(store, firm, 60, minutes=HELD / MINUTE)
    assert quotas.return_overdue(store, now=NOW + HELD) == 0
    assert quotas.used(store, firm.id, now=NOW + HELD).day_tokens == 60
    for _ in range(2):
        quotas.settle(store, first, tokens=7, now=NOW + HELD)
    assert quotas.used(store, firm.id, now=NOW + HELD).day_tokens == 67
    second = held(store, firm, 1, minutes=HELD / MINUTE)
    assert quotas.return_overdue(store, now=NOW + 2 * HELD) == 2
    quotas.forget_returned(store, now=NOW + 2 * HELD + timedelta(days=1))
    quotas.settle(store, second, tokens=1, now=NOW)
    assert quotas.used(store, firm.id, now=NOW + 2 * HELD).day_tokens == 7


def test_a_clock_that_is_behind_begins_no_window_again(store: Store) -> None:
    firm = Firm.of(store)
    held(store, firm, 90, minutes=1)
    assert isinstance(reserve(store, firm, 20), Refused)
    assert quotas.used(store, firm.id, now=NOW).minute_tokens == 90


def test_applications_have_quotas_of_their_own(store: Store) -> None:
    one, two = Firm.of(store), Firm.of(store, "Dairy")
    held(store, one, 100)
    assert isinstance(reserve(store, two, 100), Reservation)
    assert quotas.return_overdue(store, now=NOW + HELD, application=two.id) == 1
    assert quotas.used(store, one.id, now=NOW).day_tokens == 100
