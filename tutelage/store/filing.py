"""Tasks put into the queue: all of a batch or nothing, and nothing that is asked already."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from tutelage.errors import DataError
from tutelage.store import batches
from tutelage.store.database import Store
from tutelage.store.tables import task_completions, tasks
from tutelage.store.tasks import Task, outputs_of

_LOCK = 7488854


def add(store: Store, new: Sequence[Task], *, now: datetime) -> None:
    """File tasks in this order. A task that is there already must be the same."""
    with store.write() as connection:
        _insert(connection, new, now)


def add_unasked(store: Store, new: Sequence[Task], *, now: datetime) -> int:
    """File the tasks of these that nobody is asked yet, in this order; return how many there are of them then.

    A task is asked when an open one of its kind, purpose and group about its prompt shows all that it shows, or it
    shows all that the open one shows. Who files so waits for all others who do: of two who choose the same prompt at
    the same time, one files it. Briefs are written to by many, so tasks to write are never asked already.
    """
    with store.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        unasked = _unasked(connection, new)
        _insert(connection, unasked, now)
        if not unasked:
            store.unchanged()
    return len(unasked)


def beginning_with(store: Store, prefix: str) -> list[str]:
    """Return the ids of the tasks whose ids begin so, in the order of filing."""
    query = select(tasks.c.id).where(tasks.c.id.startswith(prefix, autoescape=True)).order_by(tasks.c.number)
    with store.read() as connection:
        return list(connection.scalars(query))


def _insert(connection: Connection, new: Sequence[Task], now: datetime) -> None:
    rows = [
        {
            "id": task.id,
            "kind": task.kind,
            "purpose": task.purpose,
            "group": task.group,
            "prompt_id": task.prompt_id,
            "k": len(task.completion_ids),
            "instruction_version": task.instruction_version,
            "overlap": task.overlap,
            "created": now,
        }
        for task in new
    ]
    outputs = [
        {"task_id": task.id, "position": position, "completion_id": completion}
        for task in new
        for position, completion in enumerate(task.completion_ids)
    ]
    batches.insert_new(connection, tasks, rows)
    batches.insert_new(connection, task_completions, outputs)
    _check_same(connection, new)


def _unasked(connection: Connection, new: Sequence[Task]) -> list[Task]:
    """Return those of the tasks that no other open task asks; one that is filed already under its id stays."""
    asked: dict[tuple[str, ...], list[tuple[str, set[str]]]] = {}
    for part in batches.of(sorted({task.prompt_id for task in new})):
        query = select(*tasks.c["id", "kind", "purpose", "group", "prompt_id"])
        rows = connection.execute(query.where(tasks.c.prompt_id.in_(part), tasks.c.closed.is_(None))).all()
        outputs: dict[str, tuple[str, ...]] = {}
        for ids in batches.of([row.id for row in rows]):
            outputs |= outputs_of(connection, ids)
        for row in rows:
            found = asked.setdefault((row.kind, row.purpose, row.group, row.prompt_id), [])
            found.append((row.id, set(outputs.get(row.id, ()))))

    def is_asked(task: Task) -> bool:
        shown = set(task.completion_ids)
        others = asked.get((task.kind, task.purpose, task.group, task.prompt_id), [])
        return any(id != task.id and (shown <= other or other <= shown) for id, other in others)

    return [task for task in new if task.kind == "write" or not is_asked(task)]


def _check_same(connection: Connection, new: Sequence[Task]) -> None:
    for part in batches.of(new):
        query = select(tasks).where(tasks.c.id.in_([task.id for task in part]))
        there = {row.id: row for row in connection.execute(query)}
        outputs = outputs_of(connection, [task.id for task in part])
        for task in part:
            row = there[task.id]
            known = (row.kind, row.purpose, row.group, row.prompt_id, row.instruction_version, row.overlap)
            wanted = (task.kind, task.purpose, task.group, task.prompt_id, task.instruction_version, task.overlap)
            if known != wanted or outputs.get(task.id, ()) != task.completion_ids:
                raise DataError(
                    f"The task {task.id} is filed already with another content; give the new one another id."
                )
