"""Coming in by a one-time link, which is all that one needs: these operations take no access token."""

from __future__ import annotations

from fastapi import APIRouter

from tutelage.feedback.app.api.schema import refusals
from tutelage.feedback.wire.parts import Name
from tutelage.feedback.wire.staff import Entered, Entering, Invited
from tutelage.store import accounts, tokens
from tutelage.web import joining
from tutelage.web.joining import Newcomer
from tutelage.web.site import Here

TAG = "entry"

router = APIRouter(prefix="/enter")


@router.get("/{link}", responses=refusals(404))
def read_link(here: Here, link: Name) -> Invited:
    """Say what a link gives; `link` is what stands after `/enter/`, and looking does not use it up."""
    found = joining.invitation(here.store, link, here.roles, now=here.now())
    renewed = accounts.get(here.store, found.offer.person).name if found.offer.person else ""
    return Invited(role=found.offer.role, group=found.offer.group, renews=renewed, expires=found.expires)


@router.post("/{link}", status_code=201, responses=refusals(404))
def enter(here: Here, link: Name, body: Entering) -> Entered:
    """Use a link: make the account or renew its password, and get a first access token, which is told this once."""
    tokens.check(body.program, body.days)
    given = Newcomer(name=body.name, password=body.password)
    joining.invitation(here.store, link, here.roles, now=here.now())
    person = joining.enter(here.store, link, given, here.passwords, now=here.now())
    token = tokens.make(here.store, person.id, body.program, days=body.days, now=here.now())
    fields = {name: getattr(person, name) for name in ("id", "name", "role", "labeler", "group")}
    return Entered(**fields, token=token)
