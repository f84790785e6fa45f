"""Tasks and who holds them: offering, keeping, skipping, handing in, each in one transaction (filing: `filing.py`).

Two workers never get one task twice: SQLite writes one after another, and PostgreSQL locks the rows of the tasks it is
about to give out, then counts again, because the first count was made before the locks.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    and_,
    bindparam,
    case,
    func,
    literal,
    not_,
    or_,
    select,
    update,
)

from tutelage.errors import ConflictError, DataError, MissingError
from tutelage.records import Group, Kind, Labeler, Purpose
from tutelage.store import batches, blank_drafts, welfare
from tutelage.store import prompts as stored_prompts
from tutelage.store.database import Store
from tutelage.store.tables import assignments, completions, labelers, prompts, task_completions, tasks
from tutelage.store.withdrawal_tables import labeler_withdrawals

TaskKind = Literal["demonstrate", "rate", "rank", "write", "review", "toxicity"]
State = Literal["offered", "open", "submitted", "skipped", "expired"]
#: States in which an assignment counts towards its task's overlap.
LIVE: tuple[State, ...] = ("offered", "open", "submitted")
HELD: tuple[State, ...] = ("offered", "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something to be judged by `overlap` different labelers of one group."""

    id: str
    kind: TaskKind
    purpose: Purpose
    prompt_id: str
    instruction_version: str
    completion_ids: tuple[str, ...] = ()
    group: Group = "training"
    overlap: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a labeler asks for: up to `limit` tasks, of one kind or any, until a time.

    `is_for_desk` begins their drafts in the same transaction.
    """

    until: datetime
    kind: TaskKind | None = None
    limit: int = 1
    is_for_desk: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A task in one labeler's hands; `presented` is the order of the outputs on that labeler's screen."""

    id: str
    task_id: str
    labeler: str
    labeler_kind: Kind
    kind: TaskKind
    purpose: Purpose
    prompt_id: str
    instruction_version: str
    presented: tuple[str, ...]
    state: State
    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How far the tasks of one kind, purpose and group are."""

    kind: TaskKind
    purpose: Purpose
    group: Group
    tasks: int
    closed: int


def get(store: Store, task: str) -> Task:
    """Return one task."""
    with store.read() as connection:
        row = connection.execute(select(tasks).where(tasks.c.id == task)).one_or_none()
        if row is None:
            raise MissingError(f"There is no task {task!r}; go back to the list.")
        return Task(
            id=row.id,
            kind=row.kind,
            purpose=row.purpose,
            prompt_id=row.prompt_id,
            instruction_version=row.instruction_version,
            completion_ids=outputs_of(connection, [task]).get(task, ()),
            group=row.group,
            overlap=row.overlap,
        )


def offer(store: Store, labeler: Labeler, wish: Wish, *, now: datetime) -> list[Holding]:
    """Assign tasks to a labeler, in the order of filing."""
    offered: list[str] = []
    with store.read() as connection:
        # Nothing is locked, and no other labeler waits, where there is nothing to give.
        hard = welfare.left(connection, labeler, now=now)
        opted = welfare.opted_out_of(connection, labeler.id)
        query = _open_tasks(opted, wish.kind, is_spared=hard == 0, is_now=True)
        if connection.execute(query.limit(1), _asked(labeler, now)).first() is None:
            return []
    with store.write() as connection:
        if hard is not None:
            welfare.lock(connection, labeler.id)
        _expire(connection, now)
        while (size := wish.limit - len(offered)) > 0:
            if hard is not None and (hard := welfare.left(connection, labeler, now=now)):
                # All of these may be hard reading; then it is counted again.
                size = min(size, hard)
            query = _open_tasks(opted, wish.kind, is_spared=hard == 0).limit(size)
            query = query.with_for_update(of=tasks, skip_locked=True)
            candidates = connection.execute(query, _asked(labeler)).all()
            rows = _assign(store, connection, labeler, candidates, now, wish.until)
            batches.insert(connection, assignments, rows)
            offered += [row["id"] for row in rows]
            if len(rows) == len(candidates) < size:
                break
        if wish.is_for_desk:
            blank_drafts.begin(connection, offered, labeler.id, now=now)
        if not offered:
            store.unchanged()
        return _holdings(connection, assignments.c.id.in_(offered))


def available(store: Store, labeler: Labeler, *, now: datetime) -> dict[TaskKind, int]:
    """Count by kind the tasks that `offer` would give a labeler now who asks for this kind."""
    with store.read() as connection:
        hard = welfare.left(connection, labeler, now=now)
        is_hard = case((welfare.is_hard(), 1), else_=0) if hard else literal(0)
        opted = welfare.opted_out_of(connection, labeler.id)
        query = _open_tasks(opted, None, is_spared=hard == 0, is_now=True)
        free = query.order_by(None).add_columns(tasks.c.kind, is_hard.label("hard")).subquery()
        keys = free.c["kind", "hard"]
        found: Counter[TaskKind] = Counter()
        counted = select(*keys, func.count().label("number")).group_by(*keys)
        for row in connection.execute(counted, _asked(labeler, now)):
            found[row.kind] += min(row.number, hard or 0) if row.hard else row.number
        return dict(found)


def held(store: Store, labeler: str) -> list[Holding]:
    """Return what a labeler has in hand, in the order of filing."""
    with store.read() as connection:
        return _holdings(connection, and_(assignments.c.labeler == labeler, assignments.c.state.in_(HELD)))


def holdings(store: Store, ids: Sequence[str]) -> dict[str, Holding]:
    """Return assignments by id, whatever their state; unknown ids are left out."""
    found: dict[str, Holding] = {}
    with store.read() as connection:
        for part in batches.of(ids):
            found |= {holding.id: holding for holding in _holdings(connection, assignments.c.id.in_(part))}
    return found


def prolong(store: Store, assignment: str, labeler: str, *, now: datetime, until: datetime) -> None:
    """Mark an assignment as open and move the end of its lease."""
    with store.write() as connection:
        _lock_held(connection, assignment, labeler)
        values = {"state": "open", "heartbeat": now, "lease_until": until}
        connection.execute(update(assignments).where(assignments.c.id == assignment).values(values))


def skip(store: Store, assignment: str, labeler: str, *, reason: str, note: str, now: datetime) -> None:
    """Give an assignment back with a reason. A prompt with personal data is put out of use at once."""
    with store.write() as connection:
        task = _lock_held(connection, assignment, labeler)
        values = {"state": "skipped", "heartbeat": now, "skip_reason": reason, "note": note}
        connection.execute(update(assignments).where(assignments.c.id == assignment).values(values))
        if reason == "pii":
            prompt = connection.scalar(select(tasks.c.prompt_id).where(tasks.c.id == task))
            found = stored_prompts.Found(
                prompt_id=str(prompt),
                kind="labeler",
                start=0,
                end=0,
                detector=f"labeler:{labeler}",
                action="quarantined",
            )
            stored_prompts.quarantine(connection, [found], now=now)


def release(store: Store, assignment: str, labeler: str, *, now: datetime) -> None:
    """End a lease at once, as if it had run out: others may take the task, and so may this labeler again."""
    with store.write() as connection:
        _lock_held(connection, assignment, labeler)
        values = {"state": "expired", "lease_until": now}
        connection.execute(update(assignments).where(assignments.c.id == assignment).values(values))


def expire(store: Store, *, now: datetime) -> int:
    """End all leases that ran out; return how many. Their rows stay."""
    with store.write() as connection:
        return _expire(connection, now)


def may_be_shown() -> Any:
    """Return the condition under which a task, joined with its prompt, may still be handed out, by its kind of work."""
    return or_(
        and_(tasks.c.kind.not_in(("write", "review")), stored_prompts.allowed()),
        and_(tasks.c.kind == "write", stored_prompts.writable()),
        and_(tasks.c.kind == "review", stored_prompts.reviewable()),
    )


def counts(store: Store) -> list[Count]:
    """Return the progress of every kind, purpose and group of tasks."""
    keys = (tasks.c.kind, tasks.c.purpose, tasks.c.group)
    query = select(*keys, func.count().label("tasks"), func.count(tasks.c.closed).label("closed"))
    with store.read() as connection:
        return [Count(**row._mapping) for row in connection.execute(query.group_by(*keys).order_by(*keys))]


def outputs_of(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the completions of each of these tasks in the order of filing; tasks without any are left out."""
    found: dict[str, tuple[str, ...]] = {}
    query = select(task_completions).where(task_completions.c.task_id.in_(ids))
    for row in connection.execute(query.order_by(task_completions.c.task_id, task_completions.c.position)):
        found[row.task_id] = (*found.get(row.task_id, ()), row.completion_id)
    return found


