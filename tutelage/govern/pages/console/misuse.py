"""What the misuse monitor wants looked at, what was said there, and what customers say against measures."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, Response

from tutelage.errors import ConflictError, DataError, MissingError, RefusedError
from tutelage.govern.pages.common import attempt, done, show
from tutelage.govern.pages.console.staff import REVIEWERS, names
from tutelage.store import appeals, applications, cases, contents, requests
from tutelage.store.cases import CODES
from tutelage.store.requests import Content
from tutelage.web.access import Current
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

router = APIRouter(prefix="/console", dependencies=REVIEWERS)
#: How many requests of a case are shown.
SHOWN = 50
#: The number of a case or an appeal, as no larger one can be.
Number = Annotated[int, Path(ge=1, le=2**53)]


@router.get("/cases")
def waiting(request: Request, here: Here, kind: str = "") -> HTMLResponse:
    """Show the open cases, those due first first."""
    wanted = cast(cases.Kind, kind) if kind in ("finding", "spot_check") else None
    values = {"cases": cases.waiting(here.store, kind=wanted), "kind": kind}
    return show(request, here, "console/cases.html", values)


@router.get("/cases/{number}")
def case(request: Request, here: Here, number: Number) -> HTMLResponse:
    """Show a case: what was found, in which requests, never what was said in them."""
    return _case(request, here, number)


@router.post("/cases/{number}/read")
def read(request: Request, here: Here, person: Current, number: Number, fields: Fields) -> HTMLResponse:
    """Show what was said in a request of a case to somebody who says why; the look is in the log."""
    id, why = fields.get("request", ""), fields.get("reason", "")
    if id not in cases.get(here.store, number).found.requests:
        raise MissingError("This request is not of this case; reload the page.")
    try:
        found = contents.read(here.store, id, person=person, reason=why, now=here.now())
    except (DataError, RefusedError, MissingError) as error:
        return _case(request, here, number, problem=str(error))
    return _case(request, here, number, read=(id, found))


@router.post("/cases/{number}/decide")
def decide(request: Request, here: Here, person: Current, number: Number, fields: Fields) -> Response:
    """Confirm or dismiss a case, for a reason of the list."""
    verdict, code = cast(cases.Verdict, fields.get("verdict", "")), cast(cases.Code, fields.get("code", ""))
    note = fields.get("note", "")
    problem = attempt(
        lambda: cases.decide(here.store, number, verdict, code=code, note=note, by=person.id, now=here.now())
    )
    return _case(request, here, number, problem=problem) if problem else done("/console/cases", "decided")


@router.get("/appeals")
def open_appeals(request: Request, here: Here) -> HTMLResponse:
    """Show the open appeals."""
    return _appeals(request, here)


@router.post("/appeals/{number}/decide")
def decide_appeal(request: Request, here: Here, person: Current, number: Number, fields: Fields) -> Response:
    """Uphold or overturn, with a reason that the customer reads; what was overturned is lifted on its page."""
    decision, reason = cast(appeals.Decision, fields.get("decision", "")), fields.get("reason", "")
    try:
        made = appeals.decide(here.store, number, decision, reason=reason, by=person.id, now=here.now())
    except (DataError, ConflictError, RefusedError) as error:
        return _appeals(request, here, str(error))
    return done(f"/console/apps/{made.application_id}" if decision == "overturned" else "/console/appeals", "decided")


def _case(
    request: Request, here: Site, number: int, *, problem: str = "", read: tuple[str, Content] | None = None
) -> HTMLResponse:
    found = cases.get(here.store, number)
    known = {id: requests.get(here.store, id) for id in found.found.requests[:SHOWN]}
    values = {
        "case": found,
        "app": applications.get(here.store, found.found.application_id),
        "requests": known,
        "hits": {id: requests.hits(here.store, id) for id, one in known.items() if one},
        "more": max(0, len(found.found.requests) - SHOWN),
        "read": read,
        "codes": CODES,
        "names": names(here.store),
    }
    return show(request, here, "console/case.html", values, problem=problem)


def _appeals(request: Request, here: Site, problem: str = "") -> HTMLResponse:
    values = {"appeals": appeals.waiting(here.store), "names": names(here.store)}
    return show(request, here, "console/appeals.html", values, problem=problem)
