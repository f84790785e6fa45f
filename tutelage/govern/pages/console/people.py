"""Organisations and their people, and the operator's own: inviting, keeping out, a new password."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from tutelage.errors import DataError, RefusedError
from tutelage.govern.pages.common import attempt, done, show
from tutelage.govern.pages.console.staff import ADMINISTRATORS
from tutelage.store import accounts, organisations
from tutelage.store.accounts import INVITATION, Offer, Person, Role
from tutelage.web.access import Current
from tutelage.web.entry import link_of
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

router = APIRouter(prefix="/console/people", dependencies=ADMINISTRATORS)
#: Who is invited and looked after here.
ROLES: tuple[Role, ...] = ("customer", "reviewer", "admin")
_LONGEST_NOTE = 200


@router.get("")
def people(request: Request, here: Here) -> HTMLResponse:
    """Show organisations with their people, and the operator's people."""
    return _page(request, here)


@router.post("/customers")
def invite_customer(request: Request, here: Here, person: Current, fields: Fields) -> HTMLResponse:
    """Make a link for a customer of an organisation; one that is not there yet is made."""
    chosen, new = fields.get("organisation", ""), fields.get("new", "")
    try:
        if not chosen:
            chosen = organisations.create(here.store, new, by=person.id, now=here.now()).id
        offer = Offer(role="customer", organisation=chosen, note=_note(fields))
        token = accounts.invite(here.store, offer, by=person.id, now=here.now())
    except DataError as error:
        return _page(request, here, problem=str(error))
    return _page(request, here, link=link_of(request, token))


@router.post("/staff")
def invite_staff(request: Request, here: Here, person: Current, fields: Fields) -> HTMLResponse:
    """Make a link for a reviewer or an administrator."""
    role: Role = "admin" if fields.get("role") == "admin" else "reviewer"
    token = accounts.invite(here.store, Offer(role=role, note=_note(fields)), by=person.id, now=here.now())
    return _page(request, here, link=link_of(request, token))


@router.post("/invitations/{made}/withdraw")
def withdraw(here: Here, person: Current, made: str) -> Response:
    """Make a link useless."""
    if any(one.id == made for one in accounts.open_invitations(here.store, ROLES, now=here.now())):
        accounts.withdraw_invitation(here.store, made, by=person.id, now=here.now())
    return done("/console/people", "invitation_withdrawn")


@router.post("/organisations/{organisation}/{act}")
def set_organisation(
    request: Request,
    here: Here,
    person: Current,
    organisation: str,
    act: Literal["suspend", "reinstate"],
    fields: Fields,
) -> Response:
    """Let all keys of an organisation give nothing, or let them work again; with a reason, which is kept."""
    reason = fields.get("reason", "").strip()

    def do() -> None:
        if not reason:
            raise DataError("Say why; the reason is kept in the log.")
        is_active = act == "reinstate"
        organisations.set_active(here.store, organisation, is_active, by=person.id, reason=reason, now=here.now())

    problem = attempt(do)
    return _page(request, here, problem=problem) if problem else done("/console/people", "organisation")


@router.post("/{whom}/suspend")
def suspend(request: Request, here: Here, person: Current, whom: str) -> Response:
    """Keep somebody out from now on."""

    def do() -> None:
        if _looked_after(here, whom).id == person.id:
            raise DataError("Nobody can suspend the own account; ask another administrator.")
        accounts.set_active(here.store, whom, False, by=person.id, now=here.now())

    problem = attempt(do)
    return _page(request, here, problem=problem) if problem else done("/console/people", "person")


@router.post("/{whom}/reinstate")
def reinstate(here: Here, person: Current, whom: str) -> Response:
    """Let somebody in again."""
    accounts.set_active(here.store, _looked_after(here, whom).id, True, by=person.id, now=here.now())
    return done("/console/people", "person")


@router.post("/{whom}/renew")
def renew(request: Request, here: Here, person: Current, whom: str) -> HTMLResponse:
    """Make a link by which somebody sets a new password."""
    other = _looked_after(here, whom)
    offer = Offer(role=other.role, group=other.group, person=other.id)
    token = accounts.invite(here.store, offer, by=person.id, now=here.now())
    return _page(request, here, link=link_of(request, token))


def _looked_after(here: Site, whom: str) -> Person:
    other = accounts.get(here.store, whom)
    if other.role not in ROLES:
        raise RefusedError("Labelers and leads are looked after in the labeling app.")
    return other


def _note(fields: dict[str, str]) -> str:
    return fields.get("note", "").strip()[:_LONGEST_NOTE]


def _page(request: Request, here: Site, *, problem: str = "", link: str = "") -> HTMLResponse:
    everybody = accounts.all_people(here.store, ROLES)
    firms = organisations.find(here.store)
    values: dict[str, Any] = {
        "firms": firms,
        "firm_names": {one.id: one.name for one in firms},
        "members": {one.id: [who for who in everybody if who.organisation == one.id] for one in firms},
        "staff": [who for who in everybody if who.role != "customer"],
        "people_names": {one.id: one.name for one in everybody},
        "invitations": accounts.open_invitations(here.store, ROLES, now=here.now()),
        "link": link,
        "until": here.now() + INVITATION,
    }
    return show(request, here, "console/people.html", values, problem=problem)
