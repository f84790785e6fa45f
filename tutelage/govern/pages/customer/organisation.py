"""A customer's organisation: who belongs to it, and inviting colleagues."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from tutelage.errors import MissingError
from tutelage.govern.pages.common import done, show
from tutelage.govern.pages.customer.own import CUSTOMERS
from tutelage.store import accounts, organisations
from tutelage.store.accounts import INVITATION, Invitation, Offer, Person
from tutelage.web.access import Current
from tutelage.web.entry import link_of
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

router = APIRouter(prefix="/organisation", dependencies=CUSTOMERS)
_LONGEST_NOTE = 200


@router.get("")
def organisation(request: Request, here: Here, person: Current) -> HTMLResponse:
    """Show the organisation's people and open invitations."""
    return _page(request, here, person)


@router.post("/invitations")
def invite(request: Request, here: Here, person: Current, fields: Fields) -> HTMLResponse:
    """Make a link for a colleague and show it, this once."""
    note = fields.get("note", "").strip()[:_LONGEST_NOTE]
    offer = Offer(role="customer", organisation=person.organisation, note=note)
    token = accounts.invite(here.store, offer, by=person.id, now=here.now())
    return _page(request, here, person, link_of(request, token))


@router.post("/invitations/{made}/withdraw")
def withdraw(here: Here, person: Current, made: str) -> Response:
    """Make a link into the own organisation useless."""
    if all(one.id != made for one in _invitations(here, person)):
        raise MissingError("This invitation was used or withdrawn already; reload the page.")
    accounts.withdraw_invitation(here.store, made, by=person.id, now=here.now())
    return done("/organisation", "invitation_withdrawn")


def _invitations(here: Site, person: Person) -> list[Invitation]:
    everything = accounts.open_invitations(here.store, now=here.now())
    return [one for one in everything if one.offer.organisation == person.organisation != ""]


def _page(request: Request, here: Site, person: Person, link: str = "") -> HTMLResponse:
    values = {
        "firm": organisations.get(here.store, person.organisation),
        "people": organisations.people_of(here.store, person.organisation),
        "invitations": _invitations(here, person),
        "link": link,
        "until": here.now() + INVITATION,
    }
    return show(request, here, "customer/organisation.html", values)
