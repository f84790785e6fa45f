"""What customers' traffic may be used for: versions of a notice, and what each application agreed to under which.

Every decision is a row that stays and an event of the audit log. What holds now stands on the application itself, where
gateways read it: `training` under the newest notice, or nothing. Who agreed to an older notice agreed to other words,
so a new version ends all agreements, and each customer is asked again.
"""

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from tutelage.errors import ConflictError, DataError, MissingError
from tutelage.store import audit, counters, standing
from tutelage.store.application_forms import DataUse
from tutelage.store.application_tables import applications
from tutelage.store.database import Store
from tutelage.store.request_tables import data_uses, notices

_CUSTOMER: frozenset[standing.Actor] = frozenset({"customer"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A version of what customers are told about the use of their traffic."""

    version: str
    text: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What an application's traffic may be used for from a time on; `withdraws` takes back what came before, too."""

    application_id: str
    data_use: DataUse
    notice_version: str = ""
    withdraws: bool = False
    by: str
    created: datetime


def publish(store: Store, version: str, text: str, *, by: str, now: datetime) -> Notice:
    """Add a version of the notice and end the agreements to older ones; the same version and text again is nothing."""
    if not version.strip() or not text.strip():
        raise DataError("A notice has a version and a text; give both.")
    row = {"version": version, "text": text, "sha256": hashlib.sha256(text.encode()).hexdigest(), "by": by}
    with store.write() as connection:
        there = connection.execute(select(notices).where(notices.c.version == version)).one_or_none()
        if there is not None and there.sha256 != row["sha256"]:
            raise ConflictError(f"The notice {version!r} is published with another text; give this one a new version.")
        if there is not None:
            store.unchanged()
            return _notice(there)
        connection.execute(notices.insert(), {**row, "created": now})
        agreed = select(applications.c.id).where(applications.c.data_use == "training").order_by(applications.c.id)
        for application in connection.scalars(agreed.with_for_update()).all():
            ended = Decision(application_id=application, data_use="none", by=f"notice {version}", created=now)
            _decide(connection, ended)
        counters.add_one(connection)
        audit.append(connection, audit.Event(actor=by, action="notice.publish", subject=version), now=now)
    return Notice(version=version, text=text, created=now)


def versions(store: Store) -> list[Notice]:
    """Return all versions, the newest first."""
    with store.read() as connection:
        return [_notice(row) for row in connection.execute(_newest_first())]


def newest(store: Store) -> Notice | None:
    """Return the version that customers agree to now, None before there is any."""
    with store.read() as connection:
        row = connection.execute(_newest_first().limit(1)).one_or_none()
    return None if row is None else _notice(row)


def agree(store: Store, application: str, notice_version: str, *, by: str, now: datetime) -> Decision:
    """Let an application's traffic be used for training from now on, under the newest notice, which must be the one
    that the customer was shown."""
    with store.write() as connection:
        row = _own(connection, application, by)
        shown = connection.execute(_newest_first().limit(1)).one_or_none()
        if shown is None:
            raise MissingError("There is no notice to agree to yet; `tutelage prompts notice` publishes one.")
        if shown.version != notice_version:
            raise ConflictError(f"The notice changed to {shown.version!r} meanwhile; read it, then agree to it.")
        if (row.data_use, row.notice_version) == ("training", notice_version):
            store.unchanged()
            return _decision(connection.execute(_of(application).limit(1)).one())
        made = Decision(
            application_id=application, data_use="training", notice_version=notice_version, by=by, created=now
        )
        return _record(connection, made)


def refuse(store: Store, application: str, *, by: str, now: datetime) -> Decision:
    """Let an application's traffic be used for nothing from now on; what was sent before stays agreed to."""
    with store.write() as connection:
        _own(connection, application, by)
        return _record(connection, Decision(application_id=application, data_use="none", by=by, created=now))


def withdraw(store: Store, application: str, *, by: str, now: datetime) -> Decision:
    """Take an application's traffic out of all use, from now on and from before.

    What is kept of its words is deleted by the next retention job (`store/retention.py`); nothing reads it meanwhile.
    Words that are under review for misuse stay until their own time is over: they train nothing.
    """
    with store.write() as connection:
        _own(connection, application, by)
        made = Decision(application_id=application, data_use="none", withdraws=True, by=by, created=now)
        return _record(connection, made)


def decisions(store: Store, application: str) -> list[Decision]:
    """Return what was decided about an application's traffic, the last first."""
    with store.read() as connection:
        return [_decision(row) for row in connection.execute(_of(application))]


def _own(connection: Connection, application: str, by: str) -> Row[Any]:
    query = select(applications).where(applications.c.id == application).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise MissingError("There is no such application; reload the list.")
    standing.check(connection, by, row.organisation, _CUSTOMER)
    return row


def _record(connection: Connection, made: Decision) -> Decision:
    """Write a decision down as the last statements of its transaction."""
    _decide(connection, made)
    counters.add_one(connection)
    details = {"data_use": made.data_use, "notice": made.notice_version, "withdraws": made.withdraws}
    event = audit.Event(actor=made.by, action="application.data_use", subject=made.application_id, details=details)
    audit.append(connection, event, now=made.created)
    return made


def _decide(connection: Connection, made: Decision) -> None:
    connection.execute(data_uses.insert(), asdict(made))
    values = {"data_use": made.data_use, "notice_version": made.notice_version, "changed": made.created}
    connection.execute(update(applications).where(applications.c.id == made.application_id).values(values))


def _newest_first() -> Select[Any]:
    return select(notices).order_by(notices.c.created.desc(), notices.c.version.desc())


def _notice(row: Row[Any]) -> Notice:
    return Notice(version=row.version, text=row.text, created=row.created)


def _of(application: str) -> Select[Any]:
    return select(data_uses).where(data_uses.c.application_id == application).order_by(data_uses.c.number.desc())


def _decision(row: Row[Any]) -> Decision:
    return Decision(**{name: value for name, value in row._mapping.items() if name != "number"})
