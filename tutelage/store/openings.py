"""What people could still work on: prompts that may be shown, about which nobody is asked and no person said anything.

A task that only labelers who are no people finished leaves its prompt to people; so does one whose labelers withdrew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, func, or_, select

from tutelage.records import Group, Purpose
from tutelage.store import batches
from tutelage.store import prompts as stored
from tutelage.store.database import Store
from tutelage.store.job_tables import choices, jobs
from tutelage.store.tables import assignments, completions, demonstrations, labelers, prompts, rankings, tasks
from tutelage.store.tasks import TaskKind
from tutelage.store.withdrawal_tables import labeler_withdrawals

#: Judgements that may come in by import, without any task.
_IMPORTED: dict[TaskKind, Table] = {"demonstrate": demonstrations, "rank": rankings}


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Prompts to find that are open for this kind, purpose and group; "" takes any split, stage or use case.

    Where tasks show outputs, a prompt needs `outputs` that were sampled for it.
    """

    kind: TaskKind
    purpose: Purpose
    group: Group
    outputs: int = 0
    split: str = ""
    stage: str = ""
    use_case: str = ""


def find(store: Store, which: Open) -> list[str]:
    """Return the ids of such prompts, in an order of chance that stays the same."""
    with store.read() as connection:
        found: Sequence[str] = connection.scalars(_query(which)).all()
    return sorted(found, key=lambda prompt: store.digest("file", prompt))


def count(store: Store, which: Open) -> int:
    """Count such prompts."""
    with store.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(_query(which).subquery())) or 0)


def _query(which: Open) -> Select[Any]:
    is_asked = asked(which.kind, purpose=which.purpose, group=which.group)
    query = select(prompts.c.id).where(stored.allowed(), ~is_asked)
    if (which.kind, which.purpose) == ("rank", "train"):
        query = query.where(~_is_drawn())
    for name in ("split", "stage", "use_case"):
        if value := getattr(which, name):
            query = query.where(prompts.c[name] == value)
    if which.outputs:
        query = query.where(sampled() >= which.outputs)
    return query


def to_review(store: Store, group: Group) -> list[str]:
    """Return the prompts to train on, and the briefs, that no person looked through; those with findings come first."""
    trained = or_(prompts.c.split == "train", prompts.c.status == "brief")
    waits = stored.reviewable(), trained, prompts.c.pii != "reviewed", prompts.c.text != ""
    query = select(prompts.c.id).where(*waits, ~asked("review", group=group))
    with store.read() as connection:
        return list(connection.scalars(query.order_by(prompts.c.pii != "quarantined", prompts.c.id)))


def outputs(store: Store, ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids of the sampled completions of each of these prompts, in an order of chance that stays the same."""
    found: dict[str, list[str]] = {}
    query = select(*completions.c["prompt_id", "id"]).where(completions.c.authored_by == "")
    with store.read() as connection:
        for part in batches.of(ids):
            for row in connection.execute(query.where(completions.c.prompt_id.in_(part))):
                found.setdefault(row.prompt_id, []).append(row.id)
    return {prompt: sorted(made, key=lambda one: store.digest("shown", one)) for prompt, made in found.items()}


def asked(kind: TaskKind, **fields: str) -> ColumnElement[bool]:
    """Return the condition under which people are asked about a prompt, or one answered; `fields` are of tasks."""
    withdrew = select(labeler_withdrawals.c.labeler)
    people = labelers.c.kind == "human", labelers.c.id.not_in(withdrew)
    answered: Select[Any] = select(assignments.c.id).join(labelers, labelers.c.id == assignments.c.labeler)
    answered = answered.where(assignments.c.task_id == tasks.c.id, assignments.c.state == "submitted", *people)
    of_kind = select(tasks.c.id).where(
        tasks.c.prompt_id == prompts.c.id,
        tasks.c.kind == kind,
        or_(tasks.c.closed.is_(None), answered.correlate(tasks).exists()),
        *(tasks.c[name] == value for name, value in fields.items()),
    )
    found = [of_kind.correlate(prompts).exists()]
    if (made := _IMPORTED.get(kind)) is not None:
        of_task = {"purpose": made.c.purpose, "group": labelers.c.group}
        imported = (
            select(made.c.id)
            .join(labelers, labelers.c.id == made.c.labeler)
            .where(made.c.prompt_id == prompts.c.id, made.c.assignment_id.is_(None), made.c.kind == "human", *people)
            .where(*(of_task[name] == value for name, value in fields.items()))
        )
        found.append(imported.correlate(prompts).exists())
    return or_(*found)


def sampled() -> Any:
    """Return how many completions of a prompt were sampled."""
    count = select(func.count()).where(completions.c.prompt_id == prompts.c.id, completions.c.authored_by == "")
    return count.correlate(prompts).scalar_subquery()


def _is_drawn() -> Any:
    """Return the condition under which a worker chose a prompt and is still to draw what is ranked."""
    drawing = select(jobs.c.id).where(jobs.c.kind == "rank", jobs.c.state.in_(("queued", "running")))
    filed = select(tasks.c.id).where(tasks.c.id == choices.c.task_id)
    chosen = select(choices.c.task_id).where(choices.c.prompt_id == prompts.c.id, ~filed.correlate(choices).exists())
    return chosen.correlate(prompts).exists() & drawing.exists()
