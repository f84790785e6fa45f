"""What the misuse monitor wants looked at, and what reviewers make of it. Every verdict is in the audit log.

A case is opened by the monitor and decided once by a person. Its evidence are ids of requests: what was said in them is
read through `store.contents`, which wants a reason and logs the look.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Row, Select, select, update

from tutelage.errors import ConflictError, DataError, MissingError
from tutelage.store import audit, batches, standing
from tutelage.store.application_tables import applications
from tutelage.store.case_tables import cases, spot_checks
from tutelage.store.database import Store

Kind = Literal["finding", "spot_check"]
Verdict = Literal["open", "confirmed", "dismissed"]
#: Why a case was decided as it was; counted by code, so that the rules that err most are found.
Code = Literal["abuse", "customer_error", "allowed_use", "filter_error", "rule_error", "test", "nothing_found"]
CODES: tuple[Code, ...] = get_args(Code)
#: How long a case may wait: a grave one stops an application meanwhile.
GRAVE_HOURS, HOURS = 24, 72
_LONGEST_NOTE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCase:
    """What the monitor found: the signal ("" for a spot check), why, in which requests, and what it did at once."""

    kind: Kind
    application_id: str
    signal: str = ""
    summary: str = ""
    requests: tuple[str, ...] = ()
    is_grave: bool = False
    score: float = 0.0
    measure: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case as it is now; `organisation` is whose application it is about."""

    number: int
    found: NewCase
    application_name: str
    organisation: str
    deadline: datetime
    created: datetime
    verdict: Verdict = "open"
    code: str = ""
    note: str = ""
    reviewer: str = ""
    reviewed: datetime | None = None


def insert(connection: Connection, new: NewCase, *, now: datetime) -> int:
    """Open a case as part of the caller's transaction; return its number."""
    waits = timedelta(hours=GRAVE_HOURS if new.is_grave else HOURS)
    row = {name: getattr(new, name) for name in NewCase.__slots__}
    values = {**row, "requests": list(new.requests), "deadline": now + waits, "created": now}
    number: int = connection.scalars(cases.insert().values(values).returning(cases.c.number)).one()
    return number


def add(store: Store, new: NewCase, *, now: datetime) -> int:
    """Open a case; return its number."""
    with store.write() as connection:
        return insert(connection, new, now=now)


def add_spot_checks(store: Store, taken: Sequence[tuple[str, str]], *, now: datetime) -> int:
    """Open a case for each pair of request and application that was not looked at yet; return how many were new."""
    with store.write() as connection:
        known: set[str] = set()
        for part in batches.of([request for request, _ in taken]):
            known |= set(connection.scalars(select(spot_checks.c.request_id).where(spot_checks.c.request_id.in_(part))))
        new = {request: application for request, application in taken if request not in known}
        for request, application in sorted(new.items()):
            case = NewCase(kind="spot_check", application_id=application, requests=(request,))
            number = insert(connection, case, now=now)
            connection.execute(spot_checks.insert().values(request_id=request, case=number))
    return len(new)


def decide(  # noqa: PLR0913 - one parameter per thing that a verdict needs
    store: Store, number: int, verdict: Verdict, *, code: Code, note: str, by: str, now: datetime
) -> Case:
    """Give the verdict on a case, once: `confirmed` or `dismissed`, for a reason of `CODES`.

    Raises MissingError for no such case, ConflictError for one that was decided, DataError for what is no verdict.
    """
    if verdict not in ("confirmed", "dismissed") or code not in CODES:
        raise DataError(f"Confirm or dismiss a case, for one of these reasons: {', '.join(CODES)}.")
    if len(note) > _LONGEST_NOTE:
        raise DataError(f"The note has {len(note)} characters; use at most {_LONGEST_NOTE}.")
    with store.write() as connection:
        row = connection.execute(_rows().where(cases.c.number == number).with_for_update(of=cases)).one_or_none()
        if row is None:
            raise MissingError(f"There is no case {number}; reload the list.")
        standing.check(connection, by, row.organisation, frozenset({"staff"}))
        if row.verdict != "open":
            raise ConflictError(f"Case {number} was {row.verdict} already; reload it.")
        values = {"verdict": verdict, "code": code, "note": note.strip(), "reviewer": by, "reviewed": now}
        connection.execute(update(cases).where(cases.c.number == number).values(values))
        details = {"verdict": verdict, "code": code, "application": row.application_id, "signal": row.signal}
        audit.append(
            connection, audit.Event(actor=by, action="case.decide", subject=str(number), details=details), now=now
        )
        return _case(connection.execute(_rows().where(cases.c.number == number)).one())


def get(store: Store, number: int) -> Case:
    """Return a case; raise MissingError when there is none."""
    with store.read() as connection:
        row = connection.execute(_rows().where(cases.c.number == number)).one_or_none()
    if row is None:
        raise MissingError(f"There is no case {number}; reload the list.")
    return _case(row)


def waiting(store: Store, *, kind: Kind | None = None, limit: int = 100) -> list[Case]:
    """Return the open cases, those due first first."""
    query = _rows().where(cases.c.verdict == "open").order_by(cases.c.deadline, cases.c.number).limit(limit)
    if kind is not None:
        query = query.where(cases.c.kind == kind)
    with store.read() as connection:
        return [_case(row) for row in connection.execute(query)]


def of_application(store: Store, application: str, *, since: datetime | None = None) -> list[Case]:
    """Return what was found in an application's traffic, the oldest first, and confirmed spot checks."""
    query = _rows().where(cases.c.application_id == application).order_by(cases.c.number)
    query = query.where((cases.c.kind == "finding") | (cases.c.verdict == "confirmed"))
    if since is not None:
        query = query.where(cases.c.created >= since)
    with store.read() as connection:
        return [_case(row) for row in connection.execute(query)]


def _rows() -> Select[Any]:
    return select(cases, applications.c.name.label("application_name"), applications.c.organisation).join(
        applications, applications.c.id == cases.c.application_id
    )


def _case(row: Row[Any]) -> Case:
    found = NewCase(**{**{name: getattr(row, name) for name in NewCase.__slots__}, "requests": tuple(row.requests)})
    return Case(
        number=row.number,
        found=found,
        application_name=row.application_name,
        organisation=row.organisation,
        deadline=row.deadline,
        created=row.created,
        verdict=row.verdict,
        code=row.code,
        note=row.note,
        reviewer=row.reviewer,
        reviewed=row.reviewed,
    )
