"""Taking a labeler's labels back: what is stored, what a withdrawal would mean, and doing it."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.feedback import withdrawal
from tutelage.feedback.staff import LOOKS_AFTER, check_looks_after
from tutelage.store import accounts, withdrawals
from tutelage.store.accounts import ROLES, Person
from tutelage.web.access import Current, require
from tutelage.web.errors import ApiError
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

router = APIRouter()


@router.get("/people/{whom}/withdrawal", dependencies=[Depends(require(*LOOKS_AFTER))])
def look(request: Request, here: Here, person: Current, whom: str) -> HTMLResponse:
    """Show what a withdrawal would take back, or took."""
    return _page(request, here, _labeler(here, person, whom))


@router.post("/people/{whom}/withdrawal", dependencies=[Depends(require(*LOOKS_AFTER))])
def withdraw(request: Request, here: Here, person: Current, whom: str, fields: Fields) -> Response:
    """Withdraw a labeler; the form says that one knows that it is for ever."""
    other = _labeler(here, person, whom)
    if fields.get("sure") != "yes":
        return _page(request, here, other, problem=here.pages.words("withdrawal.not_sure"))
    withdrawal.withdraw_labeler(here.store, other.labeler, by=person.id, now=here.now())
    return RedirectResponse(f"/people/{whom}/withdrawal", status_code=303)


@router.post("/account/withdrawal", dependencies=[Depends(require(*ROLES))])
def ask(here: Here, person: Current) -> Response:
    """Ask that the own labels are used no more; a lead or administrator does it."""
    if not person.labeler:
        raise ApiError(400, here.pages.words("withdrawal.no_labels"))
    withdrawals.ask(here.store, person.labeler, by=person.id, now=here.now())
    return RedirectResponse("/account#withdrawal", status_code=303)


def _labeler(here: Site, person: Person, whom: str) -> Person:
    other = accounts.get(here.store, whom)
    check_looks_after(person, other.role)
    if not other.labeler:
        raise ApiError(400, here.pages.words("withdrawal.no_labels"))
    return other


def _page(request: Request, here: Site, other: Person, *, problem: str = "") -> HTMLResponse:
    values = {
        "other": other,
        "effect": withdrawal.effect(here.store, other.labeler),
        "asked": withdrawals.asked(here.store).get(other.labeler),
        "withdrawn": withdrawals.withdrawn(here.store).get(other.labeler),
        "problem": problem,
    }
    return here.pages.render(request, "withdrawal.html", 400 if problem else 200, **values)
