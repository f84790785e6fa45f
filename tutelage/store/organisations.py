"""Organisations: who has applications, and which people belong to them. Every change is in the audit log."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from tutelage.errors import DataError, MissingError
from tutelage.store import accounts, audit, counters, standing
from tutelage.store.account_tables import people
from tutelage.store.accounts import Person
from tutelage.store.application_tables import members, organisations
from tutelage.store.database import Store

_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """Who has applications; while it is not active, its keys give nothing."""

    id: str
    name: str
    is_active: bool
    created: datetime


def create(store: Store, name: str, *, by: str, now: datetime) -> Organisation:
    """Add an organisation; `by` is a person's id, "" on the command line."""
    shown = checked_name(name, "organisation")
    row = {
        "id": secrets.token_hex(6),
        "name": shown,
        "name_key": accounts.key_of(shown),
        "is_active": True,
        "created": now,
    }
    with store.write() as connection:
        if connection.scalar(select(organisations.c.id).where(organisations.c.name_key == row["name_key"])) is not None:
            raise DataError(f"There is an organisation {shown!r} already; choose another name.")
        connection.execute(organisations.insert(), row)
        event = audit.Event(actor=by, action="organisation.create", subject=str(row["id"]), details={"name": shown})
        audit.append(connection, event, now=now)
        return _organisation(connection.execute(select(organisations).where(organisations.c.id == row["id"])).one())


def find(store: Store) -> list[Organisation]:
    """Return all organisations by name."""
    with store.read() as connection:
        return [_organisation(row) for row in connection.execute(select(organisations).order_by("name_key"))]


def get(store: Store, which: str) -> Organisation:
    """Return an organisation by its id or its name."""
    known = (organisations.c.id == which) | (organisations.c.name_key == accounts.key_of(which))
    with store.read() as connection:
        row = connection.execute(select(organisations).where(known)).first()
    if row is None:
        raise MissingError(f"There is no organisation {which[:100]!r}; `tutelage apps list` shows what there is.")
    return _organisation(row)


def people_of(store: Store, organisation: str) -> list[Person]:
    """Return the people of an organisation by name."""
    query = accounts.rows().where(members.c.organisation == organisation).order_by(people.c.name_key)
    with store.read() as connection:
        return [accounts.person_of(row) for row in connection.execute(query)]


def set_active(store: Store, organisation: str, is_active: bool, *, by: str, reason: str, now: datetime) -> None:
    """Let an organisation's keys give nothing from now on, running calls included, or let them work again."""
    with store.write() as connection:
        standing.check(connection, by, organisation, frozenset({"staff", "monitor"}))
        changed = update(organisations).where(organisations.c.id == organisation).values(is_active=is_active)
        if not connection.execute(changed).rowcount:
            raise MissingError("There is no such organisation; reload the list.")
        counters.add_one(connection)
        action = "organisation.reinstate" if is_active else "organisation.suspend"
        event = audit.Event(actor=by, action=action, subject=organisation, details={"reason": reason})
        audit.append(connection, event, now=now)


def checked_name(name: str, what: str) -> str:
    """Return a name as it is kept; one that is empty or too long is refused. `what` says what it names."""
    shown = " ".join(name.split())
    if not 1 <= len(shown) <= _LONGEST_NAME:
        raise DataError(f"Name the {what} in 1 to {_LONGEST_NAME} characters.")
    return shown


def _organisation(row: Row[Any]) -> Organisation:
    return Organisation(id=row.id, name=row.name, is_active=row.is_active, created=row.created)
