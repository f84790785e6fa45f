"""API keys: what a program of a customer shows. Every change is in the audit log.

A key is `tut_ID_SECRET`: 8 characters that may be shown, and 32 random ones of 62. The database keeps the id and
HMAC-SHA256 of the whole under a pepper that is not in the database, so that who reads or writes the database alone
can make no key; the key itself is shown once.
"""

import hashlib
import hmac
import os
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import Connection, Row, Select, func, select, update

from tutelage.errors import ConflictError, DataError, MissingError, SettingsError
from tutelage.store import applications, audit, counters, standing, tables
from tutelage.store.application_tables import api_keys
from tutelage.store.application_tables import applications as application_rows
from tutelage.store.applications import Application
from tutelage.store.database import Store
from tutelage.store.organisations import checked_name
from tutelage.store.standing import Actor

Scope = Literal["complete", "feedback", "moderate"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
#: The environment variable that holds the pepper, and its least length.
PEPPER_VARIABLE = "TUTELAGE_KEY_PEPPER"
SHORTEST_PEPPER = 32
#: How many keys an application may have at once, and how many days one may last.
MOST, LONGEST_DAYS = 20, 3660
#: The longest time that a key lives on beside the one that replaces it.
LONGEST_OVERLAP = timedelta(days=30)
#: How exactly the last use is kept; every call would be a write otherwise.
_USED = timedelta(minutes=1)
_LETTERS = string.ascii_letters + string.digits
_FORM = re.compile(r"tut_([0-9A-Za-z]{8})_[0-9A-Za-z]{32}", re.ASCII)
_FACT = "key_pepper"
_OWNERS: frozenset[Actor] = frozenset({"customer"})
_ENDERS: frozenset[Actor] = frozenset({"customer", "staff", "monitor"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key as it is wanted; `days` None lasts until it is revoked."""

    name: str
    scopes: tuple[Scope, ...] = SCOPES
    days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as it is listed: never the key itself."""

    id: str
    application: str
    name: str
    scopes: tuple[Scope, ...]
    replaces: str
    created_by: str
    created: datetime
    expires: datetime | None
    used: datetime | None
    ended: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Say whether it is neither revoked nor over."""
        return self.ended is None and (self.expires is None or self.expires > now)


class Bound(NamedTuple):
    """A key with its digest, and the application that it is bound to."""

    key: Key
    digest: str
    application: Application


class Made(NamedTuple):
    """A key with its text, which is shown this once."""

    text: str
    key: Key


def pepper(store: Store) -> bytes:
    """Return the pepper: from the environment, else for SQLite from a file beside the database, made at first use.

    Raises SettingsError when it is too short, missing (PostgreSQL), or not the one that the keys here were made with.
    """
    given = os.environ.get(PEPPER_VARIABLE, "")
    if given and len(given) < SHORTEST_PEPPER:
        raise SettingsError(
            f"{PEPPER_VARIABLE} has {len(given)} characters; use at least {SHORTEST_PEPPER} random ones."
        )
    if not given and store.engine.dialect.name != "sqlite":
        raise SettingsError(
            f"Keys need a secret beside the database; set {PEPPER_VARIABLE} to at least {SHORTEST_PEPPER} random "
            "characters, the same for every process."
        )
    found = (given or _beside(pepper_file(store))).encode()
    _check_known(store, found)
    return found


def pepper_file(store: Store) -> Path:
    """Return where the pepper of a SQLite store lies unless the environment has it."""
    return pepper_beside(Path(str(store.engine.url.database).removeprefix("file:").partition("?")[0]))


def pepper_beside(database: Path) -> Path:
    """Return where the pepper of a SQLite file lies."""
    return database.with_name(f"{database.name}.pepper")


def id_of(text: str) -> str | None:
    """Return the id of what looks like a key, None for anything else."""
    found = _FORM.fullmatch(text)
    return found[1] if found else None


def is_right(text: str, digest: str, secret: bytes) -> bool:
    """Say whether this is the key with that digest, in a time that tells nothing."""
    return hmac.compare_digest(_digest(text, secret), digest)


def create(store: Store, application: str, new: NewKey, secret: bytes, *, by: str, now: datetime) -> Made:
    """Make a key of an application that is served, and return it, this once; `secret` is the pepper."""
    row = _row(application, new, by, now)
    with store.write() as connection:
        _check_may_have(connection, application, by, now)
        return _add(connection, row, secret, now)


def rotate(store: Store, key: str, secret: bytes, *, overlap: timedelta, by: str, now: datetime) -> Made:
    """Make a key like this one and return it; the old one lives on for `overlap`, and not longer than it would have."""
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise DataError(f"The old key can live on for up to {LONGEST_OVERLAP.days} days; choose a time within.")
    with store.write() as connection:
        old = _key(_locked(connection, key))
        _check_may_have(connection, old.application, by, now)
        if not old.is_live(now):
            raise ConflictError("This key is over already; make a new one.")
        lasts = None if old.expires is None else old.expires - old.created
        row = _row(old.application, NewKey(name=old.name, scopes=old.scopes), by, now)
        row |= {"replaces": old.id, "expires": None if lasts is None else now + lasts}
        until = now + overlap if old.expires is None else min(old.expires, now + overlap)
        connection.execute(update(api_keys).where(api_keys.c.id == old.id).values(expires=until))
        return _add(connection, row, secret, now)


def revoke(store: Store, key: str, *, by: str, reason: str = "", now: datetime) -> Key:
    """End a key for ever: running calls end within a second. One that is revoked already stays as it is."""
    with store.write() as connection:
        row = _locked(connection, key)
        _check_owned(connection, row.application, by, _ENDERS)
        if row.ended is not None:
            return _key(row)
        connection.execute(update(api_keys).where(api_keys.c.id == key).values(ended=now, ended_by=by))
        counters.add_one(connection)
        event = audit.Event(actor=by, action="key.revoke", subject=key, details={"reason": reason})
        audit.append(connection, event, now=now)
        return _key(_locked(connection, key))


def of(store: Store, application: str = "") -> list[Key]:
    """Return the keys of an application, or of all, the newest first; those that are over too."""
    query = select(api_keys).order_by(api_keys.c.created.desc(), api_keys.c.id)
    if application:
        query = query.where(api_keys.c.application == application)
    with store.read() as connection:
        return [_key(row) for row in connection.execute(query)]


def bound(store: Store, key: str) -> Bound | None:
    """Return a key by its id, with its application; None where there is none."""
    with store.read() as connection:
        row = connection.execute(select(api_keys).where(api_keys.c.id == key)).one_or_none()
        if row is None:
            return None
        named = connection.execute(applications.rows().where(application_rows.c.id == row.application)).one()
        return Bound(_key(row), row.digest, applications.application_of(named))


def was_used(store: Store, key: str, *, now: datetime) -> None:
    """Remember when a key was last used, by the minute."""
    is_older = api_keys.c.used.is_(None) | (api_keys.c.used < now - _USED)
    with store.write() as connection:
        connection.execute(update(api_keys).where(api_keys.c.id == key, is_older).values(used=now))


def _check_may_have(connection: Connection, application: str, by: str, now: datetime) -> None:
    """Refuse a new key to an application that is not served or has too many; its row stays locked."""
    _check_owned(connection, application, by, _OWNERS)
    query: Select[Any] = applications.rows().where(application_rows.c.id == application)
    found = applications.application_of(connection.execute(query).one())
    state = found.state_at(now)
    if state not in applications.SERVES or not found.is_organisation_active:
        shown = applications.told(state) if found.is_organisation_active else "suspended with its organisation"
        raise ConflictError(f"The application {application} is {shown}; only one that is served has keys.")
    is_live = api_keys.c.ended.is_(None) & (api_keys.c.expires.is_(None) | (api_keys.c.expires > now))
    there = select(func.count()).select_from(api_keys).where(api_keys.c.application == application, is_live)
    if (connection.scalar(there) or 0) >= MOST:
        raise DataError(f"This application has {MOST} keys already; revoke one that no program needs.")


def _check_owned(connection: Connection, application: str, by: str, allowed: frozenset[Actor]) -> None:
    query = select(application_rows.c.organisation).where(application_rows.c.id == application).with_for_update()
    organisation = connection.scalar(query)
    if organisation is None:
        raise MissingError("There is no such application; reload the list.")
    standing.check(connection, by, organisation, allowed)


def _add(connection: Connection, row: dict[str, Any], secret: bytes, now: datetime) -> Made:
    text = f"tut_{row['id']}_{_random(32)}"
    connection.execute(api_keys.insert(), {**row, "digest": _digest(text, secret)})
    counters.add_one(connection)
    details = {"application": row["application"], "scopes": row["scopes"], "replaces": row["replaces"]}
    event = audit.Event(actor=row["created_by"], action="key.create", subject=row["id"], details=details)
    audit.append(connection, event, now=now)
    return Made(text, _key(_locked(connection, row["id"])))


def _row(application: str, new: NewKey, by: str, now: datetime) -> dict[str, Any]:
    if not new.scopes or not set(new.scopes) <= set(SCOPES):
        raise DataError(f"A key has one or more of the scopes {', '.join(SCOPES)}; choose from them.")
    if new.days is not None and not 1 <= new.days <= LONGEST_DAYS:
        raise DataError(f"A key lasts 1 to {LONGEST_DAYS} days, not {new.days}.")
    return {
        "id": _random(8),
        "application": application,
        "name": checked_name(new.name, "key"),
        "scopes": sorted(set(new.scopes)),
        "replaces": "",
        "created_by": by,
        "created": now,
        "expires": None if new.days is None else now + timedelta(days=new.days),
    }


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def _digest(text: str, secret: bytes) -> str:
    return hmac.new(secret, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _beside(path: Path) -> str:
    """Return what the file holds; make it, readable by its owner alone, where it is not there."""
    made = path.with_name(f"{path.name}.{secrets.token_hex(6)}.part")
    try:
        if not path.exists():
            with open(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(file.fileno())
            try:
                # Unlike a rename, it fails where another process was first.
                os.link(made, path)
            except FileExistsError:
                pass
            finally:
                made.unlink()
        found = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingsError(
            f"The secret of the keys in {path} cannot be used: {error.strerror}; make it readable, or set "
            f"{PEPPER_VARIABLE}."
        ) from error
    if len(found) < SHORTEST_PEPPER:
        raise SettingsError(f"The secret of the keys in {path} is not whole; restore the file from a backup.")
    return found


def _check_known(store: Store, secret: bytes) -> None:
    """Refuse another pepper than the one that the keys of this store were made with; the first one is remembered."""
    mark = _digest("the pepper of this store", secret)
    known = select(tables.facts.c.value).where(tables.facts.c.name == _FACT)
    with store.read() as connection:
        found = connection.scalar(known)
    if found is None:
        with store.write() as connection:
            found = connection.scalar(known)
            if found is None:
                connection.execute(tables.facts.insert(), {"name": _FACT, "value": mark})
                return
    if not hmac.compare_digest(str(found), mark):
        raise SettingsError(
            f"The keys of this database were made with another secret; restore {PEPPER_VARIABLE}, or the file "
            "whose name ends in .pepper, from the backup that the database comes from."
        )


def _locked(connection: Connection, key: str) -> Row[Any]:
    row = connection.execute(select(api_keys).where(api_keys.c.id == key).with_for_update()).one_or_none()
    if row is None:
        raise MissingError("There is no such key; `tutelage keys list` shows what there is.")
    return row


def _key(row: Row[Any]) -> Key:
    named = {name: value for name, value in row._mapping.items() if name in Key.__slots__}
    scopes: Sequence[Scope] = row.scopes
    return Key(**{**named, "scopes": tuple(scopes)})
