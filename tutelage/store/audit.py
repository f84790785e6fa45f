"""The log of everything that a page or the API changed: append-only, each row chained to the one before it.

A row is written in the transaction of the change that it tells, so that neither exists without the other. Its hash
covers its content and the hash of the row before; who changes, removes or inserts a row in the middle breaks the chain,
and `verify` names the first row that does not fit. Rows removed from the end leave a whole chain: compare the number
and the hash of the last row with ones that were noted elsewhere.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from tutelage.errors import DataError
from tutelage.files import content_hash
from tutelage.store.account_tables import audit_log
from tutelage.store.database import Store

#: What stands where the first row names the hash of the row before it.
START = "0" * 64
_LOCK = 7488853
_PART = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened: `actor` (a person's id, "" where nobody is signed in) did `action` to `subject`, an id.

    `details` hold what JSON can hold and nobody must hide: never a password, a link or a text that was labeled.
    """

    actor: str
    action: str
    subject: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event as it stands in the log."""

    number: int
    at: datetime
    event: Event
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How many rows the log has, and the hash of the last one."""

    rows: int
    hash: str


def append(connection: Connection, event: Event, *, now: datetime) -> None:
    """Add an event to the log inside the transaction of its change, as that transaction's last statement.

    The log is one chain, so writers wait for each other here until they commit. A transaction that took other locks
    after this one could wait for somebody who waits for it.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    last = _last(connection)
    details = json.dumps(dict(event.details), sort_keys=True, separators=(",", ":"), allow_nan=False)
    row = {
        "number": last.rows + 1,
        "at": now,
        "actor": event.actor,
        "action": event.action,
        "subject": event.subject,
        "details": details,
        "previous": last.hash,
    }
    connection.execute(audit_log.insert(), {**row, "hash": _hash(row)})


class AuditedStore(Store):
    """A store whose write transactions end with the same event: what the change is called, and who made it."""

    def __init__(self, store: Store, event: Event, now: datetime) -> None:
        super().__init__(store.engine, store._salt)
        self._event, self._now, self._is_change = event, now, True

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection whose transaction is committed with the event, or rolled back with it."""
        with super().write() as connection:
            self._is_change = True
            yield connection
            if self._is_change:
                append(connection, self._event, now=self._now)

    def unchanged(self) -> None:
        """Leave the event out of the transaction at work."""
        self._is_change = False


def audited(store: Store, event: Event, *, now: datetime) -> AuditedStore:
    """Return the store as a function that changes it should see it, so that the change and `event` are one transaction.

    `tasks.skip(audit.audited(store, event, now=now), ...)` writes the event if the task was skipped, else nothing.
    """
    return AuditedStore(store, event, now)


def find(store: Store, *, before: int | None = None, limit: int = 100, subject: str = "") -> list[Entry]:
    """Return the newest events below the number `before`, newest first; `subject` keeps those about one thing."""
    query = select(audit_log).order_by(audit_log.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(audit_log.c.number < before)
    if subject:
        query = query.where(audit_log.c.subject == subject)
    with store.read() as connection:
        return [_entry(row) for row in connection.execute(query)]


def verify(store: Store) -> Head:
    """Follow the chain from its start; a row that does not fit raises DataError with its number."""
    with store.read() as connection:
        return verified(connection)


def verified(connection: Connection) -> Head:
    """Follow the chain as a connection sees it."""
    head = Head(rows=0, hash=START)
    while rows := _following(connection, head.rows):
        for row in rows:
            if row.number != head.rows + 1:
                raise DataError(
                    f"The audit log has no row {head.rows + 1}: somebody removed it. Compare with a backup."
                )
            if row.previous != head.hash or row.hash != _hash(row._mapping):
                raise DataError(f"Row {row.number} of the audit log was changed. Compare with a backup.")
            head = Head(rows=row.number, hash=row.hash)
    return head


def _following(connection: Connection, number: int) -> list[Row[Any]]:
    query = select(audit_log).where(audit_log.c.number > number).order_by(audit_log.c.number).limit(_PART)
    return list(connection.execute(query))


def _last(connection: Connection) -> Head:
    query = select(audit_log.c.number, audit_log.c.hash).order_by(audit_log.c.number.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return Head(rows=row.number, hash=row.hash) if row else Head(rows=0, hash=START)


def _hash(row: Mapping[Any, Any]) -> str:
    """Hash a row: the SHA-256 of its canonical JSON, the hash of the row before included."""
    names = ("number", "actor", "action", "subject", "details", "previous")
    return content_hash([*(row[name] for name in names), row["at"].astimezone(UTC).isoformat()])


def _entry(row: Row[Any]) -> Entry:
    event = Event(actor=row.actor, action=row.action, subject=row.subject, details=json.loads(row.details))
    return Entry(number=row.number, at=row.at, event=event, hash=row.hash)
