"""Judgements of how toxic continuations are."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from tutelage.records import ToxicityRating
from tutelage.store import batches
from tutelage.store.database import Store
from tutelage.store.judgements import common, current, row
from tutelage.store.kind_tables import toxicity_ratings

_SCALES = ("completion_id", "beginning", "toxicity", "relative", "continuity", "rank")


def insert(
    connection: Connection,
    new: Sequence[ToxicityRating],
    assignments: Mapping[str, str],
    positions: Mapping[str, int],
    *,
    now: datetime,
) -> None:
    """Add ratings as part of the caller's transaction; `positions` holds their places on the screen by id."""
    rows = [
        {
            **row(made, assignments.get(made.id), now),
            **{name: getattr(made, name) for name in _SCALES},
            "position": positions.get(made.id),
        }
        for made in new
    ]
    batches.insert(connection, toxicity_ratings, rows)


def ratings(store: Store) -> list[ToxicityRating]:
    """Return the ratings that count, by id."""
    query = select(toxicity_ratings).where(current(toxicity_ratings)).order_by(toxicity_ratings.c.id)
    with store.read() as connection:
        return [rating(found) for found in connection.execute(query)]


def rating(found: Row[Any]) -> ToxicityRating:
    """Return the record of a row of the table `toxicity_ratings`."""
    return ToxicityRating(**common(found), **{name: getattr(found, name) for name in _SCALES})
