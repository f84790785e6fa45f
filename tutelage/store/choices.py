"""What was chosen for ranking and why, what waits to be ranked, and how unsure reward models are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, not_, select

from tutelage.core.choosing import Reason
from tutelage.records import Group, Purpose
from tutelage.store import batches, jobs
from tutelage.store import prompts as stored_prompts
from tutelage.store.database import Store
from tutelage.store.job_tables import choices, uncertainties
from tutelage.store.jobs import NewJob
from tutelage.store.tables import assignments, prompts, rankings, tasks
from tutelage.store.tasks import LIVE, ran_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A prompt that was chosen, by which rule, and the task that its outputs are ranked in."""

    task_id: str
    prompt_id: str
    reason: Reason
    uncertainty: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceCount:
    """How many prompts of a use case were chosen by a rule; how many of them are tasks, and have all their labels."""

    reason: Reason
    use_case: str
    chosen: int
    tasks: int
    closed: int


def record(store: Store, new: Sequence[Choice], work: Sequence[NewJob], *, now: datetime) -> None:
    """Record choices and file the jobs that follow from them, all or nothing."""
    rows = [
        {
            "task_id": choice.task_id,
            "prompt_id": choice.prompt_id,
            "reason": choice.reason,
            "uncertainty": choice.uncertainty,
            "created": now,
        }
        for choice in new
    ]
    with store.write() as connection:
        batches.insert(connection, choices, rows)
        jobs.insert(connection, work, now=now)


def reasons(store: Store) -> dict[str, Reason]:
    """Return by which rule the prompt of each task was chosen, by task id; tasks filed otherwise are left out."""
    with store.read() as connection:
        return {row.task_id: row.reason for row in connection.execute(select(choices).order_by(choices.c.task_id))}


def counts(store: Store) -> list[ChoiceCount]:
    """Count what was chosen, by rule and use case."""
    keys = (choices.c.reason, prompts.c.use_case)
    query = (
        select(
            *keys,
            func.count().label("chosen"),
            func.count(tasks.c.id).label("tasks"),
            func.count(tasks.c.closed).label("closed"),
        )
        .join(prompts, prompts.c.id == choices.c.prompt_id)
        .outerjoin(tasks, tasks.c.id == choices.c.task_id)
        .group_by(*keys)
        .order_by(*keys)
    )
    with store.read() as connection:
        return [ChoiceCount(**row._mapping) for row in connection.execute(query)]


def taken(store: Store, *, tasks_like: str = "") -> set[str]:
    """Return the prompts that were chosen, or are ranked for training; with `tasks_like` those of tasks so named."""
    queries = [
        select(choices.c.prompt_id).where(choices.c.task_id.startswith(tasks_like, autoescape=True)),
        select(tasks.c.prompt_id).where(
            tasks.c.id.startswith(tasks_like, autoescape=True), tasks.c.kind == "rank", tasks.c.purpose == "train"
        ),
    ]
    if not tasks_like:  # rankings that were imported have no task
        queries.append(select(rankings.c.prompt_id).where(rankings.c.purpose == "train"))
    with store.read() as connection:
        return {prompt for query in queries for prompt in connection.scalars(query)}


def waiting(store: Store, *, purpose: Purpose, group: Group, now: datetime) -> int:
    """Count the ranking tasks that wait to be handed out; one that somebody skipped does not hold back others.

    A task whose lease ran out by `now` waits again, though nobody has written so yet.
    """
    of_task = assignments.c.task_id == tasks.c.id
    holds = of_task, assignments.c.state.in_(LIVE), not_(ran_out(now))
    live = select(func.count()).where(*holds).correlate(tasks).scalar_subquery()
    skipped = select(assignments.c.id).where(of_task, assignments.c.state == "skipped").correlate(tasks).exists()
    query = (
        select(func.count())
        .select_from(tasks)
        .join(prompts, prompts.c.id == tasks.c.prompt_id)
        .where(tasks.c.kind == "rank", tasks.c.purpose == purpose, tasks.c.group == group, tasks.c.closed.is_(None))
        .where(live < tasks.c.overlap, ~skipped, stored_prompts.allowed())
    )
    with store.read() as connection:
        return int(connection.scalar(query) or 0)


def set_uncertainties(store: Store, model: str, policies: str, values: Mapping[str, float], *, now: datetime) -> None:
    """Keep how unsure a reward model is, by prompt; what is known already stays."""
    rows = [
        {"prompt_id": prompt, "model": model, "policies": policies, "value": value, "created": now}
        for prompt, value in values.items()
    ]
    with store.write() as connection:
        batches.insert_new(connection, uncertainties, rows)


def uncertainties_of(store: Store, model: str, policies: str) -> dict[str, float]:
    """Return by prompt how unsure a reward model is about what these policies write."""
    query = select(uncertainties).where(uncertainties.c.model == model, uncertainties.c.policies == policies)
    with store.read() as connection:
        return {row.prompt_id: row.value for row in connection.execute(query)}
