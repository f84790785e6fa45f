"""Leased jobs: work that any process may take, that survives its worker, and that two never finish both.

A claim is told from every other one by the job, the worker and the number of the attempt. Who lost the lease, because
it ran out and another worker claimed the job, can neither prolong nor finish it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, and_, case, delete, func, or_, select, update

from tutelage.errors import DataError, MissingError
from tutelage.files import content_hash
from tutelage.store import batches
from tutelage.store.database import Store
from tutelage.store.job_tables import jobs

JobState = Literal["queued", "running", "done", "failed"]
#: How often a job is tried. One that stands is tried for ever.
ATTEMPTS = 3
LOST = "The worker ended without a word."


class LeaseLostError(Exception):
    """The lease ran out and the job went to another worker, or was ended: what was done for it does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """Something to do. Without an id, the same kind with the same arguments is the same job."""

    kind: str
    arguments: Mapping[str, Any]
    id: str = ""

    @property
    def name(self) -> str:
        """Return the job's id."""
        return self.id or content_hash([self.kind, self.arguments])[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it is now. `done` of `total` tells how far it is; a standing job has `every`, in seconds."""

    id: str
    kind: str
    state: JobState
    attempts: int
    not_before: datetime
    created: datetime
    changed: datetime
    arguments: dict[str, Any] = field(default_factory=dict)
    every: int | None = None
    worker: str = ""
    lease_until: datetime | None = None
    done: int = 0
    total: int = 0
    result: dict[str, Any] | None = None
    error: str = ""


def enqueue(store: Store, new: Sequence[NewJob], *, now: datetime) -> None:
    """File jobs; those that are there already, in whatever state, are left as they are."""
    with store.write() as connection:
        insert(connection, new, now=now)


def insert(connection: Connection, new: Sequence[NewJob], *, now: datetime) -> None:
    """File jobs as part of the caller's transaction."""
    batches.insert_new(connection, jobs, [_row(job, None, now) for job in new])


def stand(store: Store, job: NewJob, *, every: int, now: datetime) -> None:
    """Let a job be done again and again, `every` so many seconds; one of the same id gets the new arguments at once."""
    row = _row(job, every, now)
    with store.write() as connection:
        batches.insert_new(connection, jobs, [row])
        connection.execute(
            update(jobs)
            .where(jobs.c.id == job.name)
            .values({name: row[name] for name in ("kind", "arguments", "every", "not_before", "changed")})
        )


def stand_first(store: Store, job: NewJob, *, every: int, now: datetime) -> None:
    """Let a job be done again and again, unless one of the same id stands already: that one is left as it is."""
    with store.write() as connection:
        batches.insert_new(connection, jobs, [_row(job, every, now)])


def hasten(store: Store, id: str, *, now: datetime) -> None:
    """Let a job that waits be due at once; where there is none, nothing happens."""
    waits = and_(jobs.c.id == id, jobs.c.state == "queued", jobs.c.not_before > now)
    with store.write() as connection:
        connection.execute(update(jobs).where(waits).values(not_before=now))


def end(store: Store, id: str) -> None:
    """End a standing job; who is at it finds the lease lost. Ending what does not stand changes nothing."""
    with store.write() as connection:
        connection.execute(delete(jobs).where(jobs.c.id == id, jobs.c.every.is_not(None)))


def claim(store: Store, kinds: Sequence[str], *, worker: str, now: datetime, until: datetime) -> Job | None:
    """Take the oldest job that is due of the first of these kinds that has any; None where there is none.

    Leases that ran out are ended first: their jobs are due again, or failed when they were tried too often.
    """
    order = case({kind: place for place, kind in enumerate(kinds)}, value=jobs.c.kind)
    due = and_(jobs.c.state == "queued", jobs.c.not_before <= now, jobs.c.kind.in_(kinds))
    query = select(jobs).where(due).order_by(order, jobs.c.number).limit(1)
    with store.write() as connection:
        _end_leases(connection, now)
        row = connection.execute(query.with_for_update(skip_locked=True)).one_or_none()
        if row is None:
            return None
        taken = {
            "state": "running",
            "attempts": row.attempts + 1,
            "worker": worker,
            "lease_until": until,
            "done": 0,
            "total": 0,
            "changed": now,
        }
        connection.execute(update(jobs).where(jobs.c.number == row.number).values(taken))
        return _job(connection.execute(select(jobs).where(jobs.c.number == row.number)).one())


def prolong(store: Store, job: Job, *, done: int, total: int, now: datetime, until: datetime) -> None:
    """Say that the worker is still at it, and how far it is."""
    _change(store, job, {"lease_until": until, "done": done, "total": total, "changed": now})


def finish(store: Store, job: Job, result: Mapping[str, Any], *, now: datetime) -> None:
    """Record what a job gave; a standing one is queued again."""
    values: dict[str, Any] = {"result": dict(result), "error": "", "lease_until": None, "changed": now}
    if job.every is None:
        _change(store, job, {**values, "state": "done"})
    else:
        again = now + timedelta(seconds=job.every)
        _change(store, job, {**values, "state": "queued", "attempts": 0, "not_before": again})


def fail(store: Store, job: Job, error: str, *, now: datetime, again: datetime) -> None:
    """Record why a job failed; it is tried `again` unless it was tried too often."""
    is_over = job.every is None and job.attempts >= ATTEMPTS
    values = {"error": error, "lease_until": None, "not_before": again, "changed": now}
    _change(store, job, {**values, "state": "failed" if is_over else "queued"})


def give_back(store: Store, job: Job, *, now: datetime) -> None:
    """Give a job back unfinished, because its worker is told to stop: the attempt does not count."""
    values = {"state": "queued", "attempts": job.attempts - 1, "lease_until": None, "not_before": now, "changed": now}
    _change(store, job, values)


def retry(store: Store, id: str, *, now: datetime) -> None:
    """Try a failed job again, as if it were new."""
    with store.write() as connection:
        state = connection.scalar(select(jobs.c.state).where(jobs.c.id == id).with_for_update())
        if state is None:
            raise MissingError(f"There is no job {id!r}; `tutelage work --jobs` lists them.")
        if state != "failed":
            raise DataError(f"The job {id} is {state}; only one that failed can be tried again.")
        values = {"state": "queued", "attempts": 0, "not_before": now, "changed": now}
        connection.execute(update(jobs).where(jobs.c.id == id).values(values))


def find(store: Store, *, states: Iterable[JobState] = (), limit: int | None = None) -> list[Job]:
    """Return jobs, or those in these states, the newest first."""
    query = select(jobs).order_by(jobs.c.number.desc()).limit(limit)
    if states:
        query = query.where(jobs.c.state.in_(list(states)))
    with store.read() as connection:
        return [_job(row) for row in connection.execute(query)]


def left(store: Store, kinds: Sequence[str], *, now: datetime) -> int:
    """Count the jobs of these kinds that are running, or queued and due or to be tried again; standing ones wait."""
    waits = and_(jobs.c.state == "queued", or_(jobs.c.every.is_(None), jobs.c.not_before <= now))
    query = select(func.count()).where(jobs.c.kind.in_(kinds), or_(jobs.c.state == "running", waits))
    with store.read() as connection:
        return int(connection.scalar(query) or 0)


def _end_leases(connection: Connection, now: datetime) -> None:
    out = and_(jobs.c.state == "running", jobs.c.lease_until <= now)
    # Rows that somebody else is changing at this moment are left for the next time.
    rows = connection.execute(
        select(*jobs.c["number", "attempts", "every"]).where(out).with_for_update(skip_locked=True)
    )
    for row in rows.all():
        is_over = row.every is None and row.attempts >= ATTEMPTS
        values = {"state": "failed" if is_over else "queued", "lease_until": None, "error": LOST, "changed": now}
        connection.execute(update(jobs).where(jobs.c.number == row.number).values(values))


def _change(store: Store, job: Job, values: Mapping[str, Any]) -> None:
    """Change a job of which this claim is the present one."""
    mine = and_(
        jobs.c.id == job.id,
        jobs.c.state == "running",
        jobs.c.worker == job.worker,
        jobs.c.attempts == job.attempts,
    )
    with store.write() as connection:
        if connection.execute(update(jobs).where(mine).values(dict(values))).rowcount != 1:
            raise LeaseLostError(job.id)


def _row(job: NewJob, every: int | None, now: datetime) -> dict[str, Any]:
    return {
        "id": job.name,
        "kind": job.kind,
        "arguments": dict(job.arguments),
        "state": "queued",
        "attempts": 0,
        "every": every,
        "not_before": now,
        "created": now,
        "changed": now,
    }


def _job(row: Row[Any]) -> Job:
    return Job(**{name: value for name, value in row._mapping.items() if name != "number"})
