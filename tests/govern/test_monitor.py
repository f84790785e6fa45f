"""The monitor on both databases: what it reads, what it opens and does, and who may decide about it."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.firms import Firm, staff
from tests.govern import month
from tutelage.errors import ConflictError, DataError, MissingError, RefusedError, SettingsError
from tutelage.govern import alerts, jobs, monitor
from tutelage.govern.monitor import Looked, Monitoring
from tutelage.govern.signals import Declared, Event, Rules
from tutelage.store import Store, appeals, applications, audit, cases, requests
from tutelage.store import jobs as stored
from tutelage.store.cases import NewCase
from tutelage.store.requests import Ended, Hit, Request

HOW = Monitoring()
ONLY_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def quiet(_: int, __: int) -> None:
    """Watch nothing."""


def send(store: Store, firm: Firm, events: Sequence[Event]) -> None:
    """Write calls down as a gateway does."""
    requests.add(store, [Ended(request=_request(firm, one), hits=_hits(one)) for one in events])


def _request(firm: Firm, event: Event) -> Request:
    return Request(
        id=event.id,
        endpoint="completions",
        action="blocked_prompt" if event.blocked else "served",
        status=200,
        created=event.at,
        latency_ms=30,
        key_id=event.key,
        application_id=firm.id,
        organisation_id=event.organisation,
        end_user=event.end_user,
        network_hash=event.network,
        n=event.n,
        prompts=1,
        completion_tokens=event.completion_tokens,
        temperature=event.temperature,
        is_echo=event.echo,
        has_logprobs=event.logprobs,
        prompt_severity=max(event.severities.values(), default=0),
        use_case=event.use_case,  # type: ignore[arg-type]
        prompt_simhash=event.prompt,
        completion_simhash=event.answer,
    )


def _hits(event: Event) -> tuple[Hit, ...]:
    return tuple(
        Hit(role="prompt", category=name, severity=severity, score=0.9) for name, severity in event.severities.items()
    )


def week(firm: Firm, days: int, seed: int = 1) -> list[Event]:
    """Make a benign week of an application whose hours have whole seconds."""
    rng = random.Random(seed)
    one = month.benign(7, rng)
    one.id = firm.id
    events = [event for day in range(days) for event in month.day_of(one, day, rng)]
    return sorted((_whole(event) for event in events), key=lambda event: event.at)


def _whole(event: Event) -> Event:
    return Event(**{**{name: getattr(event, name) for name in Event.__slots__}, "at": event.at.replace(microsecond=0)})


def live(store: Store, name: str = "Bakery") -> Firm:
    return Firm.of(store, name, state="live")


def critical(firm: Firm, number: int, at: datetime, end_user: str = "") -> Event:
    return Event(
        id=f"bad-{firm.id}-{number}", at=at, application=firm.id, severities={"sexual/minors": 2}, blocked=True
    )


def test_a_week_is_read_as_it_was_sent(store: Store) -> None:
    firm = live(store)
    events = week(firm, 9)
    send(store, firm, events)
    now = month.START + timedelta(days=9)
    seen = monitor.window(store, applications.get(store, firm.id), Rules(), now=now)
    kept = [event for event in events if event.at > now - timedelta(days=7)]
    expected = month.window_of(Declared(application=firm.id, use_cases=seen.declared.use_cases), kept, now, Rules())
    assert [one.id for one in seen.day] == [one.id for one in expected.day]
    assert list(seen.day) == list(expected.day)
    assert list(seen.hours) == list(expected.hours)
    assert dict(seen.use_cases) == dict(expected.use_cases)
    assert dict(seen.networks) == dict(expected.networks)


def test_three_critical_requests_suspend_and_a_look_again_adds_nothing(store: Store) -> None:
    firm, now = live(store), month.START + timedelta(days=1)
    send(store, firm, [critical(firm, number, now - timedelta(minutes=number + 1)) for number in range(3)])
    done = monitor.look(store, HOW, quiet, now=now)
    assert (done.applications, len(done.cases), done.measures) == (1, 1, 1)
    assert applications.get(store, firm.id).state == "suspended"
    (case,) = cases.waiting(store)
    assert (case.found.signal, case.found.measure, case.found.is_grave) == ("critical", "suspend", True)
    assert case.deadline == now + timedelta(hours=24)
    assert len(case.found.requests) == 3
    assert monitor.look(store, HOW, quiet, now=now + timedelta(minutes=1)).cases == ()
    # Once its calls are all written, an application that sends nothing more is not read again.
    later = monitor.look(store, HOW, quiet, now=now + timedelta(hours=1))
    assert later.applications == 1
    assert monitor.look(store, HOW, quiet, now=now + timedelta(hours=1)) == Looked()
    assert audit.verify(store).rows > 0


@ONLY_SQLITE
def test_the_ladder_goes_up_and_never_down(store: Store) -> None:
    firm, now = live(store), month.START
    one = applications.get(store, firm.id)
    assert monitor.take(store, one, "warn", "Because.", now=now) == "warn"
    assert monitor.take(store, one, "throttle", "Because.", now=now) == "throttle"
    one = applications.get(store, firm.id)
    assert one.share == pytest.approx(0.1) and "appeal" in one.reason
    assert monitor.take(store, one, "throttle", "Again.", now=now) == "none"
    assert monitor.take(store, one, "sandbox", "Because.", now=now) == "sandbox"
    one = applications.get(store, firm.id)
    assert one.state == "sandbox" and monitor.take(store, one, "throttle", "Late.", now=now) == "none"
    assert monitor.take(store, one, "suspend", "Because.", now=now) == "suspend"
    assert monitor.take(store, applications.get(store, firm.id), "suspend", "Again.", now=now) == "none"


def test_spot_checks_take_one_in_a_hundred_of_what_nobody_suspects_once(store: Store) -> None:
    firm, now = live(store), month.START + timedelta(days=1)
    many = [
        Event(id=f"quiet-{number}", at=now - timedelta(seconds=number % 3600), application=firm.id)
        for number in range(2000)
    ]
    send(store, firm, many)
    done = monitor.look(store, HOW, quiet, now=now)
    # 2,000 draws with a chance of 1 %: 20 are expected, and within 8 to 36 in all but one of 1,000 cases.
    assert 8 <= done.spot_checks <= 36
    assert len(cases.waiting(store, kind="spot_check")) == done.spot_checks
    assert monitor.look(store, HOW, quiet, now=now + timedelta(minutes=1)).spot_checks == 0


def test_a_case_is_decided_once_by_staff_of_nobody_in_it(store: Store) -> None:
    firm, now = live(store), month.START
    number = cases.add(store, NewCase(kind="finding", application_id=firm.id, signal="spam"), now=now)
    reasons: dict[str, Any] = {"code": "abuse", "note": "Prize letters.", "now": now}
    with pytest.raises(RefusedError):
        cases.decide(store, number, "confirmed", by=firm.customer, **reasons)
    with pytest.raises(DataError, match="one of these reasons"):
        cases.decide(store, number, "confirmed", by=firm.reviewer, **{**reasons, "code": "mood"})
    with pytest.raises(MissingError):
        cases.decide(store, number + 1, "confirmed", by=firm.reviewer, **reasons)
    decided = cases.decide(store, number, "confirmed", by=firm.reviewer, **reasons)
    assert (decided.verdict, decided.reviewer, decided.code) == ("confirmed", firm.reviewer, "abuse")
    with pytest.raises(ConflictError, match="confirmed already"):
        cases.decide(store, number, "dismissed", by=firm.other, **reasons)
    assert audit.find(store, subject=str(number))[0].event.action == "case.decide"


def test_an_appeal_is_decided_by_another_person(store: Store) -> None:
    firm, now = live(store), month.START
    text = "The letters were a test of our own mail server."
    with pytest.raises(ConflictError, match="Nothing was done"):
        appeals.add(store, firm.id, text, by=firm.customer, now=now)
    applications.move(store, firm.id, "suspended", by=firm.reviewer, reason="Prize letters.", now=now)
    with pytest.raises(DataError, match="20 to 4000"):
        appeals.add(store, firm.id, "No.", by=firm.customer, now=now)
    appeal = appeals.add(store, firm.id, text, by=firm.customer, now=now)
    with pytest.raises(ConflictError, match="waits already"):
        appeals.add(store, firm.id, text, by=firm.customer, now=now)
    assert [one.number for one in appeals.waiting(store)] == [appeal.number]
    said: dict[str, Any] = {"reason": "It was a test.", "now": now}
    with pytest.raises(RefusedError, match="another reviewer"):
        appeals.decide(store, appeal.number, "overturned", by=firm.reviewer, **said)
    with pytest.raises(RefusedError):
        appeals.decide(store, appeal.number, "overturned", by=firm.customer, **said)
    done = appeals.decide(store, appeal.number, "overturned", by=firm.other, **said)
    assert (done.decision, done.decided_by) == ("overturned", firm.other)
    with pytest.raises(ConflictError, match="overturned already"):
        appeals.decide(store, appeal.number, "upheld", by=staff(store, "Third", "reviewer"), **said)
    assert appeals.of_application(store, firm.id) == [done] and appeals.waiting(store) == []


@ONLY_SQLITE
def test_an_alert_is_signed_and_says_nothing_that_a_customer_wrote(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    firm = live(store, "Secretive bakers")
    new = NewCase(kind="finding", application_id=firm.id, signal="spam", summary="50 answers.", requests=("r1", "r2"))
    case = cases.get(store, cases.add(store, new, now=month.START))
    told = alerts.body(case)
    assert json.loads(told)["requests"] == 2 and b"Secretive" not in told
    expected = hmac.new(b"0123456789abcdef", told, hashlib.sha256).hexdigest()
    assert alerts.signature(told, "0123456789abcdef") == f"sha256={expected}"
    monkeypatch.setenv(alerts.URL, "https://alerts.example/hook")
    monkeypatch.setenv(alerts.SECRET, "short")
    with pytest.raises(SettingsError, match="16 characters"):
        alerts.send(case)
    monkeypatch.setenv(alerts.SECRET, "0123456789abcdef")
    monkeypatch.setenv(alerts.URL, "https://127.0.0.1/hook")
    with pytest.raises(DataError, match="open internet"):
        alerts.send(case)


@ONLY_SQLITE
def test_workers_look_and_tell(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    firm, now = live(store), datetime.now(UTC)
    monkeypatch.setenv(alerts.URL, "https://alerts.example/hook")
    send(store, firm, [critical(firm, number, now - timedelta(minutes=number + 1)) for number in range(3)])
    jobs.stand(store, now=now)
    told = jobs.look(store, {}, quiet)
    assert told == {"cases": 1, "measures": 1, "spot_checks": 0, "expired": 0}
    assert {job.kind for job in stored.find(store, limit=10)} == {jobs.MONITOR, jobs.ALERT}
