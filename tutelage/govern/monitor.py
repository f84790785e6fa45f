"""The misuse monitor: it looks at what was sent, opens cases for reviewers, and takes the measures of the ladder.

A leased job (`tutelage work`) calls `look` every minute. It holds nothing in memory: what it knows stands in the
request log and in the cases, so killing it loses nothing, and doing a look twice opens no case twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tutelage.govern import ladder, signals
from tutelage.govern.ladder import MEASURES, THROTTLED, Incident, Ladder, Measure
from tutelage.govern.signals import MOST, Declared, Event, Finding, Rules, Window
from tutelage.store import Store, applications, cases, windows
from tutelage.store.applications import Application
from tutelage.store.cases import Case, NewCase
from tutelage.store.windows import Seen

#: The name under which programs of ours act (`store.standing`).
MONITOR = "monitor"
#: Incidents older than this weigh next to nothing: five half-lives.
MEMORY = timedelta(days=35)
#: How far back unflagged calls are looked for; which of them are taken is certain, so looking twice takes none twice.
SPOTS = timedelta(hours=2)
#: A call is written down at its end: an application is looked at for so long after its last call came in.
LONGEST_CALL = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """How the monitor looks: its thresholds and its ladder."""

    rules: Rules = Rules()
    ladder: Ladder = Ladder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a look did: applications read, cases opened, measures taken, requests taken for spot checks."""

    applications: int = 0
    cases: tuple[int, ...] = ()
    measures: int = 0
    spot_checks: int = 0


def look(store: Store, how: Monitoring, watch: Callable[[int, int], None], *, now: datetime) -> Looked:
    """Look at every application that sent something since the last look, and draw spot checks."""
    found: list[Finding] = []
    changed = windows.changed(store, now=now)
    for number, one in enumerate(changed):
        watch(number, len(changed))
        application = applications.get(store, one)
        found += signals.find(window(store, application, how.rules, now=now))
    found += signals.quota_games(_sandboxed(store, now), how.rules)
    opened, measures = [], 0
    for finding in found:
        number_of, is_measured = act(store, finding, how, now=now)
        opened += [number_of] if number_of else []
        measures += is_measured
    for one in changed:
        windows.looked_at(store, one, now=now - LONGEST_CALL)
    taken = windows.reviewed(store, since=now - SPOTS, until=now)
    spots = cases.add_spot_checks(store, taken, now=now)
    return Looked(applications=len(changed), cases=tuple(opened), measures=measures, spot_checks=spots)


def window(store: Store, application: Application, rules: Rules, *, now: datetime) -> Window:
    """Read an application's week as the signals see it."""
    week = windows.week(store, application.id, now=now, most=MOST)
    return Window(
        declared=Declared(application=application.id, use_cases={application.form.use_case: 1.0}),
        now=now,
        day=[_event(seen) for seen in week.day],
        hours=week.hours,
        use_cases=week.use_cases,
        networks=week.networks,
        rules=rules,
    )


def act(store: Store, finding: Finding, how: Monitoring, *, now: datetime) -> tuple[int, bool]:
    """Open a case for a finding that is news, and take the measure that is now due; (0, False) when it is old."""
    before = cases.of_application(store, finding.application, since=now - MEMORY)
    incidents = [_incident(case) for case in before if case.found.signal]
    if not ladder.is_news(incidents, finding, now):
        return 0, False
    incidents.append(Incident(signal=finding.signal, at=now, is_grave=finding.is_grave))
    due = ladder.measure(incidents, now, how.ladder)
    application = applications.get(store, finding.application)
    new = NewCase(
        kind="finding",
        application_id=finding.application,
        signal=finding.signal,
        summary=finding.reason,
        requests=finding.requests,
        is_grave=finding.is_grave,
        score=ladder.score(incidents, now, how.ladder),
    )
    # The measure is taken before the case is opened: killed in between, the next look opens it and finds it taken.
    taken = take(store, application, due, finding.reason, now=now)
    return cases.add(store, replace(new, measure=taken), now=now), taken != "none"


def take(store: Store, application: Application, due: Measure, why: str, *, now: datetime) -> Measure:
    """Take a measure that is harsher than what holds, else none; return what was done.

    A warning is the case itself, which the customer sees.
    """
    if MEASURES.index(due) <= MEASURES.index(standing(application)):
        return "none"
    said = f"Taken by the misuse monitor: {why} You can appeal."
    if due == "throttle":
        applications.throttle(store, application.id, THROTTLED, by=MONITOR, reason=said, now=now)
    elif due == "sandbox":
        applications.move(store, application.id, "sandbox", by=MONITOR, reason=said, now=now)
    elif due == "suspend":
        applications.move(store, application.id, "suspended", by=MONITOR, reason=said, now=now)
    return due


def standing(application: Application) -> Measure:
    """Return the measure that holds already; what is not live is in the sandbox at best."""
    if application.state in ("suspended", "revoked", "draft", "expired"):
        return "suspend"
    if application.state != "live":
        return "sandbox"
    return "throttle" if application.share < 1 else "none"


def _incident(case: Case) -> Incident:
    signal = next(name for name in signals.SIGNALS if name == case.found.signal)
    return Incident(signal=signal, at=case.created, is_grave=case.found.is_grave, review=case.verdict)


def _event(seen: Seen) -> Event:
    row = seen.row
    return Event(
        id=row.id,
        at=row.created,
        application=row.application_id,
        organisation=row.organisation_id,
        key=row.key_id,
        end_user=row.end_user,
        network=row.network_hash,
        use_case=row.use_case,
        severities=seen.severities,
        blocked=row.action in ("blocked_prompt", "cut"),
        prompt=row.prompt_simhash,
        answer=row.completion_simhash,
        completion_tokens=row.completion_tokens,
        logprobs=row.has_logprobs,
        echo=row.is_echo,
        n=row.n,
        temperature=row.temperature,
    )


def _sandboxed(store: Store, now: datetime) -> list[Event]:
    return [
        Event(
            id=row.id,
            at=row.created,
            application=row.application_id,
            organisation=row.organisation_id,
            network=row.network_hash,
        )
        for row in windows.sandboxed(store, now=now, most=MOST)
    ]
