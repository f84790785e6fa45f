"""People, invitations and the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from tutelage.feedback import staff
from tutelage.feedback.app.api.access import By, only
from tutelage.feedback.app.api.schema import refusals
from tutelage.feedback.app.people import link_of
from tutelage.feedback.staff import LOOKS_AFTER
from tutelage.feedback.wire import staff as wire
from tutelage.feedback.wire.parts import Name
from tutelage.store import accounts, audit
from tutelage.store.accounts import INVITATION

TAG = "staff"

people = APIRouter(dependencies=[Depends(only(*LOOKS_AFTER))], responses=refusals(403))
log = APIRouter(prefix="/log", dependencies=[Depends(only("admin"))], responses=refusals(403))
router = APIRouter()


@people.get("/people")
def list_people(asking: By) -> list[wire.Person]:
    """List everybody with an account."""
    mine = LOOKS_AFTER[asking.person.role]
    names = ("id", "name", "role", "labeler", "group", "is_active")
    return [
        wire.Person(**{name: getattr(one, name) for name in names}, is_mine=one.role in mine)
        for one in accounts.all_people(asking.store)
    ]


@people.put("/people/{person}/active", status_code=204, responses=refusals(404))
def set_person_active(asking: By, person: Name, body: wire.Active) -> None:
    """Suspend somebody, or let them in again; suspending ends sessions and tokens at once, and labels stay."""
    staff.set_active(asking.store, asking.actor, person, body.active, now=asking.now)


@people.post("/people/{person}/renewal", status_code=201, responses=refusals(404))
def renew_password(asking: By, person: Name, request: Request) -> wire.Link:
    """Make a link by which somebody sets a new password; it is told this once."""
    token = staff.renew(asking.store, asking.actor, person, now=asking.now)
    return wire.Link(link=link_of(request, token), expires=asking.now + INVITATION)


@people.get("/invitations")
def list_invitations(asking: By) -> list[wire.Invitation]:
    """List the invitations that can still be used, newest first."""
    return [
        wire.Invitation(
            id=one.id,
            role=one.offer.role,
            group=one.offer.group,
            note=one.offer.note,
            invited_by=one.invited_by,
            created=one.created,
            expires=one.expires,
        )
        for one in accounts.open_invitations(asking.store, now=asking.now)
    ]


@people.post("/invitations", status_code=201)
def invite_person(asking: By, body: wire.Offer, request: Request) -> wire.Link:
    """Make a one-time link for somebody new; it is told this once."""
    token = staff.invite(asking.store, asking.actor, body.role, body.group, body.note, now=asking.now)
    return wire.Link(link=link_of(request, token), expires=asking.now + INVITATION)


@people.delete("/invitations/{invitation}", status_code=204, responses=refusals(404))
def withdraw_invitation(asking: By, invitation: Name) -> None:
    """Make a link useless that was not used yet."""
    staff.withdraw(asking.store, asking.actor, invitation, now=asking.now)


@log.get("")
def list_log(
    asking: By,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    subject: Name = "",
) -> list[wire.Entry]:
    """List events of the audit log, newest first; `before` is the number to go on below."""
    return [
        wire.Entry(
            number=one.number,
            at=one.at,
            actor=one.event.actor,
            action=one.event.action,
            subject=one.event.subject,
            details=dict(one.event.details),
            hash=one.hash,
        )
        for one in audit.find(asking.store, before=before, limit=limit, subject=subject)
    ]


@log.get("/check", responses=refusals(400))
def check_log(asking: By) -> wire.Head:
    """Follow the whole chain of the log; a row that does not fit is an error that names it."""
    return wire.Head.model_validate(audit.verify(asking.store))


for area in (people, log):
    router.include_router(area)
