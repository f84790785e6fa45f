"""How much is asked for, by whom; and the background work, with what it could not do."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from tutelage.govern.pages.chart import bars
from tutelage.govern.pages.common import attempt, done, show
from tutelage.govern.pages.console.staff import ADMINISTRATORS, REVIEWERS
from tutelage.store import applications, audit, jobs, requests, usage
from tutelage.web.access import Current
from tutelage.web.site import Here, Site

router = APIRouter(prefix="/console", dependencies=REVIEWERS)
#: For how many days usage may be shown, and how many applications and jobs.
SPANS = {"1": 1, "7": 7, "30": 30}
SHOWN = 100


@router.get("/usage")
def show_usage(request: Request, here: Here, days: str = "7") -> HTMLResponse:
    """Show each application's calls of the last days."""
    span, now = SPANS.get(days, 7), here.now()
    counts = requests.tallies(here.store, since=now - timedelta(days=span), until=now)
    known = {one.id: one for one in applications.find(here.store)}
    rows = [(known[id], tally) for id, tally in counts.items() if id in known]
    found = usage.days(here.store, count=max(span, 14), now=now)
    values = {
        "rows": sorted(rows, key=lambda row: (-row[1].requests, row[0].id))[:SHOWN],
        "more": max(0, len(rows) - SHOWN),
        "span": span,
        "spans": tuple(SPANS.values()),
        "days": found,
        "requests": bars([one.requests for one in found]),
    }
    return show(request, here, "console/usage.html", values)


@router.get("/jobs")
def show_jobs(request: Request, here: Here) -> HTMLResponse:
    """Show the background work."""
    return _jobs(request, here)


@router.post("/jobs/{job}/retry", dependencies=ADMINISTRATORS)
def retry(request: Request, here: Here, person: Current, job: str) -> Response:
    """Try a failed job again."""
    event = audit.Event(actor=person.id, action="job.retry", subject=job)
    store = audit.audited(here.store, event, now=here.now())
    problem = attempt(lambda: jobs.retry(store, job, now=here.now()))
    return _jobs(request, here, problem) if problem else done("/console/jobs", "retried")


def _jobs(request: Request, here: Site, problem: str = "") -> HTMLResponse:
    values = {"jobs": jobs.find(here.store, limit=SHOWN), "shown": SHOWN}
    return show(request, here, "console/jobs.html", values, problem=problem)
