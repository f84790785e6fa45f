"""Who looks after whom: inviting, joining, suspending, a new password. Pages and the API do the same."""

from __future__ import annotations

from datetime import datetime

from tutelage.errors import DataError, RefusedError
from tutelage.feedback.actor import Actor
from tutelage.store import Store, accounts
from tutelage.store.accounts import GROUPS, JOINING, LABELING, Offer, Person, Role

#: The roles that a role invites and looks after.
LOOKS_AFTER: dict[Role, tuple[Role, ...]] = {"lead": ("candidate", "labeler"), "admin": LABELING}
_LONGEST_NOTE = 200


def offers(person: Person) -> list[Offer]:
    """Return what this person's invitations may give."""
    mine = LOOKS_AFTER.get(person.role, ())
    return [Offer(role=role, group=group) for role in mine for group in GROUPS[role] or ("",)]


def invite(store: Store, actor: Actor, role: str, group: str, note: str, *, now: datetime) -> str:
    """Make a link for somebody new; return its token."""
    chosen = next((one for one in offers(actor.person) if (one.role, one.group) == (role, group)), None)
    if chosen is None:
        raise _refused()
    offer = Offer(role=chosen.role, group=chosen.group, note=note.strip()[:_LONGEST_NOTE])
    return accounts.invite(actor.marked(store, now=now), offer, by=actor.person.id, now=now)


def join(store: Store, actor: Actor, group: str, *, now: datetime) -> Person:
    """Let a lead or an administrator label as well, in one group for ever."""
    for known in JOINING.get(actor.person.role, ()):
        if known == group:
            return accounts.join(actor.marked(store, now=now), actor.person.id, known, now=now)
    raise RefusedError("Only leads and administrators can join a group of labelers by themselves.")


def renew(store: Store, actor: Actor, whom: str, *, now: datetime) -> str:
    """Make a link by which somebody sets a new password; return its token."""
    other = _looked_after(store, actor, whom)
    offer = Offer(role=other.role, group=other.group, person=other.id)
    return accounts.invite(actor.marked(store, now=now), offer, by=actor.person.id, now=now)


def withdraw(store: Store, actor: Actor, made: str, *, now: datetime) -> None:
    """Make a link useless."""
    for invitation in accounts.open_invitations(store, now=now):
        if invitation.id == made:
            check_looks_after(actor.person, invitation.offer.role)
    accounts.withdraw_invitation(actor.marked(store, now=now), made, by=actor.person.id, now=now)


def set_active(store: Store, actor: Actor, whom: str, is_active: bool, *, now: datetime) -> None:
    """Keep somebody out from now on, or let them in again; labels stay."""
    _looked_after(store, actor, whom)
    if whom == actor.person.id and not is_active:
        raise DataError("Nobody can suspend the own account; ask another administrator.")
    accounts.set_active(actor.marked(store, now=now), whom, is_active, by=actor.person.id, now=now)


def _looked_after(store: Store, actor: Actor, whom: str) -> Person:
    other = accounts.get(store, whom)
    check_looks_after(actor.person, other.role)
    return other


def check_looks_after(person: Person, role: Role) -> None:
    """Refuse who does not look after people of this role."""
    if role not in LOOKS_AFTER.get(person.role, ()):
        raise _refused()


def _refused() -> RefusedError:
    return RefusedError("Only an administrator can do this.")
