"""Drafts of work in hand: one per assignment, with a version that every save must name.

A draft is the only row that labelers write over: it is no label. Two devices never overwrite each other, because a save
names the version it began from.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Row, select, update

from tutelage.errors import ConflictError, DataError, MissingError
from tutelage.store import blank_drafts, receipts
from tutelage.store.database import Store
from tutelage.store.draft_tables import drafts
from tutelage.store.tables import assignments, tasks
from tutelage.store.tasks import HELD, State, TaskKind

#: Nine outputs with notes and a long text of one's own stay far below.
LONGEST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a labeler has done so far; version 0 is nothing yet and `content` is "".

    `kind`, `state` and `lease_until` are those of the work that it is a draft of.
    """

    id: str
    assignment_id: str
    labeler: str
    version: int
    content: str
    saved: datetime | None
    kind: TaskKind
    state: State
    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A piece of work on a labeler's desk: its kind, the state of its assignment and when its draft was saved."""

    draft_id: str
    kind: TaskKind
    state: State
    lease_until: datetime
    saved: datetime | None


class NewerDraftError(ConflictError):
    """A save that began from an older version than the store has."""

    code = "newer_draft"


def begin(store: Store, assignment: str, labeler: str, *, now: datetime) -> Draft:
    """Return the draft of a labeler's assignment; the first call makes an empty one."""
    query = _drafts(labeler).where(drafts.c.assignment_id == assignment)
    with store.read() as connection:
        # What was taken at the desk has one already, and nobody waits for a write.
        if there := connection.execute(query).one_or_none():
            return _draft(there)
    with store.write() as connection:
        held = select(assignments.c.id).where(assignments.c.id == assignment, assignments.c.labeler == labeler)
        if connection.scalar(held) is None:
            raise DataError(f"Labeler {labeler} has no assignment {assignment}; ask for work first.")
        blank_drafts.begin(connection, [assignment], labeler, now=now)
        return _draft(connection.execute(query).one())


def get(store: Store, draft: str, labeler: str) -> Draft:
    """Return a labeler's own draft; another's is as if it were not there."""
    with store.read() as connection:
        row = connection.execute(_own(draft, labeler)).one_or_none()
    return _found(row)


def save(store: Store, draft: str, labeler: str, content: str, *, base: int, now: datetime) -> Draft:
    """Write a draft over the version `base` and return the new one.

    Saving the same content again (the answer to the first save was lost) changes nothing; another content over an older
    version raises NewerDraftError.
    """
    if len(content) > LONGEST:
        raise DataError(f"This draft has {len(content):,} characters; shorten it to {LONGEST:,}.")
    with store.write() as connection:
        values = {"version": base + 1, "content": content, "saved": now}
        own = (drafts.c.id == draft, drafts.c.labeler == labeler)
        connection.execute(update(drafts).where(*own, drafts.c.version == base).values(values))
        there = _found(connection.execute(_own(draft, labeler)).one_or_none())
    if (there.version, there.content) != (base + 1, content):
        raise NewerDraftError("This work was changed in another place; choose which version to keep.")
    return there


def on_desk(store: Store, labeler: str) -> list[Desk]:
    """Return what a labeler has begun and not handed in, oldest first.

    Work whose lease ran out is there while its task is open: it can be handed in if nobody else took the task.
    """
    lost = tasks.c.closed.is_(None) & (drafts.c.version > 0)
    query = _desks(labeler).where(assignments.c.state.in_((*HELD, "expired")))
    query = query.where((assignments.c.state != "expired") | lost).order_by(drafts.c.created)
    with store.read() as connection:
        return [Desk(**row._mapping) for row in connection.execute(query)]


def handed_in(store: Store, labeler: str, *, limit: int) -> list[Desk]:
    """Return what a labeler handed in last, newest first: it can be opened again for a correction."""
    query = _desks(labeler).where(assignments.c.state == "submitted").order_by(assignments.c.heartbeat.desc())
    with store.read() as connection:
        return [Desk(**row._mapping) for row in connection.execute(query.limit(limit))]


def latest_submission(store: Store, assignment: str) -> str:
    """Return the id of the submission that stands for an assignment, "" before the first."""
    with store.read() as connection:
        return connection.scalar(receipts.standing(assignment)) or ""


def _own(draft: str, labeler: str) -> Any:
    return _drafts(labeler).where(drafts.c.id == draft)


def _drafts(labeler: str) -> Any:
    return _all_drafts().where(drafts.c.labeler == labeler)


@cache
def _all_drafts() -> Any:
    return (
        select(drafts, tasks.c.kind, assignments.c.state, assignments.c.lease_until)
        .join(assignments, assignments.c.id == drafts.c.assignment_id)
        .join(tasks, tasks.c.id == assignments.c.task_id)
    )


def _desks(labeler: str) -> Any:
    return (
        select(
            drafts.c.id.label("draft_id"),
            tasks.c.kind,
            assignments.c.state,
            assignments.c.lease_until,
            drafts.c.saved,
        )
        .join(assignments, assignments.c.id == drafts.c.assignment_id)
        .join(tasks, tasks.c.id == assignments.c.task_id)
        # Of the assignments' labeler: their index leads to the few of this state, however much was done before.
        .where(assignments.c.labeler == labeler)
    )


def _found(row: Row[Any] | None) -> Draft:
    if row is None:
        raise MissingError("There is no such work on your desk; go to the home page and take work from there.")
    return _draft(row)


def _draft(row: Row[Any]) -> Draft:
    return Draft(
        id=row.id,
        assignment_id=row.assignment_id,
        labeler=row.labeler,
        version=row.version,
        content=row.content,
        saved=row.saved,
        kind=row.kind,
        state=row.state,
        lease_until=row.lease_until,
    )
