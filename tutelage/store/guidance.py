"""What labelers are told and have read: acknowledgements, and examples with the labels that they put in doubt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Select, Table, select

from tutelage.errors import DataError
from tutelage.records import Instructions
from tutelage.store import batches, labelers, labels
from tutelage.store.database import Store
from tutelage.store.guidance_tables import acknowledgements, doubts, examples
from tutelage.store.tables import completions, demonstrations, instruction_versions, prompts, rankings, ratings

JudgementKind = Literal["demonstration", "rating", "ranking"]
_TABLES: dict[JudgementKind, Table] = {"demonstration": demonstrations, "rating": ratings, "ranking": rankings}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A worked example that was added to instructions; `about` says what it teaches, `thread` where it came from."""

    id: str
    version: str
    author: str
    about: str
    text: str
    thread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """An earlier label that may have to be looked at again."""

    kind: JudgementKind
    judgement: str
    labeler: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which earlier labels an example puts in doubt.

    Labels of one kind, made under instructions for `task`; of the prompt `prompt_id` alone, of all prompts with its use
    case (`use_case`), or, with both empty, of all prompts.
    """

    task: str
    kind: JudgementKind
    prompt_id: str = ""
    use_case: str = ""


def acknowledge(store: Store, labeler: str, version: str, *, now: datetime) -> None:
    """Record that a labeler has read a version; once is enough."""
    with store.write() as connection:
        row = {"labeler": labeler, "version": version, "created": now}
        batches.insert_new(connection, acknowledgements, [row])


def acknowledged(store: Store, labeler: str) -> set[str]:
    """Return the versions that a labeler has read."""
    query = select(acknowledgements.c.version).where(acknowledgements.c.labeler == labeler)
    with store.read() as connection:
        return set(connection.scalars(query))


def in_doubt(store: Store, scope: Scope) -> list[Doubt]:
    """Return the labels of a scope that nobody has corrected, by id."""
    with store.read() as connection:
        return _in_doubt(connection, scope)


def publish_example(
    store: Store, example: Example, instructions: Instructions, scope: Scope, *, now: datetime
) -> list[Doubt]:
    """Publish the next version with its new example, and write down which labels it puts in doubt. All or nothing."""
    with store.write() as connection:
        query = select(instruction_versions.c.version)
        if connection.execute(query.where(instruction_versions.c.version == instructions.version)).one_or_none():
            raise DataError(
                f"The version {instructions.version!r} was published meanwhile; read it, then publish yours."
            )
        found = _in_doubt(connection, scope)
        labelers.insert_version(connection, instructions, now=now)
        row = {name: getattr(example, name) for name in Example.__slots__}
        connection.execute(examples.insert(), {**row, "thread": example.thread or None, "created": now})
        rows = [
            {
                "example": example.id,
                "judgement_kind": doubt.kind,
                "judgement": doubt.judgement,
                "labeler": doubt.labeler,
            }
            for doubt in found
        ]
        batches.insert(connection, doubts, rows)
    return found


def examples_of(store: Store, version: str = "") -> list[Example]:
    """Return the examples that a version added, or those of all versions, oldest first."""
    query = select(examples).order_by(examples.c.created, examples.c.id)
    if version:
        query = query.where(examples.c.version == version)
    with store.read() as connection:
        return [
            Example(
                id=row.id,
                version=row.version,
                author=row.author,
                about=row.about,
                text=row.text,
                thread=row.thread or "",
            )
            for row in connection.execute(query)
        ]


def doubts_of(store: Store, example: str) -> list[Doubt]:
    """Return the labels that an example put in doubt when it was published."""
    query = select(doubts).where(doubts.c.example == example).order_by(doubts.c.judgement_kind, doubts.c.judgement)
    with store.read() as connection:
        return [
            Doubt(kind=row.judgement_kind, judgement=row.judgement, labeler=row.labeler)
            for row in connection.execute(query)
        ]


def _in_doubt(connection: Connection, scope: Scope) -> list[Doubt]:
    table = _TABLES[scope.kind]
    told = select(instruction_versions.c.version).where(instruction_versions.c.task == scope.task)
    query: Select[Any] = select(table.c.id, table.c.labeler).where(
        labels.current(table), table.c.instruction_version.in_(told)
    )
    prompt = table.c.prompt_id if scope.kind != "rating" else completions.c.prompt_id
    if scope.kind == "rating":
        query = query.join(completions, completions.c.id == ratings.c.completion_id)
    if scope.prompt_id:
        query = query.where(prompt == scope.prompt_id)
    if scope.use_case:
        query = query.where(prompt.in_(select(prompts.c.id).where(prompts.c.use_case == scope.use_case)))
    rows: Sequence[Any] = connection.execute(query.order_by(table.c.id)).all()
    return [Doubt(kind=scope.kind, judgement=row.id, labeler=row.labeler) for row in rows]
