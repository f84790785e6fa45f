"""Judgements: demonstrations, ratings, rankings and the rarer kinds. They are added; a correction supersedes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, select

from tutelage.records import (
    Demonstration,
    Group,
    Kind,
    PrivacyReview,
    Purpose,
    Ranking,
    Rating,
    ToxicityRating,
    WrittenPrompt,
)
from tutelage.store import batches, privacy, toxicity, written
from tutelage.store.database import Store
from tutelage.store.judgements import common, current, row
from tutelage.store.tables import completions, demonstrations, labelers, rankings, ratings

__all__ = [
    "Judgements",
    "Which",
    "add",
    "current",
    "demonstration",
    "demonstrations_of",
    "find",
    "insert",
    "merged",
    "ranking",
    "rankings_of",
    "rating",
    "ratings_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgements:
    """Judgements to add together.

    `assignments` names, by judgement id, the assignment it came from; imported ones have none. `positions` holds, by
    rating id, the place of the output on the labeler's screen.
    """

    demonstrations: Sequence[Demonstration] = ()
    ratings: Sequence[Rating] = ()
    rankings: Sequence[Ranking] = ()
    written: Sequence[WrittenPrompt] = ()
    reviews: Sequence[PrivacyReview] = ()
    toxicity: Sequence[ToxicityRating] = ()
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
        written=[made for part in parts for made in part.written],
        reviews=[made for part in parts for made in part.reviews],
        toxicity=[made for part in parts for made in part.toxicity],
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
    written.insert(connection, new.written, new.assignments, now=now)
    toxicity.insert(connection, new.toxicity, new.assignments, new.positions, now=now)
    privacy.insert(connection, new.reviews, new.assignments, now=now)


def demonstrations_of(store: Store, which: Which) -> list[Demonstration]:
    """Return current demonstrations by id."""
    with store.read() as connection:
        return [demonstration(found) for found in connection.execute(_query(demonstrations, which))]


def ratings_of(store: Store, which: Which) -> list[Rating]:
    """Return current ratings by id; `which.policies` names whose completions."""
    query = _query(ratings, which)
    if which.policies is not None:
        theirs = select(completions.c.id).where(completions.c.policy.in_(which.policies))
        query = query.where(ratings.c.completion_id.in_(theirs))
    with store.read() as connection:
        return [rating(found) for found in connection.execute(query)]


def rankings_of(store: Store, which: Which) -> list[Ranking]:
    """Return current rankings by id."""
    with store.read() as connection:
        return [ranking(found) for found in connection.execute(_query(rankings, which))]


def find(store: Store, ids: Iterable[str]) -> dict[str, Demonstration | Ranking]:
    """Return the demonstrations and rankings of these ids, whether they still count or not."""
    found: dict[str, Demonstration | Ranking] = {}
    with store.read() as connection:
        for part in batches.of(sorted(set(ids))):
            for one in connection.execute(select(demonstrations).where(demonstrations.c.id.in_(part))):
                found[one.id] = demonstration(one)
            for one in connection.execute(select(rankings).where(rankings.c.id.in_(part))):
                found[one.id] = ranking(one)
    return found


def ranking(found: Row[Any]) -> Ranking:
    """Return the record of a row of the table `rankings`."""
    return Ranking(
        **common(found),
        prompt_id=found.prompt_id,
        groups=tuple(tuple(group) for group in found.groups),
        presented=tuple(found.presented),
        seeded=found.seeded,
    )


def demonstration(found: Row[Any]) -> Demonstration:
    """Return the record of a row of the table `demonstrations`."""
    return Demonstration(**common(found), prompt_id=found.prompt_id, text=found.text)


def rating(found: Row[Any]) -> Rating:
    """Return the record of a row of the table `ratings`."""
    return Rating(**common(found), completion_id=found.completion_id, quality=found.quality, flags=found.flags)


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


def _demonstration_row(made: Demonstration, new: Judgements, now: datetime) -> dict[str, Any]:
    return {**row(made, new.assignments.get(made.id), now), "prompt_id": made.prompt_id, "text": made.text}


def _rating_row(made: Rating, new: Judgements, now: datetime) -> dict[str, Any]:
    return {
        **row(made, new.assignments.get(made.id), now),
        "completion_id": made.completion_id,
        "quality": made.quality,
        "flags": made.flags,
        "position": new.positions.get(made.id),
    }


def _ranking_row(made: Ranking, new: Judgements, now: datetime) -> dict[str, Any]:
    return {
        **row(made, new.assignments.get(made.id), now),
        "prompt_id": made.prompt_id,
        "groups": made.groups,
        "presented": made.presented,
        "seeded": made.seeded,
    }
