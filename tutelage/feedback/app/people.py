"""The page about people: inviting, suspending, giving a new password. Leads look after candidates and labelers."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.feedback.app.entry import LINK
from tutelage.store import accounts, withdrawals
from tutelage.store.accounts import GROUPS, INVITATION, ROLES, Offer, Person, Role
from tutelage.web.access import Current, require
from tutelage.web.errors import ApiError
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

#: The roles that a role invites and looks after.
LOOKS_AFTER: dict[Role, tuple[Role, ...]] = {"lead": ("candidate", "labeler"), "admin": ROLES}

router = APIRouter(prefix="/people", dependencies=[Depends(require(*LOOKS_AFTER))])


@router.get("")
def people(request: Request, here: Here, person: Current) -> HTMLResponse:
    """Show everybody and the open invitations."""
    return _page(request, here, person)


@router.post("/invitations")
def invite(request: Request, here: Here, person: Current, fields: Fields) -> HTMLResponse:
    """Make a link and show it, this once."""
    role, _, group = fields.get("who", "").partition("/")
    offers = {(offer.role, offer.group): offer for offer in _offers(person)}
    if (role, group) not in offers:
        raise ApiError(403, here.pages.words("people.not_yours"))
    chosen = offers[role, group]  # type: ignore[index]
    note = fields.get("note", "").strip()[:200]
    return _with_link(request, here, person, Offer(role=chosen.role, group=chosen.group, note=note), note)


@router.post("/invitations/{made}/withdraw")
def withdraw(here: Here, person: Current, made: str) -> Response:
    """Make a link useless."""
    for invitation in accounts.open_invitations(here.store, now=here.now()):
        if invitation.id == made:
            check_looks_after(here, person, invitation.offer.role)
    accounts.withdraw_invitation(here.store, made, by=person.id, now=here.now())
    return RedirectResponse("/people", status_code=303)


@router.post("/{whom}/suspend")
def suspend(here: Here, person: Current, whom: str) -> Response:
    """Keep somebody out from now on; labels stay."""
    check_looks_after(here, person, accounts.get(here.store, whom).role)
    if whom == person.id:
        raise ApiError(400, here.pages.words("people.not_self"))
    accounts.set_active(here.store, whom, False, by=person.id, now=here.now())
    return RedirectResponse("/people", status_code=303)


@router.post("/{whom}/reinstate")
def reinstate(here: Here, person: Current, whom: str) -> Response:
    """Let somebody in again."""
    check_looks_after(here, person, accounts.get(here.store, whom).role)
    accounts.set_active(here.store, whom, True, by=person.id, now=here.now())
    return RedirectResponse("/people", status_code=303)


@router.post("/{whom}/renew")
def renew(request: Request, here: Here, person: Current, whom: str) -> HTMLResponse:
    """Make a link by which somebody sets a new password."""
    other = accounts.get(here.store, whom)
    check_looks_after(here, person, other.role)
    offer = Offer(role=other.role, group=other.group, person=other.id)
    return _with_link(request, here, person, offer, other.name)


def check_looks_after(here: Site, person: Person, role: Role) -> None:
    """Refuse who does not look after people of this role."""
    if role not in LOOKS_AFTER[person.role]:
        raise ApiError(403, here.pages.words("people.not_yours"))


def _offers(person: Person) -> list[Offer]:
    return [Offer(role=role, group=group) for role in LOOKS_AFTER[person.role] for group in GROUPS[role] or ("",)]


def _with_link(request: Request, here: Site, person: Person, offer: Offer, who: str) -> HTMLResponse:
    token = accounts.invite(here.store, offer, by=person.id, now=here.now())
    link = f"{str(request.base_url).rstrip('/')}{LINK}{token}"
    return _page(request, here, person, link=link, who=who, expires=here.now() + INVITATION)


def _page(request: Request, here: Site, person: Person, **made: Any) -> HTMLResponse:
    everybody = accounts.all_people(here.store)
    values = {
        "people": everybody,
        "names": {one.id: one.name for one in everybody},
        "mine": LOOKS_AFTER[person.role],
        "invitations": accounts.open_invitations(here.store, now=here.now()),
        "offers": _offers(person),
        "asked": withdrawals.asked(here.store),
        "only_labels": accounts.ONLY_LABELS,
        "withdrawn": withdrawals.withdrawn(here.store),
        "now": here.now(),
        "link": "",
    }
    return here.pages.render(request, "people.html", **{**values, **made})
