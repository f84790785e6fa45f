"""Taking a labeler's labels back: what is stored, what a withdrawal would mean, and doing it."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.feedback import withdrawal
from tutelage.feedback.actor import Actor
from tutelage.feedback.staff import LOOKS_AFTER
from tutelage.store import withdrawals
from tutelage.store.accounts import LABELING, Person
from tutelage.web.access import Current, require
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

router = APIRouter()


@router.get("/people/{whom}/withdrawal", dependencies=[Depends(require(*LOOKS_AFTER))])
def look(request: Request, here: Here, person: Current, whom: str) -> HTMLResponse:
    """Show what a withdrawal would take back, or took."""
    return _page(request, here, withdrawal.labeler_of(here.store, Actor(person=person), whom))


@router.post("/people/{whom}/withdrawal", dependencies=[Depends(require(*LOOKS_AFTER))])
def withdraw(request: Request, here: Here, person: Current, whom: str, fields: Fields) -> Response:
    """Withdraw a labeler; the form says that one knows that it is for ever."""
    actor = Actor(person=person)
    if fields.get("sure") != "yes":
        other = withdrawal.labeler_of(here.store, actor, whom)
        return _page(request, here, other, problem=here.pages.words("withdrawal.not_sure"))
    withdrawal.withdraw(here.store, actor, whom, now=here.now())
    return RedirectResponse(f"/people/{whom}/withdrawal", status_code=303)


@router.post("/account/withdrawal", dependencies=[Depends(require(*LABELING))])
def ask(here: Here, person: Current) -> Response:
    """Ask that the own labels are used no more; a lead or administrator does it."""
    withdrawal.ask(here.store, Actor(person=person), now=here.now())
    return RedirectResponse("/account#withdrawal", status_code=303)


def _page(request: Request, here: Site, other: Person, *, problem: str = "") -> HTMLResponse:
    values = {
        "other": other,
        "effect": withdrawal.effect(here.store, other.labeler),
        "asked": withdrawals.asked(here.store).get(other.labeler),
        "withdrawn": withdrawals.withdrawn(here.store).get(other.labeler),
        "problem": problem,
    }
    return here.pages.render(request, "withdrawal.html", 400 if problem else 200, **values)
