"""One application as its reviewers see it: what it says, what happened to it, and every decision about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from tutelage.errors import DataError
from tutelage.govern import review
from tutelage.govern.pages import forms
from tutelage.govern.pages.common import attempt, done, show
from tutelage.govern.pages.console.staff import REVIEWERS, names
from tutelage.store import appeals, applications, cases, keys, organisations, quotas
from tutelage.store.application_forms import LIVE, Conditions
from tutelage.store.applications import MOVES, Application, State
from tutelage.store.standing import Actor
from tutelage.web.access import Current
from tutelage.web.forms import Fields, number
from tutelage.web.site import Here, Site

router = APIRouter(prefix="/console/apps/{application}", dependencies=REVIEWERS)
_STAFF: Actor = "staff"


@router.get("")
def application(request: Request, here: Here, application: str) -> HTMLResponse:
    """Show an application with all that a decision needs."""
    return _page(request, here, application)


@router.post("/decide")
def decide(request: Request, here: Here, person: Current, application: str, fields: Fields) -> Response:
    """Let an application go live with conditions, ask for changes, or refuse it; each with its reason."""
    decision, said = fields.get("decision", ""), fields.get("reason", "")

    def act() -> None:
        code: review.Code = next((code for code in review.CODES if code == fields.get("code")), "other")
        to, conditions, why = _decided(decision, said, code, fields, here)
        applications.move(here.store, application, to, by=person.id, reason=why, conditions=conditions, now=here.now())

    return _acted(request, here, application, act, decision, fields)


@router.post("/suspend")
def suspend(request: Request, here: Here, person: Current, application: str, fields: Fields) -> Response:
    """Stop serving an application at once, running answers included."""

    def act() -> None:
        applications.move(
            here.store, application, "suspended", by=person.id, reason=fields.get("reason", ""), now=here.now()
        )

    return _acted(request, here, application, act, "suspended", fields)


@router.post("/lift")
def lift(request: Request, here: Here, person: Current, application: str, fields: Fields) -> Response:
    """Let a suspended application work again, as it was before."""

    def act() -> None:
        was_live = applications.get(here.store, application).conditions is not None
        to: State = "live" if was_live else "sandbox"
        applications.move(here.store, application, to, by=person.id, reason=fields.get("reason", ""), now=here.now())

    return _acted(request, here, application, act, "lifted", fields)


@router.post("/throttle")
def throttle(request: Request, here: Here, person: Current, application: str, fields: Fields) -> Response:
    """Let an application use a share of its limits."""

    def act() -> None:
        percent = number(fields, "percent")
        if percent is None:
            raise DataError("The share is to be a whole number of per cent, from 1 to 100.")
        reason = fields.get("reason", "")
        applications.throttle(here.store, application, percent / 100, by=person.id, reason=reason, now=here.now())

    return _acted(request, here, application, act, "throttled", fields)


@router.post("/revoke")
def revoke(request: Request, here: Here, person: Current, application: str, fields: Fields) -> Response:
    """Ask for an application to be revoked; where another person asked already, revoke it for ever."""
    reason, now = fields.get("reason", ""), here.now()
    if applications.get(here.store, application).revocation_by is None:
        return _acted(
            request,
            here,
            application,
            lambda: applications.ask_revocation(here.store, application, by=person.id, reason=reason, now=now),
            "revocation_asked",
            fields,
        )
    return _acted(
        request,
        here,
        application,
        lambda: applications.move(here.store, application, "revoked", by=person.id, reason=reason, now=now),
        "revoked",
        fields,
    )


@router.post("/keep")
def keep(request: Request, here: Here, person: Current, application: str, fields: Fields) -> Response:
    """Decide that an application is not revoked after all."""
    return _acted(
        request,
        here,
        application,
        lambda: applications.drop_revocation(here.store, application, by=person.id, now=here.now()),
        "revocation_dropped",
        fields,
    )


def _decided(
    decision: str, said: str, code: review.Code, fields: Mapping[str, str], here: Site
) -> tuple[State, Conditions | None, str]:
    """Return where a decision leads, under which conditions, and what its customer reads."""
    if decision == "approved":
        return "live", forms.conditions(fields, here.now()), said
    if decision == "changes_requested":
        return "changes_requested", None, review.reason(code, said)
    if decision == "not_approved":
        return "sandbox", None, review.reason(code, said)
    raise DataError("Let it go live, ask for changes, or refuse it: choose one.")


def _acted(
    request: Request,
    here: Site,
    application: str,
    act: Callable[[], object],
    what: str,
    fields: Mapping[str, str],
) -> Response:
    problem = attempt(act)
    if problem:
        return _page(request, here, application, problem, fields)
    return done(f"/console/apps/{application}", what)


def _page(
    request: Request, here: Site, application: str, problem: str = "", given: Mapping[str, str] | None = None
) -> HTMLResponse:
    found = applications.get(here.store, application)
    state = found.state_at(here.now())
    known, words = names(here.store), here.pages.words
    by = {"": words("by.nobody"), "monitor": words("by.monitor"), "clock": words("by.clock"), "*": words("by.nobody")}
    owned = keys.of(here.store, found.id)
    values = {
        "app": found,
        "state": state,
        "tier": review.tier(found.form),
        "checklist": review.checklist(found.form),
        "steps": applications.history(here.store, found.id),
        "names": known,
        "who": {**by, **known},
        "cases": cases.of_application(here.store, found.id)[::-1],
        "appeals": appeals.of_application(here.store, found.id)[::-1],
        "keys": owned,
        "live_keys": sum(one.is_live(here.now()) for one in owned),
        "used": quotas.used(here.store, found.id, now=here.now()),
        "due": applications.sent_in(here.store).get(found.id),
        "waits": review.WAITS,
        "codes": review.CODES,
        "may": [to for to, actors in MOVES[state].items() if _STAFF in actors],
        "given": {**_conditions(found), **(given or {})},
        "firm": organisations.get(here.store, found.organisation),
    }
    return show(request, here, "console/application.html", values, problem=problem)


def _conditions(found: Application) -> dict[str, Any]:
    """Return the conditions to begin with: those that it has, else what is usual."""
    kept = found.conditions
    limits = kept.limits if kept else LIVE
    days = {"reason": "", "decision": "", "code": "", "days": "", "models": " ".join(kept.models) if kept else ""}
    chosen = {"filter_mode": kept.filter_mode if kept else "block", "data_use": kept.data_use if kept else "training"}
    return {**days, **chosen, **{name: getattr(limits, name) for name in forms.LIMITS}}
