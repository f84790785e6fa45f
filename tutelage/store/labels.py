"""Judgements: demonstrations, ratings and rankings. They are added, never changed; a correction supersedes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, select

from tutelage.records import Demonstration, Group, Kind, Purpose, Ranking, Rating
from tutelage.store import batches
from tutelage.store.database import Store
from tutelage.store.tables import completions, demonstrations, labelers, rankings, ratings
from tutelage.store.withdrawal_tables import labeler_withdrawals


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgements:
    """Judgements to add together.

    `assignments` names, by judgement id, the assignment it came from; imported ones have none. `positions` holds, by
    rating id, the place of the output on the labeler's screen.
    """

    demonstrations: Sequence[Demonstration] = ()
    ratings: Sequence[Rating] = ()
    rankings: Sequence[Ranking] = ()
    assignments: Mapping[str, str] = field(default_factory=dict)
    positions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which judgements to read; None takes all. Superseded ones and those of withdrawn labelers are never read."""

    purpose: Purpose | None = None
    group: Group | None = None
    kind: Kind | None = None
    policies: Sequence[str] | None = None


def merged(parts: Sequence[Judgements]) -> Judgements:
    """Return all judgements of the parts together."""
    return Judgements(
        demonstrations=[made for part in parts for made in part.demonstrations],
        ratings=[made for part in parts for made in part.ratings],
        rankings=[made for part in parts for made in part.rankings],
        assignments={made: assignment for part in parts for made, assignment in part.assignments.items()},
        positions={made: position for part in parts for made, position in part.positions.items()},
    )


def add(store: Store, new: Judgements, *, now: datetime) -> None:
    """Add judgements that did not come through the queue; those that are there already are left as they are."""
    with store.write() as connection:
        insert(connection, new, now=now, skip_known=True)


def insert(connection: Connection, new: Judgements, *, now: datetime, skip_known: bool = False) -> None:
    """Add judgements as part of the caller's transaction."""
    put = batches.insert_new if skip_known else batches.insert
    put(connection, demonstrations, [_demonstration_row(made, new, now) for made in new.demonstrations])
    put(connection, ratings, [_rating_row(made, new, now) for made in new.ratings])
    put(connection, rankings, [_ranking_row(made, new, now) for made in new.rankings])


def current(table: Table) -> Any:
    """Return the condition under which a row counts: nothing later supersedes it, and its labeler did not withdraw."""
    later = table.alias("later")
    superseded = select(later.c.id).where(later.c.supersedes == table.c.id).exists()
    return ~superseded & table.c.labeler.not_in(select(labeler_withdrawals.c.labeler))


def demonstrations_of(store: Store, which: Which) -> list[Demonstration]:
    """Return current demonstrations by id."""
    with store.read() as connection:
        return [demonstration(row) for row in connection.execute(_query(demonstrations, which))]


def ratings_of(store: Store, which: Which) -> list[Rating]:
    """Return current ratings by id; `which.policies` names whose completions."""
    query = _query(ratings, which)
    if which.policies is not None:
        written = select(completions.c.id).where(completions.c.policy.in_(which.policies))
        query = query.where(ratings.c.completion_id.in_(written))
    with store.read() as connection:
        return [rating(row) for row in connection.execute(query)]


def rankings_of(store: Store, which: Which) -> list[Ranking]:
    """Return current rankings by id."""
    with store.read() as connection:
        return [ranking(row) for row in connection.execute(_query(rankings, which))]


def ranking(row: Row[Any]) -> Ranking:
    """Return the record of a row of the table `rankings`."""
    return Ranking(
        **_common(row),
        prompt_id=row.prompt_id,
        groups=tuple(tuple(group) for group in row.groups),
        presented=tuple(row.presented),
        seeded=row.seeded,
    )


def demonstration(row: Row[Any]) -> Demonstration:
    """Return the record of a row of the table `demonstrations`."""
    return Demonstration(**_common(row), prompt_id=row.prompt_id, text=row.text)


def rating(row: Row[Any]) -> Rating:
    """Return the record of a row of the table `ratings`."""
    return Rating(**_common(row), completion_id=row.completion_id, quality=row.quality, flags=row.flags)


def _query(table: Table, which: Which) -> Select[Any]:
    query = select(table).where(current(table)).order_by(table.c.id)
    if which.purpose is not None:
        query = query.where(table.c.purpose == which.purpose)
    if which.kind is not None:
        query = query.where(table.c.kind == which.kind)
    if which.group is not None:
        members = select(labelers.c.id).where(labelers.c.group == which.group)
        query = query.where(table.c.labeler.in_(members))
    return query


def _common(row: Row[Any]) -> dict[str, Any]:
    names = ("id", "labeler", "kind", "instruction_version", "purpose", "supersedes")
    return {name: getattr(row, name) for name in names}


def _row(made: Demonstration | Rating | Ranking, new: Judgements, now: datetime) -> dict[str, Any]:
    return {
        "id": made.id,
        "labeler": made.labeler,
        "kind": made.kind,
        "instruction_version": made.instruction_version,
        "purpose": made.purpose,
        "assignment_id": new.assignments.get(made.id),
        "supersedes": made.supersedes,
        "created": now,
    }


def _demonstration_row(made: Demonstration, new: Judgements, now: datetime) -> dict[str, Any]:
    return {**_row(made, new, now), "prompt_id": made.prompt_id, "text": made.text}


def _rating_row(made: Rating, new: Judgements, now: datetime) -> dict[str, Any]:
    return {
        **_row(made, new, now),
        "completion_id": made.completion_id,
        "quality": made.quality,
        "flags": made.flags,
        "position": new.positions.get(made.id),
    }


def _ranking_row(made: Ranking, new: Judgements, now: datetime) -> dict[str, Any]:
    return {
        **_row(made, new, now),
        "prompt_id": made.prompt_id,
        "groups": made.groups,
        "presented": made.presented,
        "seeded": made.seeded,
    }
