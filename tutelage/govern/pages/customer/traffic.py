"""What an application used, and what may be done with what it sends."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from tutelage.govern import consent
from tutelage.govern.pages.chart import bars
from tutelage.govern.pages.common import attempt, done, show
from tutelage.govern.pages.customer.own import CUSTOMERS, Own
from tutelage.store import end_users, notices, quotas, usage
from tutelage.store.applications import Application
from tutelage.web.access import Current
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

router = APIRouter(prefix="/apps/{application}", dependencies=CUSTOMERS)
#: How many days the figures show.
DAYS = 14


@router.get("/usage")
def show_usage(request: Request, here: Here, own: Own) -> HTMLResponse:
    """Show what was used, and how much may be."""
    found = usage.days(here.store, application=own.id, count=DAYS, now=here.now())
    values = {
        "own": own,
        "limits": own.limits,
        "used": quotas.used(here.store, own.id, now=here.now()),
        "people": end_users.count(here.store, own.id),
        "days": found,
        "requests": bars([one.requests for one in found]),
        "tokens": bars([one.tokens for one in found]),
    }
    return show(request, here, "customer/usage.html", values)


@router.get("/data")
def show_data(request: Request, here: Here, own: Own) -> HTMLResponse:
    """Show the notice, and what was chosen under which version of it."""
    return _data(request, here, own)


@router.post("/data/agree")
def agree(request: Request, here: Here, own: Own, person: Current, fields: Fields) -> Response:
    """Agree to the version of the notice that the page showed."""
    version = fields.get("notice", "")
    problem = attempt(lambda: notices.agree(here.store, own.id, version, by=person.id, now=here.now()))
    return _data(request, here, own, problem) if problem else done(f"/apps/{own.id}/data", "agreed")


@router.post("/data/refuse")
def refuse(here: Here, own: Own, person: Current) -> Response:
    """Let what is sent from now on be used for nothing."""
    notices.refuse(here.store, own.id, by=person.id, now=here.now())
    return done(f"/apps/{own.id}/data", "refused")


@router.post("/data/withdraw")
def withdraw(request: Request, here: Here, own: Own, person: Current, fields: Fields) -> Response:
    """Take all that was ever sent out of use; who only clicked is asked first."""
    if "sure" not in fields:
        return _data(request, here, own, here.pages.words("data.not_sure"))
    consent.withdraw_application(here.store, own.id, by=person.id, now=here.now())
    return done(f"/apps/{own.id}/data", "withdrawn")


def _data(request: Request, here: Site, own: Application, problem: str = "") -> HTMLResponse:
    values = {
        "own": own,
        "newest": consent.notice(here.store, now=here.now()),
        "decisions": notices.decisions(here.store, own.id),
        "effect": consent.effect(here.store, own.id),
        "is_permitted": own.conditions is None or own.conditions.data_use == "training",
    }
    return show(request, here, "customer/data.html", values, problem=problem)
