"""What was handed in, to read: receipts with their tasks and judgements, one page after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, or_, select

from tutelage.records import Group, Kind, Purpose
from tutelage.store import batches, kind_tables
from tutelage.store.database import Store
from tutelage.store.tables import assignments, demonstrations, labelers, rankings, ratings, submissions, tasks
from tutelage.store.withdrawal_tables import labeler_withdrawals

#: The rarer judgements, and what their rows repeat of the submission.
OTHERS = (kind_tables.written_prompts, kind_tables.privacy_reviews, kind_tables.toxicity_ratings)
_SHARED = (
    "id",
    "labeler",
    "kind",
    "instruction_version",
    "purpose",
    "assignment_id",
    "supersedes",
    "created",
    "prompt_id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """What was said of one completion; a flag that was not answered is None."""

    quality: int
    flags: Mapping[str, bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The judgements of one submission; what its kind of task does not ask for is empty. Ids are of completions.

    `others` holds written prompts, looks for personal data and judgements of toxicity, as they are stored.
    """

    text: str = ""
    groups: Sequence[Sequence[str]] = ()
    ratings: Mapping[str, Rated] = field(default_factory=dict)
    seeded: bool = False
    others: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """One submission: what it was about, who handed it in, and what it says.

    `kind` is that of the task, `labeler_kind` that of the labeler. `token` names the access token of the program that
    handed it in, "" without one. `presented` is the order of the completions on the labeler's screen.
    """

    id: str
    task_id: str
    kind: str
    purpose: Purpose
    prompt_id: str
    instruction_version: str
    labeler: str
    labeler_kind: Kind
    group: Group
    presented: Sequence[str]
    active_ms: int
    idle_ms: int
    note: str
    supersedes: str
    token: str
    created: datetime
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which submissions to read; "" takes all."""

    labeler: str = ""
    task_id: str = ""
    kind: str = ""
    purpose: str = ""
    group: str = ""


def page(store: Store, which: Which, *, after: tuple[datetime, str] | None, limit: int) -> list[Submitted]:
    """Return up to `limit` submissions in the order of handing in, those after a time and id if given.

    Those of labelers who withdrew are left out.
    """
    query = _submitted().where(labelers.c.id.not_in(select(labeler_withdrawals.c.labeler)))
    columns = {
        "labeler": submissions.c.labeler,
        "task_id": assignments.c.task_id,
        "kind": tasks.c.kind,
        "purpose": tasks.c.purpose,
        "group": labelers.c.group,
    }
    for name, column in columns.items():
        if wanted := getattr(which, name):
            query = query.where(column == wanted)
    if after is not None:
        created, name = after
        later = and_(submissions.c.created == created, submissions.c.id > name)
        query = query.where(or_(submissions.c.created > created, later))
    with store.read() as connection:
        return _read(connection, query.order_by(submissions.c.created, submissions.c.id).limit(limit))


def of_assignment(store: Store, assignment: str) -> list[Submitted]:
    """Return all revisions of one assignment, oldest first."""
    query = _submitted().where(submissions.c.assignment_id == assignment)
    with store.read() as connection:
        return _read(connection, query.order_by(submissions.c.created, submissions.c.id))


def _submitted() -> Select[Any]:
    columns = (
        *submissions.c["id", "assignment_id", "labeler", "active_ms", "idle_ms", "note", "supersedes", "token"],
        *(submissions.c.created, labelers.c.group, labelers.c.kind.label("labeler_kind")),
        *assignments.c["task_id", "presented"],
        *tasks.c["kind", "purpose", "prompt_id", "instruction_version"],
    )
    return (
        select(*columns)
        .join(assignments, assignments.c.id == submissions.c.assignment_id)
        .join(tasks, tasks.c.id == assignments.c.task_id)
        .join(labelers, labelers.c.id == submissions.c.labeler)
    )


def _read(connection: Connection, query: Select[Any]) -> list[Submitted]:
    rows: Sequence[Row[Any]] = connection.execute(query).all()
    said = _contents(connection, rows)
    names = [name for name in Submitted.__slots__ if name != "content"]
    return [Submitted(**{name: getattr(row, name) for name in names}, content=said[row.id]) for row in rows]


def _contents(connection: Connection, rows: Sequence[Row[Any]]) -> dict[str, Content]:
    texts: dict[str, str] = {}
    orders: dict[str, tuple[Sequence[Sequence[str]], bool]] = {}
    rated: dict[str, dict[str, Rated]] = {row.id: {} for row in rows}
    others: dict[str, list[Mapping[str, Any]]] = {row.id: [] for row in rows}
    for part in batches.of([row.id for row in rows]):
        for row in connection.execute(select(demonstrations).where(demonstrations.c.id.in_(part))):
            texts[row.id] = row.text
        for row in connection.execute(select(rankings).where(rankings.c.id.in_(part))):
            orders[row.id] = (row.groups, row.seeded)
    for held in batches.of(sorted({row.assignment_id for row in rows})):
        query = select(ratings).where(ratings.c.assignment_id.in_(held)).order_by(ratings.c.position)
        for row in connection.execute(query):
            # A rating is named like its submission, with the number of its output.
            of = row.id.rpartition(":")[0]
            if of in rated:
                rated[of][row.completion_id] = Rated(quality=row.quality, flags=row.flags)
        for table in OTHERS:
            for row in connection.execute(select(table).where(table.c.assignment_id.in_(held)).order_by(table.c.id)):
                of = row.id if row.id in others else row.id.rpartition(":")[0]
                if of in others:
                    columns = {name: value for name, value in row._mapping.items() if name not in _SHARED}
                    others[of].append({"what": table.name, **columns})
    none: tuple[Sequence[Sequence[str]], bool] = ((), False)
    return {
        name: Content(
            text=texts.get(name, ""),
            groups=orders.get(name, none)[0],
            ratings=rated[name],
            seeded=orders.get(name, none)[1],
            others=others[name],
        )
        for name in rated
    }
