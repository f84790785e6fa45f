"""People, invitations, withdrawals and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from tutelage.feedback import staff, withdrawal
from tutelage.feedback.app.api.access import By, only
from tutelage.feedback.app.api.schema import refusals
from tutelage.feedback.staff import LOOKS_AFTER
from tutelage.feedback.wire import staff as wire
from tutelage.feedback.wire.parts import Name
from tutelage.feedback.withdrawal import Withdrawal
from tutelage.store import accounts, audit, withdrawals
from tutelage.store.accounts import INVITATION, LABELING
from tutelage.web.entry import link_of

TAG = "staff"

people = APIRouter(dependencies=[Depends(only(*LOOKS_AFTER))], responses=refusals(403))
users = APIRouter(dependencies=[Depends(only("admin"))], responses=refusals(403))
log = APIRouter(prefix="/log", dependencies=[Depends(only("admin"))], responses=refusals(403))
router = APIRouter()


@people.get("/people")
def list_people(asking: By) -> list[wire.Person]:
    """List everybody with an account."""
    mine = LOOKS_AFTER[asking.person.role]
    names = ("id", "name", "role", "labeler", "group", "is_active")
    asked, withdrawn = withdrawals.asked(asking.store), withdrawals.withdrawn(asking.store)
    return [
        wire.Person(
            **{name: getattr(one, name) for name in names},
            is_mine=one.role in mine,
            asked=asked.get(one.labeler),
            withdrawn=withdrawn.get(one.labeler),
        )
        for one in accounts.all_people(asking.store, LABELING)
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


@people.get("/people/{person}/withdrawal", responses=refusals(404))
def read_withdrawal(asking: By, person: Name) -> wire.Withdrawal:
    """Say what a labeler's withdrawal would take back, or took."""
    other = withdrawal.labeler_of(asking.store, asking.actor, person)
    return _withdrawal(
        withdrawal.effect(asking.store, other.labeler),
        asked=withdrawals.asked(asking.store).get(other.labeler),
        withdrawn=withdrawals.withdrawn(asking.store).get(other.labeler),
    )


@people.put("/people/{person}/withdrawal", responses=refusals(404))
def withdraw_labeler(asking: By, person: Name, body: wire.Sure) -> wire.Withdrawal:
    """Take a labeler's labels, texts and prompts out of all later use, for ever; the same again changes nothing."""
    found = withdrawal.withdraw(asking.store, asking.actor, person, now=asking.now)
    return _withdrawal(found, withdrawn=withdrawals.withdrawn(asking.store)[found.who])


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
        for one in accounts.open_invitations(asking.store, LABELING, now=asking.now)
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


@users.put("/withdrawals")
def withdraw_user(asking: By, body: wire.User) -> wire.Withdrawal:
    """Take back a user's consent, for ever; prompts, and labels on them, leave every later export."""
    store = asking.actor.marked(asking.store, now=asking.now)
    return _withdrawal(withdrawal.withdraw_user(store, body.user, by=asking.person.id, now=asking.now))


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


for area in (people, users, log):
    router.include_router(area)


def _withdrawal(found: Withdrawal, **at: datetime | None) -> wire.Withdrawal:
    models = [wire.Learned(model=one.name, version=one.version, learned=seen) for one, seen in found.models.items()]
    return wire.Withdrawal(who=found.who, prompts=found.prompts, labels={**found.labels}, models=models, **at)
