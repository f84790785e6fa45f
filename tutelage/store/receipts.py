"""Handing work in: submissions and their judgements, all of a batch or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update

from tutelage.errors import ConflictError, DataError
from tutelage.store import batches, labels
from tutelage.store.database import Store
from tutelage.store.labels import Judgements
from tutelage.store.tables import assignments, submissions, tasks
from tutelage.store.tasks import HELD, LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a client hands in for an assignment. `id` is made by the client, `sha256` is the hash of all its content.

    `token` names the access token that it came through, "" for none.
    """

    id: str
    assignment_id: str
    labeler: str
    sha256: str
    active_ms: int = 0
    idle_ms: int = 0
    note: str = ""
    supersedes: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A submission with its judgements."""

    receipt: Receipt
    judgements: Judgements


def accept(store: Store, batch: Sequence[Handed], *, now: datetime) -> int:
    """Record those submissions that were not handed in before, and close the tasks that have all their labels.

    Handing in again what is there already changes nothing; another content under the same id is refused. A lease that
    ran out is no reason to lose work: it counts as long as nobody else has taken the task. Return how many were new.
    """
    with store.write() as connection:
        rows = _lock(connection, sorted({handed.receipt.assignment_id for handed in batch}))
        known = _known(connection, [handed.receipt for handed in batch])
        new = [handed for handed in batch if handed.receipt.id not in known]
        for handed in new:
            _check(connection, handed.receipt, rows.get(handed.receipt.assignment_id))
        batches.insert(connection, submissions, [_row(handed.receipt, now) for handed in new])
        labels.insert(connection, labels.merged([handed.judgements for handed in new]), now=now)
        touched = sorted({handed.receipt.assignment_id for handed in new})
        for part in batches.of(touched):
            values = {"state": "submitted", "heartbeat": now}
            connection.execute(update(assignments).where(assignments.c.id.in_(part)).values(values))
        _close(connection, sorted({rows[assignment].task_id for assignment in touched}), now)
        if not new:
            store.unchanged()
    return len(new)


def standing(assignment: str) -> Select[Any]:
    """Return the query for the id of the submission that no later one supersedes; there is none before the first."""
    later = submissions.alias("later")
    # A correction is of the same assignment: with that said, no database reads the table from end to end.
    superseding = select(later.c.id).where(
        later.c.assignment_id == submissions.c.assignment_id, later.c.supersedes == submissions.c.id
    )
    return select(submissions.c.id).where(submissions.c.assignment_id == assignment, ~superseding.exists())


def _known(connection: Connection, receipts: Sequence[Receipt]) -> set[str]:
    hashes: dict[str, str] = {}
    for part in batches.of(receipts):
        query = select(submissions.c.id, submissions.c.sha256)
        for row in connection.execute(query.where(submissions.c.id.in_([receipt.id for receipt in part]))):
            hashes[row.id] = row.sha256
    for receipt in receipts:
        if hashes.get(receipt.id, receipt.sha256) != receipt.sha256:
            raise ConflictError(f"The submission {receipt.id} was handed in before with another content; use a new id.")
    return set(hashes)


def _lock(connection: Connection, ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Lock the tasks, then the assignments, always in the same order, so that no two batches wait for each other."""
    found: dict[str, Row[Any]] = {}
    for part in batches.of(ids):
        of_part = select(assignments.c.task_id).where(assignments.c.id.in_(part))
        query = select(tasks.c.id).where(tasks.c.id.in_(of_part)).order_by(tasks.c.number)
        connection.execute(query.with_for_update()).all()
        query = (
            select(assignments, tasks.c.overlap)
            .join(tasks, tasks.c.id == assignments.c.task_id)
            .where(assignments.c.id.in_(part))
            .order_by(assignments.c.id)
        )
        for row in connection.execute(query.with_for_update(of=assignments)):
            found[row.id] = row
    return found


def _check(connection: Connection, receipt: Receipt, row: Row[Any] | None) -> None:
    if row is None or row.labeler != receipt.labeler:
        raise DataError(f"Labeler {receipt.labeler} has no assignment {receipt.assignment_id}; ask for work first.")
    if row.state == "submitted":
        _check_correction(connection, receipt)
    elif receipt.supersedes:
        raise DataError(f"The submission {receipt.id} corrects {receipt.supersedes}, which was never handed in.")
    elif row.state not in HELD and not (row.state == "expired" and _regain(connection, row)):
        raise ConflictError(
            f"The assignment {receipt.assignment_id} is {row.state} and its task went to others; ask for other work."
        )


def _check_correction(connection: Connection, receipt: Receipt) -> None:
    latest = connection.scalar(standing(receipt.assignment_id))
    if not receipt.supersedes:
        raise ConflictError(f"The assignment {receipt.assignment_id} is submitted; a correction must name {latest}.")
    if receipt.supersedes != latest:
        raise ConflictError(f"The submission {receipt.id} corrects {receipt.supersedes}, but the latest is {latest}.")


def _regain(connection: Connection, row: Row[Any]) -> bool:
    """Take an expired assignment back if its task has still room; say whether it had."""
    live = select(assignments.c.labeler).where(assignments.c.task_id == row.task_id, assignments.c.state.in_(LIVE))
    holders = connection.scalars(live).all()
    if len(holders) >= row.overlap or row.labeler in holders:
        return False
    # At once, so that the next one of this batch sees it.
    connection.execute(update(assignments).where(assignments.c.id == row.id).values(state="submitted"))
    return True


def _close(connection: Connection, ids: Sequence[str], now: datetime) -> None:
    done = (
        select(func.count())
        .where(assignments.c.task_id == tasks.c.id, assignments.c.state == "submitted")
        .correlate(tasks)
        .scalar_subquery()
    )
    for part in batches.of(ids):
        whole = update(tasks).where(tasks.c.id.in_(part), tasks.c.closed.is_(None), done >= tasks.c.overlap)
        connection.execute(whole.values(closed=now))


def _row(receipt: Receipt, now: datetime) -> dict[str, Any]:
    return {
        "id": receipt.id,
        "assignment_id": receipt.assignment_id,
        "labeler": receipt.labeler,
        "sha256": receipt.sha256,
        "active_ms": receipt.active_ms,
        "idle_ms": receipt.idle_ms,
        "note": receipt.note,
        "supersedes": receipt.supersedes,
        "token": receipt.token,
        "created": now,
    }
