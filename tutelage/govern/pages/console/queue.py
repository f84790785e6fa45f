"""What waits for the operator's people, and the list of all applications."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.govern.pages.common import show
from tutelage.govern.pages.console.staff import REVIEWERS, queue
from tutelage.store import accounts, appeals, applications, cases, jobs
from tutelage.store.applications import STATES, State
from tutelage.web.site import Here

QUEUE = "/console/queue"
#: How many applications a page lists; the search finds the others.
SHOWN = 200

router = APIRouter(prefix="/console", dependencies=REVIEWERS)


@router.get("")
def console() -> Response:
    """Lead to what waits."""
    return RedirectResponse(QUEUE, status_code=303)


@router.get("/queue")
def waiting(request: Request, here: Here) -> HTMLResponse:
    """Show applications under review, and how much else waits."""
    asked = [one for one in applications.find(here.store) if one.revocation_by is not None and one.state != "revoked"]
    values = {
        "queue": queue(here.store),
        "revocations": asked,
        "cases": len(cases.waiting(here.store)),
        "appeals": len(appeals.waiting(here.store)),
        "failed": len(jobs.find(here.store, states=("failed",))),
    }
    return show(request, here, "console/queue.html", values)


@router.get("/apps")
def all_of_them(request: Request, here: Here, state: str = "", name: str = "") -> HTMLResponse:
    """Show all applications, or those in a state, or those whose name or organisation has a word in it."""
    wanted: tuple[State, ...] = tuple(one for one in STATES if one == state)
    word = accounts.key_of(name)
    found = [
        one
        for one in applications.find(here.store, states=wanted)
        if word in accounts.key_of(f"{one.name} {one.organisation_name} {one.id}")
    ]
    values = {"apps": found[:SHOWN], "more": max(0, len(found) - SHOWN), "states": STATES, "state": state, "name": name}
    return show(request, here, "console/apps.html", values)
