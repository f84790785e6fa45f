"""Who judges, and the versions of what they were told."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from tutelage.errors import DataError, MissingError
from tutelage.records import Group, Instructions, Labeler
from tutelage.store import batches
from tutelage.store.database import Store
from tutelage.store.tables import instruction_versions, labelers


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What is known of a version of instructions without its text: its task, and the hash of the text."""

    task: str
    sha256: str


def add(store: Store, new: Sequence[Labeler], *, now: datetime) -> None:
    """Register labelers. One who is there already must have the same group and kind: they never change."""
    rows = [
        {"id": labeler.id, "group": labeler.group, "kind": labeler.kind, "screened": labeler.screened, "created": now}
        for labeler in new
    ]
    with store.write() as connection:
        batches.insert_new(connection, labelers, rows)
        query = select(labelers.c.id, labelers.c.group, labelers.c.kind)
        there = {row.id: row for row in connection.execute(query.where(labelers.c.id.in_([row["id"] for row in rows])))}
        for labeler in new:
            row = there[labeler.id]
            if (row.group, row.kind) != (labeler.group, labeler.kind):
                raise DataError(
                    f"Labeler {labeler.id} is registered as {row.kind} in the group {row.group!r}, which never "
                    "changes; register another labeler."
                )


def find(store: Store, *, group: Group | None = None) -> list[Labeler]:
    """Return the labelers of a group, or all, by id."""
    query = select(labelers).order_by(labelers.c.id)
    if group is not None:
        query = query.where(labelers.c.group == group)
    with store.read() as connection:
        return [
            Labeler(id=row.id, group=row.group, kind=row.kind, screened=row.screened)
            for row in connection.execute(query)
        ]


def get(store: Store, labeler: str) -> Labeler:
    """Return one labeler."""
    with store.read() as connection:
        row = connection.execute(select(labelers).where(labelers.c.id == labeler)).one_or_none()
    if row is None:
        raise MissingError(f"There is no labeler {labeler!r}; register labelers before they work.")
    return Labeler(id=row.id, group=row.group, kind=row.kind, screened=row.screened)


def set_screened(store: Store, ids: Iterable[str], screened: bool) -> None:
    """Record the outcome of screening."""
    with store.write() as connection:
        connection.execute(update(labelers).where(labelers.c.id.in_(sorted(set(ids)))).values(screened=screened))


def publish(store: Store, instructions: Instructions, *, now: datetime) -> None:
    """Add a version of instructions; the same version with another text or task is refused."""
    with store.write() as connection:
        insert_version(connection, instructions, now=now)


def insert_version(connection: Connection, instructions: Instructions, *, now: datetime) -> None:
    """Add a version of instructions as part of the caller's transaction."""
    row = {
        "version": instructions.version,
        "task": instructions.task,
        "text": instructions.text,
        "sha256": hashlib.sha256(instructions.text.encode()).hexdigest(),
        "created": now,
    }
    batches.insert_new(connection, instruction_versions, [row])
    query = select(instruction_versions).where(instruction_versions.c.version == instructions.version)
    there = connection.execute(query).one()
    if (there.task, there.sha256) != (row["task"], row["sha256"]):
        raise DataError(
            f"The instructions {instructions.version!r} are published with another text; give the new text a new "
            "version."
        )


def published(store: Store) -> dict[str, Published]:
    """Return the task and the hash of every published version."""
    with store.read() as connection:
        return {
            row.version: Published(task=row.task, sha256=row.sha256)
            for row in connection.execute(select(*instruction_versions.c["version", "task", "sha256"]))
        }


def instructions(store: Store, versions: Iterable[str] | None = None) -> dict[str, Instructions]:
    """Return published instructions by version, oldest first: all, or these versions; unknown ones are left out."""
    query = select(instruction_versions).order_by(instruction_versions.c.created, instruction_versions.c.version)
    if versions is not None:
        query = query.where(instruction_versions.c.version.in_(sorted(set(versions))))
    with store.read() as connection:
        return {
            row.version: Instructions(version=row.version, task=row.task, text=row.text)
            for row in connection.execute(query)
        }