# Putting the statement together takes longer than the database takes to answer it, so it is kept; what differs between
# labelers and moments is bound to it.
@lru_cache(maxsize=256)
def _open_tasks(opted: welfare.OptOuts, kind: TaskKind | None, *, is_spared: bool, is_now: bool = False) -> Select[Any]:
    """Return the query for tasks that a labeler (`_asked`) may have and did not opt out of; who withdrew gets none.

    Who `is_spared` gets no hard reading. With `is_now`, leases that ran out by now count as ended, though nobody has
    written so yet.
    """
    who = bindparam("who", type_=String)
    counts = assignments.c.task_id == tasks.c.id
    if is_now:
        counts = and_(counts, not_(ran_out(bindparam("now", type_=assignments.c.lease_until.type))))
    live = select(func.count()).where(counts, assignments.c.state.in_(LIVE)).correlate(tasks).scalar_subquery()
    mine = select(assignments.c.id).where(counts, assignments.c.labeler == who, assignments.c.state != "expired")
    own_text = (
        select(task_completions.c.task_id)
        .join(completions, completions.c.id == task_completions.c.completion_id)
        .where(task_completions.c.task_id == tasks.c.id, completions.c.authored_by == who)
    )
    withdrew = select(labeler_withdrawals.c.labeler).where(labeler_withdrawals.c.labeler == who)
    hard = [welfare.is_hard()] if is_spared else []
    query = (
        select(tasks.c.id, tasks.c.overlap)
        .join(prompts, prompts.c.id == tasks.c.prompt_id)
        .where(tasks.c.closed.is_(None), tasks.c.group == bindparam("group", type_=String), may_be_shown())
        .where(*(~condition for condition in (*welfare.unwanted(opted), *hard)))
        .where(live < tasks.c.overlap, ~mine.correlate(tasks).exists(), ~own_text.correlate(tasks).exists())
        .where(~withdrew.exists())
        .order_by(tasks.c.number)
    )
    return query if kind is None else query.where(tasks.c.kind == kind)


