"""A customer's applications: the list, the form, and the steps that a customer takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import DataError
from tutelage.govern import review
from tutelage.govern.pages import forms
from tutelage.govern.pages.common import attempt, done, show
from tutelage.govern.pages.customer.own import CUSTOMERS, Own
from tutelage.records import USE_CASE_SHARES
from tutelage.store import applications, organisations
from tutelage.store.application_forms import AUDIENCES, RISKS
from tutelage.store.applications import EDITABLE, Application, State
from tutelage.web.access import Current
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

router = APIRouter(prefix="/apps", dependencies=CUSTOMERS)
CHOICES = {"use_cases": tuple(USE_CASE_SHARES), "audiences": AUDIENCES, "risks": RISKS}
#: Where a customer may move an application.
STEPS: tuple[State, ...] = ("sandbox", "in_review")


@router.get("")
def all_of_them(request: Request, here: Here, person: Current) -> HTMLResponse:
    """Show the organisation's applications."""
    found = applications.find(here.store, organisation=person.organisation)
    firm = organisations.get(here.store, person.organisation)
    return show(request, here, "customer/apps.html", {"apps": found, "firm": firm})


@router.get("/new")
def empty_form(request: Request, here: Here) -> HTMLResponse:
    """Show an empty form."""
    return _form(request, here, None, forms.EMPTY)


@router.post("/new")
def create(request: Request, here: Here, person: Current, fields: Fields) -> Response:
    """Keep a form as a draft, or show what is wrong with it."""
    values = forms.typed(fields)
    try:
        form = forms.application_form(values)
        made = applications.create(here.store, person.organisation, values["name"], form, by=person.id, now=here.now())
    except DataError as error:
        return _form(request, here, None, values, str(error))
    return done(f"/apps/{made.id}", "saved")


@router.get("/{application}")
def overview(request: Request, here: Here, own: Own, person: Current) -> HTMLResponse:
    """Show how an application stands, and what to do next."""
    return _overview(request, here, own, person.organisation)


@router.post("/{application}/move")
def move(request: Request, here: Here, own: Own, person: Current, fields: Fields) -> Response:
    """Begin in the sandbox, send in for review, or take that back."""
    to = next((step for step in STEPS if step == fields.get("to")), None)
    if to is None:
        return RedirectResponse(f"/apps/{own.id}", status_code=303)
    said = fields.get("reason", "")
    problem = attempt(lambda: applications.move(here.store, own.id, to, by=person.id, reason=said, now=here.now()))
    return _overview(request, here, own, person.organisation, problem) if problem else done(f"/apps/{own.id}", to)


@router.get("/{application}/form")
def form(request: Request, here: Here, own: Own) -> HTMLResponse:
    """Show what was said about an application, to be changed where it may be."""
    return _form(request, here, own, _said(own))


@router.post("/{application}/form")
def edit(request: Request, here: Here, own: Own, person: Current, fields: Fields) -> Response:
    """Change what is said about an application."""
    values = forms.typed(fields)
    problem = attempt(
        lambda: applications.edit(
            here.store, own.id, values["name"], forms.application_form(values), by=person.id, now=here.now()
        )
    )
    return _form(request, here, own, values, problem) if problem else done(f"/apps/{own.id}", "saved")


def _said(own: Application) -> dict[str, Any]:
    return {"name": own.name, **{name: getattr(own.form, name) for name in forms.EMPTY if name != "name"}}


def _form(
    request: Request, here: Site, own: Application | None, values: Mapping[str, Any], problem: str = ""
) -> HTMLResponse:
    is_open = own is None or own.state_at(here.now()) in EDITABLE
    given = {**CHOICES, "own": own, "values": values, "is_open": is_open}
    return show(request, here, "customer/form.html", given, problem=problem)


def _overview(request: Request, here: Site, own: Application, organisation: str, problem: str = "") -> HTMLResponse:
    words = here.pages.words
    common = {"monitor": words("by.monitor"), "clock": words("by.clock"), "*": words("by.staff")}
    values = {
        "own": own,
        "state": own.state_at(here.now()),
        "steps": applications.history(here.store, own.id),
        "who": {**common, **{one.id: words("by.you") for one in organisations.people_of(here.store, organisation)}},
        "due": review.WAITS,
        "sent": applications.sent_in(here.store).get(own.id),
    }
    return show(request, here, "customer/overview.html", values, problem=problem)
