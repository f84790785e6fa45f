"""People who sign in, and the one-time links by which they come in. Every change is in the audit log.

Links are random tokens; the database keeps only their hashes, so that who reads it can not enter.
"""

import hashlib
import secrets
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, FromClause, Join, Row, Select, false, select, update

from tutelage.errors import DataError, MissingError
from tutelage.records import Group
from tutelage.store import audit, counters
from tutelage.store.account_tables import invitations, people, sessions
from tutelage.store.application_tables import members, organisations
from tutelage.store.database import Store
from tutelage.store.tables import labelers
from tutelage.store.token_tables import tokens
from tutelage.store.withdrawal_tables import labeler_withdrawals

Role = Literal["candidate", "labeler", "lead", "researcher", "admin", "reviewer", "customer"]
ROLES: tuple[Role, ...] = get_args(Role)
#: Who labels or looks after labelers: the labeling app is open to nobody else.
LABELING: tuple[Role, ...] = ("candidate", "labeler", "lead", "researcher", "admin")
#: Who has applications, or decides about them: the site beside the API is theirs.
GOVERNING: tuple[Role, ...] = ("customer", "reviewer", "admin")
#: Who decides about customers' applications.
STAFF: tuple[Role, ...] = ("reviewer", "admin")
#: The groups of labelers that a role may belong to; a person of another role makes no labels.
GROUPS: dict[Role, tuple[Group, ...]] = {
    "candidate": ("training",),
    "labeler": ("training", "heldout"),
    "researcher": ("researcher",),
    "lead": (),
    "admin": (),
    "reviewer": (),
    "customer": (),
}
#: Who looks after labelers may label as well, on asking for it (`join`), in one of these groups.
JOINING: dict[Role, tuple[Group, ...]] = {"lead": GROUPS["labeler"], "admin": GROUPS["labeler"]}
#: Roles whose account is for nothing but judging: it ends when its labeler withdraws.
ONLY_LABELS: tuple[Role, ...] = ("candidate", "labeler")
INVITATION = timedelta(days=7)
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who may sign in. `labeler` is the pseudonym under which labels are kept, "" for who makes none.

    `organisation` is the id of the one that the person belongs to, "" for none; customers always have one.
    """

    id: str
    name: str
    role: Role
    labeler: str = ""
    group: Group | Literal[""] = ""
    is_active: bool = True
    locked_until: datetime | None = None
    organisation: str = ""

    @property
    def labels(self) -> bool:
        """Whether this person works through the queue; candidates judge in their screening only."""
        return bool(self.labeler) and self.role != "candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an invitation gives: a role and a labelers' group, or a new password for `person`, who is there already.

    A customer is invited into an `organisation`, named by its id.
    """

    role: Role
    group: Group | Literal[""] = ""
    note: str = ""
    person: str = ""
    organisation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A one-time link as it is listed; the link itself is shown once and kept nowhere."""

    id: str
    offer: Offer
    invited_by: str
    created: datetime
    expires: datetime
    is_open: bool


def invite(store: Store, offer: Offer, *, by: str, now: datetime) -> str:
    """Make a one-time link's token; `by` is the inviting person's id, "" on the command line."""
    fitting = GROUPS[offer.role]
    # Who is there already keeps the group, also one that was joined beside the role.
    if not offer.person and offer.group not in (fitting or ("",)):
        raise DataError(
            f"A {offer.role} cannot be in the group {offer.group!r}; choose {' or '.join(fitting) or 'none'}."
        )
    if not offer.person and (offer.role == "customer") != bool(offer.organisation):
        raise DataError("A customer is invited into an organisation, and nobody else is; name it, or leave it out.")
    with store.write() as connection:
        if offer.organisation:
            _check_organisation(connection, offer.organisation)
        before = invitations.c.person == offer.person if offer.person else false()
        return _make_link(connection, offer, by, now, before)


def invite_first_admin(store: Store, *, now: datetime) -> str:
    """Return the token of a link for the first admin, "" when there is one; links made so before are withdrawn."""
    with store.write() as connection:
        active = people.c.role == "admin", people.c.status == "active"
        if connection.scalar(select(people.c.id).where(*active).limit(1)) is not None:
            return ""
        before = (invitations.c.role == "admin") & (invitations.c.invited_by == "")
        return _make_link(connection, Offer(role="admin"), "", now, before)


def invitation(store: Store, token: str, *, now: datetime) -> Invitation | None:
    """Return the invitation that a link stands for, None unless it can still be used."""
    with store.read() as connection:
        row = connection.execute(_usable(token, now)).one_or_none()
    return _invitation(row, now) if row else None


def open_invitations(store: Store, roles: Collection[Role] = ROLES, *, now: datetime) -> list[Invitation]:
    """Return the invitations of these roles that can still be used, newest first."""
    mine = _is_open(now) & invitations.c.role.in_(roles)
    query = select(invitations).where(mine).order_by(invitations.c.created.desc(), invitations.c.id)
    with store.read() as connection:
        return [_invitation(row, now) for row in connection.execute(query)]


def withdraw_invitation(store: Store, made: str, *, by: str, now: datetime) -> None:
    """Make a link useless that was not used yet."""
    with store.write() as connection:
        if not _withdraw(connection, invitations.c.id == made, now):
            raise MissingError("This invitation was used or withdrawn already; reload the page.")
        audit.append(connection, audit.Event(actor=by, action="invitation.withdraw", subject=made), now=now)


def enter(store: Store, token: str, name: str, password: str, *, now: datetime) -> Person:
    """Use a link: make its person, or give a new password to the one it names. `password` is a hash."""
    with store.write() as connection:
        row = connection.execute(_usable(token, now).with_for_update()).one_or_none()
        if row is None:
            raise MissingError("This link was used already or is too old; ask for a new one.")
        if row.person:
            _renew(connection, row.person, password, now)
            who, action = row.person, "person.renew"
        else:
            who, action = _create(connection, row, (name, password), now), "person.enter"
        connection.execute(update(invitations).where(invitations.c.id == row.id).values(used=now))
        audit.append(connection, audit.Event(actor=who, action=action, subject=who, details={"link": row.id}), now=now)
        return person_of(connection.execute(rows().where(people.c.id == who)).one())


def all_people(store: Store, roles: Collection[Role] = ROLES) -> list[Person]:
    """Return everybody of these roles by name."""
    query = rows().where(people.c.role.in_(roles)).order_by(people.c.name_key)
    with store.read() as connection:
        return [person_of(row) for row in connection.execute(query)]


def get(store: Store, person: str) -> Person:
    """Return one person."""
    with store.read() as connection:
        row = connection.execute(rows().where(people.c.id == person)).one_or_none()
    if row is None:
        raise MissingError("There is no such person; reload the list.")
    return person_of(row)


def join(store: Store, person: str, group: Group, *, now: datetime) -> Person:
    """Let a lead or an administrator label as well, under a pseudonym, in one group for ever; they were not screened.

    Joining the same group again changes nothing.
    """
    with store.write() as connection:
        row = connection.execute(rows().where(people.c.id == person).with_for_update(of=people)).one()
        if group not in JOINING.get(row.role, ()):
            raise DataError(f"A {row.role} cannot join the group {group!r}; ask for an invitation.")
        if row.labeler and row.group != group:
            raise DataError(f"You label in the group {row.group!r} already, and a labeler's group never changes.")
        if row.labeler:
            store.unchanged()
        else:
            pseudonym = _new_labeler(connection, group, now)
            connection.execute(update(people).where(people.c.id == person).values(labeler=pseudonym))
            details = {"group": group, "labeler": pseudonym, "screened": False}
            event = audit.Event(actor=person, action="person.join", subject=person, details=details)
            audit.append(connection, event, now=now)
        return person_of(connection.execute(rows().where(people.c.id == person)).one())


def set_role(store: Store, person: str, role: Role, *, by: str, now: datetime) -> None:
    """Give a person another role whose labelers' groups include the present one; screening makes labelers so."""
    with store.write() as connection:
        row = connection.execute(rows().where(people.c.id == person).with_for_update(of=people)).one()
        if (role == "customer") != (row.role == "customer"):
            raise DataError("A customer's role never changes, and nobody becomes one; invite them anew.")
        if (row.group or "") not in (GROUPS[role] or ("",)):
            raise DataError(f"{row.name} is in the group {row.group!r}, which a {role} cannot be in; invite them anew.")
        connection.execute(update(people).where(people.c.id == person).values(role=role))
        details = {"from": row.role, "to": role}
        audit.append(connection, audit.Event(actor=by, action="person.role", subject=person, details=details), now=now)


