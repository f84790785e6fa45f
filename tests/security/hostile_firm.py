"""The site of customers and operators in which all that anybody wrote, and a model said, is a payload."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from tests.governing import CONDITIONS, Here, Visitor, sent_in
from tests.security.hostile import Marks
from tutelage.store import cases, jobs, requests
from tutelage.store.cases import NewCase
from tutelage.store.jobs import NewJob
from tutelage.store.requests import Choice, Content, Ended, Request


@dataclass
class World:
    """Who came in, and the case in whose request payloads were said."""

    customer: Visitor
    reviewer: Visitor
    admin: Visitor
    case: int


def fill(site: Here, marks: Marks) -> World:
    """Fill the site, by its own forms where it has one."""
    cleo = site.customer(marks.name(), marks.name())
    rita, ada = site.staff(marks.name()), site.staff(marks.name(), "admin")
    id = sent_in(cleo, name=marks.name(), purpose=f"{marks.text()} and more of it, at length.")
    at = f"/console/apps/{id}"
    done(rita.post(f"{at}/decide", decision="approved", reason=marks.text(), **CONDITIONS))
    assert cleo.post(f"/apps/{id}/keys", name=marks.name(), **{"scope.complete": "on"}).status_code == 200
    assert cleo.post("/organisation/invitations", note=marks.name()).status_code == 200
    said = _said(site, marks, id)
    judged = cases.add(site.store, NewCase(kind="finding", application_id=id, signal="spam"), now=site.clock.now)
    done(rita.post(f"/console/cases/{judged}/decide", verdict="confirmed", code="abuse", note=marks.text()))
    _measure(site, marks, id, (cleo, rita, ada))
    waiting = sent_in(cleo, name=marks.name(), purpose=f"{marks.text()} and more of it, at length.")
    assert waiting != id
    assert ada.post("/console/people/staff", role="reviewer", note=marks.name()).status_code == 200
    return World(cleo, rita, ada, said)


def _said(site: Here, marks: Marks, application: str) -> int:
    """Keep what a customer and a model said; return the case that leads to it."""
    asked = Request(
        id="cmpl-1",
        endpoint="chat",
        action="served",
        status=200,
        created=site.clock.now,
        latency_ms=5,
        application_id=application,
        completion_severity=2,
        prompts=2,
        n=1,
    )
    kept = Content(
        reason="review",
        prompts=(marks.text(), (("user", marks.text()), ("assistant", marks.text()))),
        choices=tuple(Choice(prompt=n, text=marks.text(), finish_reason="stop", tokens=2) for n in (0, 1)),
        sampling={},
    )
    requests.add(site.store, [Ended(request=asked, content=kept)])
    found = NewCase(kind="finding", application_id=application, signal="critical", summary=marks.text(),
                    requests=("cmpl-1",), is_grave=True)  # fmt: skip
    return cases.add(site.store, found, now=site.clock.now)


def _measure(site: Here, marks: Marks, application: str, people: tuple[Visitor, Visitor, Visitor]) -> None:
    """Stop and slow the application, let its customer appeal, and let a job fail."""
    cleo, rita, ada = people
    at = f"/console/apps/{application}"
    done(rita.post(f"{at}/throttle", percent="10", reason="A rise."))
    done(cleo.post(f"/apps/{application}/appeals", text=f"{marks.text()} and more of it."))
    done(rita.post(f"{at}/suspend", reason=marks.text()))
    done(ada.post(f"{at}/revoke", reason=marks.text()))
    now = site.clock.now
    jobs.enqueue(site.store, [NewJob(kind="alert", arguments={"case": 1}, id="job-1")], now=now)
    for _ in range(jobs.ATTEMPTS):
        job = jobs.claim(site.store, ["alert"], worker="w", now=now, until=now + timedelta(minutes=1))
        assert job
        jobs.fail(site.store, job, marks.text() if job.attempts == jobs.ATTEMPTS else "away", now=now, again=now)


def done(answer: object) -> None:
    """Expect that a form was taken."""
    assert answer.status_code == 303, answer.text  # type: ignore[attr-defined]
