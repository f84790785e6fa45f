"""What was found in an application's traffic, what was done about it, and what its customer says against that."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from tutelage.govern.pages.common import attempt, done, show
from tutelage.govern.pages.customer.own import CUSTOMERS, Own
from tutelage.store import appeals, applications, cases
from tutelage.store.applications import Application
from tutelage.web.access import Current
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

router = APIRouter(prefix="/apps/{application}", dependencies=CUSTOMERS)


@router.get("/cases")
def list_cases(request: Request, here: Here, own: Own) -> HTMLResponse:
    """Show cases, measures and appeals."""
    return _page(request, here, own)


@router.post("/appeals")
def appeal(request: Request, here: Here, own: Own, person: Current, fields: Fields) -> Response:
    """Appeal against the last measure."""
    said = fields.get("text", "")
    problem = attempt(lambda: appeals.add(here.store, own.id, said, by=person.id, now=here.now()))
    return _page(request, here, own, problem, said) if problem else done(f"/apps/{own.id}/cases", "appealed")


def _page(request: Request, here: Site, own: Application, problem: str = "", said: str = "") -> HTMLResponse:
    made = appeals.of_application(here.store, own.id)
    values = {
        "own": own,
        "cases": cases.of_application(here.store, own.id)[::-1],
        "appeals": made[::-1],
        "may_appeal": _is_measured(here, own) and all(one.decision != "open" for one in made),
        "said": said,
    }
    return show(request, here, "customer/cases.html", values, problem=problem)


def _is_measured(here: Site, own: Application) -> bool:
    """Say whether something was done to an application: it was stopped, sent back, or may use less."""
    steps = applications.history(here.store, own.id)
    was_sent_back = bool(steps) and (steps[-1].before, steps[-1].after) == ("live", "sandbox")
    return own.state in ("suspended", "revoked") or own.share < 1 or was_sent_back