def _asked(labeler: Labeler, now: datetime | None = None) -> dict[str, Any]:
    """Return what `_open_tasks` is asked with; the moment where it asks for one."""
    who = {"who": labeler.id, "group": labeler.group}
    return who if now is None else {**who, "now": now}


def _assign(
    store: Store,
    connection: Connection,
    labeler: Labeler,
    candidates: Sequence[Row[Any]],
    now: datetime,
    until: datetime,
) -> list[dict[str, Any]]:
    """Return the assignments of those locked candidates that are still free, with their outputs in random order."""
    ids = [row.id for row in candidates]
    outputs = outputs_of(connection, ids)
    known: dict[str, list[Row[Any]]] = {task: [] for task in ids}
    for row in connection.execute(select(assignments).where(assignments.c.task_id.in_(ids))):
        known[row.task_id].append(row)
    rows = []
    for task in candidates:
        before = known[task.id]
        live = sum(row.state in LIVE for row in before)
        mine = any(row.labeler == labeler.id and row.state != "expired" for row in before)
        if live >= task.overlap or mine:
            continue
        # Random to everybody who does not know the store's salt, and the same in every run of the embedded world.
        order = sorted(outputs.get(task.id, ()), key=lambda output: store.digest("order", task.id, labeler.id, output))
        rows.append(
            {
                "id": f"{task.id}/{len(before) + 1}",
                "task_id": task.id,
                "labeler": labeler.id,
                "presented": order,
                "state": "offered",
                "lease_until": until,
                "heartbeat": now,
                "created": now,
            }
        )
    return rows


def _expire(connection: Connection, now: datetime) -> int:
    # Rows that somebody else is changing at this moment are left for the next time.
    ids = connection.scalars(select(assignments.c.id).where(ran_out(now)).with_for_update(skip_locked=True)).all()
    for part in batches.of(ids):
        connection.execute(update(assignments).where(assignments.c.id.in_(part)).values(state="expired"))
    return len(ids)


def ran_out(now: datetime | ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition under which an assignment's lease is over, though nobody may have written so yet."""
    return and_(assignments.c.state.in_(HELD), assignments.c.lease_until <= now)


def _lock_held(connection: Connection, assignment: str, labeler: str) -> str:
    """Lock an assignment that the labeler has in hand and return its task."""
    query = select(assignments).where(assignments.c.id == assignment).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None or row.labeler != labeler:
        raise DataError(f"Labeler {labeler} has no assignment {assignment}; ask for work first.")
    if row.state not in HELD:
        raise ConflictError(f"The assignment {assignment} is {row.state}; ask for other work.")
    return str(row.task_id)


def _holdings(connection: Connection, condition: Any) -> list[Holding]:
    query = _all_holdings().where(condition)
    return [Holding(**{**row._mapping, "presented": tuple(row.presented)}) for row in connection.execute(query)]


@cache
def _all_holdings() -> Select[Any]:
    columns = (
        assignments.c["id", "task_id", "labeler", "presented", "state", "lease_until"],
        tasks.c["kind", "purpose", "prompt_id", "instruction_version"],
    )
    return (
        select(*columns[0], *columns[1], labelers.c.kind.label("labeler_kind"))
        .join(tasks, tasks.c.id == assignments.c.task_id)
        .join(labelers, labelers.c.id == assignments.c.labeler)
        .order_by(tasks.c.number, assignments.c.id)
    )
