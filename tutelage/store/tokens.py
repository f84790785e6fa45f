"""Personal access tokens: what a program shows instead of a password. Every change is in the audit log.

A token is `tutelage_ID_SECRET`. The database keeps the id and a hash of the whole; the token itself is shown once.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, func, select, update

from tutelage.errors import DataError, MissingError
from tutelage.store import accounts, audit
from tutelage.store.account_tables import people
from tutelage.store.accounts import Person
from tutelage.store.database import Store
from tutelage.store.token_tables import tokens

#: How many days a token may last, at most.
LONGEST_DAYS = 366
#: How many tokens one person may have at once.
MOST = 20
_LONGEST_NAME = 80
#: How exactly the last use is kept; every request would be a write otherwise.
_USED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it is listed; `used` is None until a program has brought it."""

    id: str
    name: str
    created: datetime
    expires: datetime
    used: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Whose token a request brought."""

    person: Person
    token: Token


def make(store: Store, person: str, name: str, *, days: int, now: datetime) -> str:
    """Make a token of a person that ends after so many days, and return it, this once."""
    shown = check(name, days)
    made = secrets.token_hex(6)
    token = f"tutelage_{made}_{secrets.token_hex(32)}"
    row = {
        "id": made,
        "token_hash": accounts.hash_of(token),
        "person": person,
        "name": shown,
        "created": now,
        "expires": now + timedelta(days=days),
    }
    with store.write() as connection:
        # The person's row is locked, so that tokens made at once are counted too.
        active = select(people.c.id).where(people.c.id == person, people.c.status == "active").with_for_update()
        if connection.scalar(active) is None:
            raise DataError("This account is suspended; ask your lead.")
        there = select(func.count()).select_from(tokens).where(tokens.c.person == person, _is_live(now))
        if (connection.scalar(there) or 0) >= MOST:
            raise DataError(f"You have {MOST} tokens already; revoke one that no program needs.")
        connection.execute(tokens.insert(), row)
        details = {"days": days}
        audit.append(connection, audit.Event(actor=person, action="token.make", subject=made, details=details), now=now)
    return token


def check(name: str, days: int) -> str:
    """Refuse what no token can be called or how long none lasts; return the name as it is kept."""
    shown = " ".join(name.split())
    if not 1 <= len(shown) <= _LONGEST_NAME:
        raise DataError(f"Name the token by what it is for, in 1 to {_LONGEST_NAME} characters.")
    if not 1 <= days <= LONGEST_DAYS:
        raise DataError(f"A token lasts 1 to {LONGEST_DAYS} days, not {days}.")
    return shown


def find(store: Store, token: str, *, now: datetime) -> Bearer | None:
    """Return whose token this is, None when it ended or its person was suspended."""
    joined = _tokens().where(tokens.c.token_hash == accounts.hash_of(token), _is_live(now))
    with store.read() as connection:
        row = connection.execute(joined.where(people.c.status == "active")).one_or_none()
    if row is None:
        return None
    if row.token_used is None or now - row.token_used > _USED:
        with store.write() as connection:
            connection.execute(update(tokens).where(tokens.c.id == row.token_id).values(used=now))
    return Bearer(person=accounts.person_of(row), token=_token(row))


def of(store: Store, person: str, *, now: datetime) -> list[Token]:
    """Return a person's tokens that can be used, newest first."""
    query = _tokens().where(tokens.c.person == person, _is_live(now)).order_by(tokens.c.created.desc(), tokens.c.id)
    with store.read() as connection:
        return [_token(row) for row in connection.execute(query)]


def revoke(store: Store, person: str, made: str, *, by: str, now: datetime) -> None:
    """End one of a person's tokens."""
    with store.write() as connection:
        live = tokens.c.person == person, tokens.c.id == made, tokens.c.ended.is_(None)
        if not connection.execute(update(tokens).where(*live).values(ended=now)).rowcount:
            raise MissingError("There is no such token, or it was revoked already; reload the page.")
        audit.append(connection, audit.Event(actor=by, action="token.revoke", subject=made), now=now)


def _is_live(now: datetime) -> Any:
    return tokens.c.ended.is_(None) & (tokens.c.expires > now)


def _tokens() -> Select[Any]:
    columns = tokens.c["id", "name", "created", "expires", "used"]
    named = [column.label(f"token_{column.name}") for column in columns]
    return accounts.rows().join(tokens, tokens.c.person == people.c.id).add_columns(*named)


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.token_id, name=row.token_name, created=row.token_created, expires=row.token_expires, used=row.token_used
    )
