"""Labels given back with a comment. Nothing is changed: the labeler hands in a new revision, or leaves it as it is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select

from tutelage.errors import ConflictError, DataError, MissingError
from tutelage.store import batches, blank_drafts
from tutelage.store.account_tables import people
from tutelage.store.database import Store
from tutelage.store.draft_tables import drafts as draft_table
from tutelage.store.return_tables import returns
from tutelage.store.tables import assignments, submissions, tasks
from tutelage.store.tasks import TaskKind

LONGEST = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """A submission to give back; `id` is made by the client, so that returning twice counts once."""

    id: str
    submission_id: str
    returned_by: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A return as it is shown; `answer` is the submission that came instead, "" while it waits for one."""

    submission_id: str
    assignment_id: str
    draft_id: str
    kind: TaskKind
    returned_by: str
    comment: str
    created: datetime
    answer: str


def add(store: Store, made: Return, *, now: datetime) -> None:
    """Give a submission back, and put it on its labeler's desk. The same return again changes nothing."""
    if not made.comment.strip():
        raise DataError("Write what the labeler should look at; a label is not returned without a comment.")
    if len(made.comment) > LONGEST:
        raise DataError(f"The comment has {len(made.comment)} characters; write at most {LONGEST}.")
    with store.write() as connection:
        query = select(submissions.c.assignment_id, submissions.c.labeler, _answer().label("answer"))
        row = connection.execute(query.where(submissions.c.id == made.submission_id)).one_or_none()
        if row is None:
            raise MissingError(f"There is no label {made.submission_id!r}; open it from the list of labels.")
        if row.answer:
            raise DataError("The labeler handed in a newer revision of this label; open that one.")
        blank_drafts.begin(connection, [row.assignment_id], row.labeler, now=now)
        values = {name: getattr(made, name) for name in Return.__slots__}
        if connection.scalar(select(returns.c.id).where(returns.c.id == made.id)) is not None:
            store.unchanged()
        batches.insert_new(connection, returns, [{**values, "created": now}])
        there = connection.execute(select(returns).where(returns.c.submission_id == made.submission_id)).one()
        if there.id != made.id:
            raise DataError("This label was returned already; wait for its labeler's new revision.")
        if there.comment != made.comment:
            raise ConflictError("This label was returned with another comment already; write to its labeler instead.")


def waiting(store: Store, labeler: str) -> list[Returned]:
    """Return what was given back to a labeler and has no new revision yet, oldest first."""
    with store.read() as connection:
        rows = connection.execute(_returned().where(submissions.c.labeler == labeler, _answer().is_(None)))
        return [_of(row) for row in rows]


def of_assignment(store: Store, assignment: str) -> list[Returned]:
    """Return all returns of the submissions for an assignment, oldest first."""
    with store.read() as connection:
        rows = connection.execute(_returned().where(submissions.c.assignment_id == assignment))
        return [_of(row) for row in rows]


def _answer() -> Any:
    """Return the id of the submission that supersedes a row of `submissions`, null for none."""
    later = submissions.alias("later")
    # The assignment is named as well, because that is what the table has an index for.
    return (
        select(later.c.id)
        .where(later.c.assignment_id == submissions.c.assignment_id, later.c.supersedes == submissions.c.id)
        .correlate(submissions)
        .scalar_subquery()
    )


def _returned() -> Select[Any]:
    return (
        select(
            returns,
            submissions.c.assignment_id,
            draft_table.c.id.label("draft_id"),
            tasks.c.kind,
            people.c.name,
            _answer().label("answer"),
        )
        .join(submissions, submissions.c.id == returns.c.submission_id)
        .join(assignments, assignments.c.id == submissions.c.assignment_id)
        .join(tasks, tasks.c.id == assignments.c.task_id)
        .join(draft_table, draft_table.c.assignment_id == assignments.c.id)
        .join(people, people.c.id == returns.c.returned_by)
        .order_by(returns.c.created, returns.c.id)
    )


def _of(row: Row[Any]) -> Returned:
    return Returned(
        submission_id=row.submission_id,
        assignment_id=row.assignment_id,
        draft_id=row.draft_id,
        kind=row.kind,
        returned_by=row.name,
        comment=row.comment,
        created=row.created,
        answer=row.answer or "",
    )
