"""Judgements as leads and researchers look at them: who made them, about which prompt, under which instructions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, Table, func, or_, select

from tutelage.records import Group, Kind, Purpose
from tutelage.store import batches
from tutelage.store.database import Store
from tutelage.store.labels import current
from tutelage.store.tables import (
    assignments,
    completions,
    instruction_versions,
    labelers,
    prompts,
    rankings,
    ratings,
    submissions,
    tasks,
)
from tutelage.store.tasks import TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Which judgements to look at. Those under instructions for other tasks, or of other kinds, are never mixed in.

    "" takes every use case, prompt and labeler; superseded judgements are never read.
    """

    task: str
    kind: Kind
    use_case: str = ""
    prompt_id: str = ""
    labeler: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who made a judgement, when, what for and about which prompt; `assignment_id` is "" for imported ones."""

    labeler: str
    group: Group
    purpose: Purpose
    prompt_id: str
    use_case: str
    created: datetime
    assignment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """An order that somebody made: groups of completion ids, best first; `presented` is the order on the screen."""

    id: str
    context: Context
    groups: tuple[tuple[str, ...], ...]
    presented: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """A rating that somebody gave to one output."""

    id: str
    context: Context
    completion_id: str
    quality: int
    flags: dict[str, bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A submission in a list: what it is about, how long it took, and whether a later one supersedes it."""

    id: str
    assignment_id: str
    labeler: str
    kind: TaskKind
    purpose: Purpose
    prompt_id: str
    created: datetime
    active_ms: int
    idle_ms: int
    note: str
    supersedes: str
    is_latest: bool


def orders(store: Store, which: Looked) -> list[Ordered]:
    """Return current rankings, the oldest first."""
    with store.read() as connection:
        return [_ordered(row) for row in connection.execute(_looked(rankings, rankings.c.prompt_id, which))]


def rated(store: Store, which: Looked) -> list[Rated]:
    """Return current ratings, the oldest first."""
    query = _looked(ratings, completions.c.prompt_id, which)
    with store.read() as connection:
        return [_rated(row) for row in connection.execute(query)]


def handed(store: Store, *, labeler: str = "", assignment: str = "", limit: int = 1000) -> list[Handed]:
    """Return the submissions of a labeler or for an assignment, newest first."""
    later = submissions.alias("later")
    superseded = (
        select(later.c.id)
        .where(later.c.assignment_id == submissions.c.assignment_id, later.c.supersedes == submissions.c.id)
        .correlate(submissions)
        .exists()
    )
    columns = submissions.c["id", "assignment_id", "labeler", "created", "active_ms", "idle_ms", "note", "supersedes"]
    query = (
        select(*columns, *tasks.c["kind", "purpose", "prompt_id"], (~superseded).label("is_latest"))
        .join(assignments, assignments.c.id == submissions.c.assignment_id)
        .join(tasks, tasks.c.id == assignments.c.task_id)
        .order_by(submissions.c.created.desc(), submissions.c.id)
        .limit(limit)
    )
    if labeler:
        query = query.where(submissions.c.labeler == labeler)
    if assignment:
        query = query.where(submissions.c.assignment_id == assignment)
    with store.read() as connection:
        return [Handed(**{**row._mapping, "is_latest": bool(row.is_latest)}) for row in connection.execute(query)]


def submission(store: Store, made: str) -> str | None:
    """Return the assignment of a submission, None where there is no such submission."""
    with store.read() as connection:
        return connection.scalar(select(submissions.c.assignment_id).where(submissions.c.id == made))


def lengths(store: Store, ids: Iterable[str]) -> dict[str, int]:
    """Return how many characters these completions have."""
    found: dict[str, int] = {}
    with store.read() as connection:
        for part in batches.of(sorted(set(ids))):
            query = select(completions.c.id, func.length(completions.c.text).label("length"))
            found |= {row.id: row.length for row in connection.execute(query.where(completions.c.id.in_(part)))}
    return found


def kinds(store: Store) -> list[Kind]:
    """Return the kinds of those who made any order or rating."""
    any_order = select(rankings.c.id).where(rankings.c.labeler == labelers.c.id).exists()
    any_rating = select(ratings.c.id).where(ratings.c.labeler == labelers.c.id).exists()
    query = select(labelers.c.kind).where(or_(any_order, any_rating)).distinct().order_by(labelers.c.kind)
    with store.read() as connection:
        return list(connection.scalars(query))


def _with_context(table: Table, prompt: Any) -> Select[Any]:
    query = select(table, labelers.c.group, prompts.c.id.label("about"), prompts.c.use_case).select_from(table)
    if table is ratings:
        query = query.join(completions, completions.c.id == table.c.completion_id)
    return query.join(labelers, labelers.c.id == table.c.labeler).join(prompts, prompts.c.id == prompt)


def _looked(table: Table, prompt: Any, which: Looked) -> Select[Any]:
    told = select(instruction_versions.c.version).where(instruction_versions.c.task == which.task)
    query = _with_context(table, prompt).where(
        current(table), table.c.kind == which.kind, table.c.instruction_version.in_(told)
    )
    if which.use_case:
        query = query.where(prompts.c.use_case == which.use_case)
    if which.prompt_id:
        query = query.where(prompt == which.prompt_id)
    if which.labeler:
        query = query.where(table.c.labeler == which.labeler)
    return query.order_by(table.c.created, table.c.id)


def _context(row: Row[Any]) -> Context:
    return Context(
        labeler=row.labeler,
        group=row.group,
        purpose=row.purpose,
        prompt_id=row.about,
        use_case=row.use_case,
        created=row.created,
        assignment_id=row.assignment_id or "",
    )


def _ordered(row: Row[Any]) -> Ordered:
    groups = tuple(tuple(group) for group in row.groups)
    return Ordered(id=row.id, context=_context(row), groups=groups, presented=tuple(row.presented))


def _rated(row: Row[Any]) -> Rated:
    return Rated(
        id=row.id,
        context=_context(row),
        completion_id=row.completion_id,
        quality=row.quality,
        flags=dict(row.flags),
    )