def set_active(store: Store, person: str, is_active: bool, *, by: str, now: datetime) -> None:
    """Let a person in again, or suspend: all sessions end at once and signing in is refused. Labels stay.

    Who only labels and withdrew is let in no more.
    """
    with store.write() as connection:
        withdrew = select(people.c.id).join(labeler_withdrawals, labeler_withdrawals.c.labeler == people.c.labeler)
        withdrew = withdrew.where(people.c.id == person, people.c.role.in_(ONLY_LABELS))
        if is_active and connection.scalar(withdrew) is not None:
            raise DataError("This labeler withdrew; who wants to label again is invited anew.")
        status = "active" if is_active else "suspended"
        connection.execute(update(people).where(people.c.id == person).values(status=status))
        if not is_active:
            end_all(connection, person, now)
        # Gateways forget what they knew of the person, and end running answers.
        counters.add_one(connection)
        action = "person.reinstate" if is_active else "person.suspend"
        audit.append(connection, audit.Event(actor=by, action=action, subject=person), now=now)


def hash_of(token: str) -> str:
    """Return what the database keeps of a link or a cookie."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def key_of(name: str) -> str:
    """Return a name without case, width and spare spaces: what may be given only once."""
    return unicodedata.normalize("NFKC", " ".join(name.split())).casefold()


def _checked(name: str) -> str:
    shown = unicodedata.normalize("NFC", " ".join(name.split()))
    if not shown:
        raise DataError("Write the name by which you will sign in.")
    if len(shown) > _LONGEST_NAME:
        raise DataError(f"The name has {len(shown)} characters; use at most {_LONGEST_NAME}.")
    # Controls, formats, private use and halves of characters: invisible, so that two names could look the same.
    if any(unicodedata.category(character).startswith("C") for character in shown):
        raise DataError("The name holds characters that cannot be seen; use letters, digits and spaces.")
    return shown


def _create(connection: Connection, link: Row[Any], given: tuple[str, str], now: datetime) -> str:
    name, password = _checked(given[0]), given[1]
    if connection.scalar(select(people.c.id).where(people.c.name_key == key_of(name))) is not None:
        raise DataError("Somebody has this name already; choose another one.")
    made = secrets.token_hex(8)
    pseudonym = _new_labeler(connection, link.group, now) if link.group else None
    row = {
        "id": made,
        "name": name,
        "name_key": key_of(name),
        "role": link.role,
        "labeler": pseudonym,
        "password": password,
        "status": "active",
        "failures": 0,
        "created": now,
    }
    connection.execute(people.insert(), row)
    if link.organisation:
        member = {"person": made, "organisation": link.organisation, "created": now}
        connection.execute(members.insert(), member)
    return made


def _check_organisation(connection: Connection, organisation: str) -> None:
    found = select(organisations.c.id).where(organisations.c.id == organisation, organisations.c.is_active)
    if connection.scalar(found) is None:
        raise MissingError("There is no such organisation, or it is suspended; reload the list.")


def _new_labeler(connection: Connection, group: str, now: datetime) -> str:
    # Not the person's own id: labels are kept and shared under it, accounts are not.
    pseudonym = f"p-{secrets.token_hex(6)}"
    labeler = {"id": pseudonym, "group": group, "kind": "human", "screened": False, "created": now}
    connection.execute(labelers.insert(), labeler)
    return pseudonym


def _renew(connection: Connection, person: str, password: str, now: datetime) -> None:
    values = {"password": password, "failures": 0, "locked_until": None}
    connection.execute(update(people).where(people.c.id == person).values(values))
    end_all(connection, person, now)


def _make_link(connection: Connection, offer: Offer, by: str, now: datetime, instead_of: ColumnElement[bool]) -> str:
    """Add an invitation, withdraw those that it stands in for, and return its token."""
    token, made = secrets.token_urlsafe(32), secrets.token_hex(8)
    withdrawn = _withdraw(connection, instead_of, now)
    row = {
        "id": made,
        "token_hash": hash_of(token),
        "role": offer.role,
        "group": offer.group,
        "note": offer.note.strip(),
        "person": offer.person or None,
        "organisation": offer.organisation,
        "invited_by": by,
        "created": now,
        "expires": now + INVITATION,
    }
    connection.execute(invitations.insert(), row)
    details = {"role": offer.role, "group": offer.group, "person": offer.person, "withdrawn": withdrawn}
    audit.append(connection, audit.Event(actor=by, action="invitation.make", subject=made, details=details), now=now)
    return token


def _is_open(now: datetime) -> ColumnElement[bool]:
    return invitations.c.used.is_(None) & invitations.c.withdrawn.is_(None) & (invitations.c.expires > now)


def _usable(token: str, now: datetime) -> Select[Any]:
    return select(invitations).where(invitations.c.token_hash == hash_of(token), _is_open(now))


def _withdraw(connection: Connection, which: ColumnElement[bool], now: datetime) -> int:
    found = update(invitations).where(which, invitations.c.used.is_(None), invitations.c.withdrawn.is_(None))
    return connection.execute(found.values(withdrawn=now)).rowcount


def end_all(connection: Connection, person: str, now: datetime, *, keep: str = "") -> None:
    """Sign a person out everywhere, but for the session `keep`; the person's access tokens end too."""
    live = update(sessions).where(sessions.c.person == person, sessions.c.ended.is_(None), sessions.c.id != keep)
    connection.execute(live.values(ended=now))
    connection.execute(update(tokens).where(tokens.c.person == person, tokens.c.ended.is_(None)).values(ended=now))


def rows() -> Select[Any]:
    """Return the query for people with their groups and organisations."""
    return select(people, labelers.c.group, members.c.organisation).select_from(with_rows_of(people))


def with_rows_of(whom: FromClause) -> Join:
    """Join people, or what was joined with them, with what else `person_of` reads."""
    grouped = whom.outerjoin(labelers, labelers.c.id == people.c.labeler)
    return grouped.outerjoin(members, members.c.person == people.c.id)


def person_of(row: Row[Any]) -> Person:
    """Return the person of such a row."""
    return Person(
        id=row.id,
        name=row.name,
        role=row.role,
        labeler=row.labeler or "",
        group=row.group or "",
        is_active=row.status == "active",
        locked_until=row.locked_until,
        organisation=row.organisation or "",
    )


def _invitation(row: Row[Any], now: datetime) -> Invitation:
    offer = Offer(role=row.role, group=row.group, note=row.note, person=row.person or "", organisation=row.organisation)
    is_open = row.used is None and row.withdrawn is None and row.expires > now
    return Invitation(
        id=row.id,
        offer=offer,
        invited_by=row.invited_by,
        created=row.created,
        expires=row.expires,
        is_open=is_open,
    )
