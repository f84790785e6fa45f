"""Signing in: attempts that are counted, sessions, and a person's own password. Every change is in the audit log.

A session's cookie is a random token; the database keeps only its hash.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Row, Select, String, bindparam, select, update

from tutelage.errors import DataError
from tutelage.store import accounts, audit
from tutelage.store.account_tables import people, sessions
from tutelage.store.accounts import Person
from tutelage.store.application_tables import members
from tutelage.store.database import Store
from tutelage.store.tables import labelers

MOST_FAILURES = 5
LOCK = timedelta(minutes=15)
#: A session ends when it was not used for `IDLE`, and at the latest after `LIFETIME`.
IDLE, LIFETIME = timedelta(hours=12), timedelta(days=14)
#: How exactly the last use of a session is kept; every request would be a write otherwise.
_SEEN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that is signed in."""

    id: str
    person: Person
    agent: str
    created: datetime
    seen: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A try to sign in, counted as failed until a session is opened; `password` is the hash to compare with."""

    person: Person
    password: str


def attempt(store: Store, name: str, *, now: datetime) -> Attempt | None:
    """Begin to sign in: count a failure, which `open_for` and `take_back` undo. None: unknown, suspended or locked.

    Counting first means that many guesses at once are counted too; five in a row lock the account for 15 minutes, so
    that guesses can not flood the log either.
    """
    with store.write() as connection:
        query = accounts.rows().where(people.c.name_key == accounts.key_of(name), people.c.status == "active")
        row = connection.execute(query.with_for_update(of=people)).one_or_none()
        if row is None or (row.locked_until and row.locked_until > now):
            return None
        failures = 1 if row.locked_until else row.failures + 1
        until = now + LOCK if failures >= MOST_FAILURES else None
        connection.execute(update(people).where(people.c.id == row.id).values(failures=failures, locked_until=until))
        event = audit.Event(actor="", action="session.attempt", subject=row.id, details={"failures": failures})
        audit.append(connection, event, now=now)
        return Attempt(person=accounts.person_of(row), password=row.password)


def open_for(store: Store, person: str, *, agent: str, now: datetime) -> str:
    """Sign a person in whose password was right; return the session's token."""
    token, made = secrets.token_urlsafe(32), secrets.token_hex(8)
    row = {
        "id": made,
        "token_hash": accounts.hash_of(token),
        "person": person,
        "agent": agent[:200],
        "created": now,
        "seen": now,
    }
    with store.write() as connection:
        active = people.c.id == person, people.c.status == "active"
        cleared = connection.execute(update(people).where(*active).values(failures=0, locked_until=None))
        if not cleared.rowcount:
            raise DataError("This account is suspended; ask your lead.")
        connection.execute(sessions.insert(), row)
        audit.append(connection, audit.Event(actor=person, action="session.open", subject=made), now=now)
    return token


def take_back(store: Store, person: str) -> None:
    """Take back what `attempt` counted: the password was right, and no session is wanted."""
    with store.write() as connection:
        connection.execute(update(people).where(people.c.id == person).values(failures=0, locked_until=None))


def find(store: Store, token: str, *, now: datetime) -> Session | None:
    """Return the live session of a cookie's token, None when it ended or its person was suspended."""
    with store.read() as connection:
        row = connection.execute(_by_token(), {"token": accounts.hash_of(token), **_oldest(now)}).one_or_none()
    if row is None:
        return None
    if now - row.seen > _SEEN:
        with store.write() as connection:
            connection.execute(update(sessions).where(sessions.c.id == row.session_id).values(seen=now))
    return _session(row)


def of(store: Store, person: str, *, now: datetime) -> list[Session]:
    """Return where a person is signed in, latest use first."""
    query = _sessions().where(sessions.c.person == person).order_by(sessions.c.seen.desc())
    with store.read() as connection:
        return [_session(row) for row in connection.execute(query, _oldest(now))]


def end(store: Store, person: str, made: str, *, by: str, now: datetime) -> None:
    """Sign one of a person's browsers out; one that is out already stays out."""
    with store.write() as connection:
        live = sessions.c.person == person, sessions.c.id == made, sessions.c.ended.is_(None)
        if connection.execute(update(sessions).where(*live).values(ended=now)).rowcount:
            audit.append(connection, audit.Event(actor=by, action="session.end", subject=made), now=now)


def change_password(store: Store, person: str, password: str, *, keep: str, now: datetime) -> None:
    """Store another password's hash; all sessions of the person but `keep` end."""
    with store.write() as connection:
        values = {"password": password, "failures": 0, "locked_until": None}
        connection.execute(update(people).where(people.c.id == person).values(values))
        accounts.end_all(connection, person, now, keep=keep)
        audit.append(connection, audit.Event(actor=person, action="person.password", subject=person), now=now)


# Every request asks this; it is put together once.
@cache
def _by_token() -> Select[Any]:
    return _sessions().where(sessions.c.token_hash == bindparam("token", type_=String))


def _sessions() -> Select[Any]:
    """Return the query for live sessions with their people, to be asked with `_oldest`."""
    used = select(
        sessions.c.id.label("session_id"),
        sessions.c.agent,
        sessions.c.created.label("opened"),
        sessions.c.seen,
        people,
        labelers.c.group,
        members.c.organisation,
    )
    joined = accounts.with_rows_of(sessions.join(people, people.c.id == sessions.c.person))
    seen, created = (bindparam(name, type_=sessions.c.seen.type) for name in ("oldest_seen", "oldest_created"))
    fresh = sessions.c.ended.is_(None) & (sessions.c.seen > seen) & (sessions.c.created > created)
    return used.select_from(joined).where(fresh, people.c.status == "active")


def _oldest(now: datetime) -> dict[str, datetime]:
    return {"oldest_seen": now - IDLE, "oldest_created": now - LIFETIME}


def _session(row: Row[Any]) -> Session:
    return Session(
        id=row.session_id, person=accounts.person_of(row), agent=row.agent, created=row.opened, seen=row.seen
    )
