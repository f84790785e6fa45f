"""The page about people: inviting, suspending, giving a new password. Leads look after candidates and labelers."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.feedback import staff
from tutelage.feedback.actor import Actor
from tutelage.feedback.staff import LOOKS_AFTER
from tutelage.store import accounts, withdrawals
from tutelage.store.accounts import INVITATION, LABELING, Person
from tutelage.web.access import Current, require
from tutelage.web.entry import link_of
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

router = APIRouter(prefix="/people", dependencies=[Depends(require(*LOOKS_AFTER))])


@router.get("")
def people(request: Request, here: Here, person: Current) -> HTMLResponse:
    """Show everybody and the open invitations."""
    return _page(request, here, person)


@router.post("/invitations")
def invite(request: Request, here: Here, person: Current, fields: Fields) -> HTMLResponse:
    """Make a link and show it, this once."""
    role, _, group = fields.get("who", "").partition("/")
    note = fields.get("note", "")
    token = staff.invite(here.store, Actor(person=person), role, group, note, now=here.now())
    return _with_link(request, here, person, token, note.strip())


@router.post("/invitations/{made}/withdraw")
def withdraw(here: Here, person: Current, made: str) -> Response:
    """Make a link useless."""
    staff.withdraw(here.store, Actor(person=person), made, now=here.now())
    return RedirectResponse("/people", status_code=303)


@router.post("/{whom}/suspend")
def suspend(here: Here, person: Current, whom: str) -> Response:
    """Keep somebody out from now on; labels stay."""
    staff.set_active(here.store, Actor(person=person), whom, False, now=here.now())
    return RedirectResponse("/people", status_code=303)


@router.post("/{whom}/reinstate")
def reinstate(here: Here, person: Current, whom: str) -> Response:
    """Let somebody in again."""
    staff.set_active(here.store, Actor(person=person), whom, True, now=here.now())
    return RedirectResponse("/people", status_code=303)


@router.post("/{whom}/renew")
def renew(request: Request, here: Here, person: Current, whom: str) -> HTMLResponse:
    """Make a link by which somebody sets a new password."""
    token = staff.renew(here.store, Actor(person=person), whom, now=here.now())
    return _with_link(request, here, person, token, accounts.get(here.store, whom).name)


def _with_link(request: Request, here: Site, person: Person, token: str, who: str) -> HTMLResponse:
    return _page(request, here, person, link=link_of(request, token), who=who, expires=here.now() + INVITATION)


def _page(request: Request, here: Site, person: Person, **made: Any) -> HTMLResponse:
    everybody = accounts.all_people(here.store, LABELING)
    values = {
        "people": everybody,
        "names": {one.id: one.name for one in everybody},
        "mine": LOOKS_AFTER[person.role],
        "invitations": accounts.open_invitations(here.store, LABELING, now=here.now()),
        "offers": staff.offers(person),
        "asked": withdrawals.asked(here.store),
        "only_labels": accounts.ONLY_LABELS,
        "withdrawn": withdrawals.withdrawn(here.store),
        "now": here.now(),
        "link": "",
    }
    return here.pages.render(request, "people.html", **{**values, **made})
