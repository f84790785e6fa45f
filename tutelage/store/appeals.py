"""What customers say against a measure, decided by somebody who did not take it. Every decision is in the audit log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, select, update

from tutelage.errors import ConflictError, DataError, MissingError, RefusedError
from tutelage.store import applications, audit, standing
from tutelage.store.application_tables import application_moves
from tutelage.store.application_tables import applications as application_rows
from tutelage.store.case_tables import appeals, cases
from tutelage.store.database import Store

Decision = Literal["open", "upheld", "overturned"]
_SHORTEST, _LONGEST = 20, 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Appeal:
    """An appeal as it is now. `against` took the measure: a person's id, "" at the command line, or "monitor"."""

    number: int
    application_id: str
    application_name: str
    organisation: str
    text: str
    against: str
    by: str
    created: datetime
    decision: Decision
    reason: str
    decided_by: str
    decided: datetime | None


def add(store: Store, application: str, text: str, *, by: str, now: datetime) -> Appeal:
    """Appeal against the last measure on an application: a suspension, a return to the sandbox, or a throttle.

    Raises ConflictError when there is no measure, or when an appeal waits already.
    """
    said = text.strip()
    if not _SHORTEST <= len(said) <= _LONGEST:
        raise DataError(f"Say in {_SHORTEST} to {_LONGEST} characters why the measure is wrong; now it is {len(said)}.")
    with store.write() as connection:
        row = connection.execute(applications.rows().where(application_rows.c.id == application)).one_or_none()
        if row is None:
            raise MissingError("There is no such application; reload the list.")
        standing.check(connection, by, row.organisation, frozenset({"customer"}))
        against = _measured_by(connection, row)
        waiting = select(appeals.c.number).where(appeals.c.application_id == application, appeals.c.decision == "open")
        if connection.scalar(waiting) is not None:
            raise ConflictError("An appeal of this application waits already; it is decided by another reviewer.")
        values = {"application_id": application, "text": said, "against": against, "by": by, "created": now}
        number = connection.scalars(appeals.insert().values(values).returning(appeals.c.number)).one()
        event = audit.Event(actor=by, action="appeal.add", subject=application, details={"appeal": number})
        audit.append(connection, event, now=now)
        return _appeal(connection.execute(_rows().where(appeals.c.number == number)).one())


def decide(store: Store, number: int, decision: Decision, *, reason: str, by: str, now: datetime) -> Appeal:
    """Uphold or overturn, with a reason that the customer reads. Who took the measure or confirmed its case does not.

    An overturned measure is lifted by `applications.move` or `throttle`, by the same person; this only decides.
    """
    if decision not in ("upheld", "overturned") or not reason.strip():
        raise DataError("Uphold or overturn an appeal, and say why in words that the customer reads.")
    with store.write() as connection:
        row = connection.execute(_rows().where(appeals.c.number == number).with_for_update(of=appeals)).one_or_none()
        if row is None:
            raise MissingError(f"There is no appeal {number}; reload the list.")
        standing.check(connection, by, row.organisation, frozenset({"staff"}))
        if row.decision != "open":
            raise ConflictError(f"Appeal {number} was {row.decision} already; reload it.")
        if by in {row.against, *_reviewers(connection, row.application_id)}:
            raise RefusedError("You took part in what this appeal is about; another reviewer decides it.")
        values = {"decision": decision, "reason": reason.strip(), "decided_by": by, "decided": now}
        connection.execute(update(appeals).where(appeals.c.number == number).values(values))
        details = {"decision": decision, "reason": reason.strip(), "application": row.application_id}
        audit.append(
            connection, audit.Event(actor=by, action="appeal.decide", subject=str(number), details=details), now=now
        )
        return _appeal(connection.execute(_rows().where(appeals.c.number == number)).one())


def waiting(store: Store) -> list[Appeal]:
    """Return the open appeals, the oldest first."""
    with store.read() as connection:
        query = _rows().where(appeals.c.decision == "open").order_by(appeals.c.number)
        return [_appeal(row) for row in connection.execute(query)]


def of_application(store: Store, application: str) -> list[Appeal]:
    """Return all appeals of an application, the oldest first."""
    with store.read() as connection:
        query = _rows().where(appeals.c.application_id == application).order_by(appeals.c.number)
        return [_appeal(row) for row in connection.execute(query)]


def _measured_by(connection: Connection, row: Row[Any]) -> str:
    """Return who took the measure that holds; ConflictError without one."""
    last = (
        select(application_moves.c.by, application_moves.c.before, application_moves.c.after)
        .where(application_moves.c.application == row.id)
        .order_by(application_moves.c.number.desc())
        .limit(1)
    )
    move = connection.execute(last).one_or_none()
    if move is not None and (
        move.after in ("suspended", "revoked") or (move.before == "live" and move.after == "sandbox")
    ):
        return str(move.by)
    if row.share < 1:
        return "monitor"
    raise ConflictError("Nothing was done to this application that could be appealed against.")


def _reviewers(connection: Connection, application: str) -> set[str]:
    query = select(cases.c.reviewer).where(cases.c.application_id == application, cases.c.verdict == "confirmed")
    return set(connection.scalars(query))


def _rows() -> Select[Any]:
    named = application_rows.c.name.label("application_name"), application_rows.c.organisation
    return select(appeals, *named).join(application_rows, application_rows.c.id == appeals.c.application_id)


def _appeal(row: Row[Any]) -> Appeal:
    return Appeal(**{name: getattr(row, name) for name in Appeal.__slots__})
