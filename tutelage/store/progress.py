"""How far the work is: labels wanted and made, the time they took, the queue in numbers, prompts without tasks."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, not_, select

from tutelage.records import Group, Kind, Purpose
from tutelage.store import prompts as stored_prompts
from tutelage.store.database import Store
from tutelage.store.openings import asked, sampled
from tutelage.store.tables import assignments, labelers, prompts, submissions, tasks
from tutelage.store.tasks import LIVE, TaskKind, may_be_shown, ran_out

_KEY = (tasks.c.kind, tasks.c.purpose, tasks.c.group, prompts.c.use_case, prompts.c.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What tasks are counted by; `source` is where their prompts come from."""

    kind: TaskKind
    purpose: Purpose
    group: Group
    use_case: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Tasks of one key, and the labels that they ask for.

    Open tasks about prompts that may no longer be shown are in `out_of_use` and in nothing else.
    """

    key: Key
    tasks: int
    closed: int
    labels: int
    out_of_use: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Labels of one key made by one kind of labelers; a label is an assignment that was handed in.

    `recent` ones were first handed in at or after the time that was asked about. `active_ms` is the time that the pages
    measured, over the `measured` labels that have any.
    """

    key: Key
    by: Kind
    labels: int
    recent: int
    measured: int
    active_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """How many assignments of one kind of task are in a state; `reason` is why, for those that were skipped."""

    kind: TaskKind
    state: str
    reason: str
    assignments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfiled:
    """Prompts that may be used, by what they are set aside for, and how many have no task of a kind yet.

    `to_rank` counts those with two outputs or more and without a task that ranks them.
    """

    split: str
    stage: str
    use_case: str
    prompts: int
    to_demonstrate: int
    to_rank: int


def handed_in() -> Any:
    """Return, by assignment, when it was first and last handed in, how often, and the time that it took in all.

    The page's clock goes on when work is opened again, so the longest time of its submissions is the whole.
    """
    return (
        select(
            submissions.c.assignment_id,
            func.min(submissions.c.created).label("first"),
            func.max(submissions.c.created).label("last"),
            func.count().label("revisions"),
            func.max(submissions.c.active_ms).label("active_ms"),
        )
        .group_by(submissions.c.assignment_id)
        .subquery("handed_in")
    )


def wanted(store: Store) -> list[Wanted]:
    """Count tasks, and the labels that they ask for, by key."""
    flagged = (
        select(
            *_KEY,
            tasks.c.overlap,
            case((tasks.c.closed.is_(None), 0), else_=1).label("closed"),
            case((_counts(), 1), else_=0).label("counts"),
        )
        .join(prompts, prompts.c.id == tasks.c.prompt_id)
        .subquery()
    )
    keys = [flagged.c[column.name] for column in _KEY]
    query = select(
        *keys,
        func.sum(flagged.c.counts).label("tasks"),
        func.sum(flagged.c.closed).label("closed_tasks"),
        func.sum(flagged.c.counts * flagged.c.overlap).label("labels"),
        func.sum(1 - flagged.c.counts).label("out_of_use"),
    )
    with store.read() as connection:
        return [
            Wanted(
                key=_key(row), tasks=row.tasks, closed=row.closed_tasks, labels=row.labels, out_of_use=row.out_of_use
            )
            for row in connection.execute(query.group_by(*keys).order_by(*keys))
        ]


def made(store: Store, *, since: datetime) -> list[Made]:
    """Count labels by key and kind of labeler; `recent` are those first handed in since then."""
    done = handed_in()
    flagged = (
        select(
            *_KEY,
            labelers.c.kind.label("by"),
            case((done.c.first >= since, 1), else_=0).label("recent"),
            case((done.c.active_ms > 0, 1), else_=0).label("measured"),
            done.c.active_ms,
        )
        .select_from(done)
        .join(assignments, assignments.c.id == done.c.assignment_id)
        .join(tasks, tasks.c.id == assignments.c.task_id)
        .join(prompts, prompts.c.id == tasks.c.prompt_id)
        .join(labelers, labelers.c.id == assignments.c.labeler)
        .where(_counts())
        .subquery()
    )
    keys = [*(flagged.c[column.name] for column in _KEY), flagged.c.by]
    query = select(
        *keys,
        func.count().label("labels"),
        func.sum(flagged.c.recent).label("recent_labels"),
        func.sum(flagged.c.measured).label("measured_labels"),
        func.sum(flagged.c.active_ms).label("active"),
    )
    with store.read() as connection:
        return [
            Made(
                key=_key(row),
                by=row.by,
                labels=row.labels,
                recent=row.recent_labels,
                measured=row.measured_labels,
                active_ms=int(row.active),
            )
            for row in connection.execute(query.group_by(*keys).order_by(*keys))
        ]


def hands(store: Store, *, now: datetime) -> list[Hands]:
    """Count assignments by kind of task, state and reason for skipping; a lease that ran out by now is expired."""
    state = case((ran_out(now), "expired"), else_=assignments.c.state).label("state")
    as_now = (
        select(tasks.c.kind, state, assignments.c.skip_reason.label("reason"))
        .join(tasks, tasks.c.id == assignments.c.task_id)
        .subquery()
    )
    query = select(as_now, func.count().label("assignments")).group_by(*as_now.c).order_by(*as_now.c)
    with store.read() as connection:
        return [Hands(**row._mapping) for row in connection.execute(query)]


def places(store: Store, *, now: datetime) -> dict[TaskKind, int]:
    """Count by kind the labels that nobody has begun: free places of open tasks about prompts that may be shown."""
    taken = (
        select(assignments.c.task_id, func.count().label("number"))
        .where(assignments.c.state.in_(LIVE), not_(ran_out(now)))
        .group_by(assignments.c.task_id)
        .subquery()
    )
    query = (
        select(tasks.c.kind, func.sum(tasks.c.overlap - func.coalesce(taken.c.number, 0)).label("free"))
        .join(prompts, prompts.c.id == tasks.c.prompt_id)
        .outerjoin(taken, taken.c.task_id == tasks.c.id)
        .where(tasks.c.closed.is_(None), may_be_shown())
        .group_by(tasks.c.kind)
    )
    with store.read() as connection:
        return {row.kind: int(row.free) for row in connection.execute(query)}


def unfiled(store: Store) -> list[Unfiled]:
    """Count prompts that may be used, and those that are open for a demonstration, or for an order, for any purpose."""
    flagged = (
        select(
            *prompts.c["split", "stage", "use_case"],
            case((asked("demonstrate"), 0), else_=1).label("to_demonstrate"),
            case((asked("rank"), 0), (sampled() < 2, 0), else_=1).label("to_rank"),
        )
        .where(stored_prompts.allowed())
        .subquery()
    )
    keys = [flagged.c[name] for name in ("split", "stage", "use_case")]
    sums = [func.sum(flagged.c[name]).label(name) for name in ("to_demonstrate", "to_rank")]
    query = select(*keys, func.count().label("prompts"), *sums).group_by(*keys).order_by(*keys)
    with store.read() as connection:
        return [Unfiled(**row._mapping) for row in connection.execute(query)]


def _counts() -> Any:
    """Return the condition under which a task counts: it has its labels, or its prompt may still be shown."""
    return tasks.c.closed.is_not(None) | may_be_shown()


def _key(row: Any) -> Key:
    return Key(kind=row.kind, purpose=row.purpose, group=row.group, use_case=row.use_case, source=row.source)
