"""Calls that carry an idempotency key: who answers one now, and what was answered, for a day.

What was answered holds words, so it is kept no longer than somebody may ask again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, and_, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tutelage.store.database import Store
from tutelage.store.request_tables import repeats

#: For how long the same key means the same call.
KEPT = timedelta(hours=24)
#: The call is ours to answer, somebody answers it now, the key was another call's, or here is the answer.
State = Literal["ours", "running", "another", "answered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call by its idempotency key, both as hashes: `id` of key and caller, `body` of what is asked."""

    id: str
    body: str


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a call."""

    state: State
    answer: str = ""


def claim(store: Store, call: Call, *, holder: str, now: datetime, until: datetime) -> Found:
    """Take a call to answer it until a time, unless it was answered, or somebody answers it whose time is not over."""
    row = {"id": call.id, "body": call.body, "holder": holder, "held_until": until, "answer": None, "created": now}
    while True:
        with store.write() as connection:
            if _insert(connection, row):
                return Found("ours")
            known = connection.execute(select(repeats).where(repeats.c.id == call.id).with_for_update()).one_or_none()
            if known is None:  # it was given up between the two looks
                continue
            is_over = known.created <= now - KEPT
            if not is_over and known.body != call.body:
                return Found("another")
            if not is_over and known.answer is not None:
                return Found("answered", known.answer)
            if not is_over and known.held_until > now:
                return Found("running")
            connection.execute(update(repeats).where(repeats.c.id == call.id).values(row))
            return Found("ours")


def finish(store: Store, id: str, *, holder: str, answer: str) -> bool:
    """Keep the answer of a call; say whether it was still this holder's."""
    with store.write() as connection:
        return connection.execute(update(repeats).where(_held(id, holder)).values(answer=answer)).rowcount == 1


def release(store: Store, id: str, *, holder: str) -> None:
    """Give a call up that has no answer to keep: whoever sends it again begins anew."""
    with store.write() as connection:
        connection.execute(delete(repeats).where(_held(id, holder)))


def prolong(store: Store, ids: Sequence[str], *, holder: str, until: datetime) -> None:
    """Say that a holder is still at these calls."""
    mine = and_(repeats.c.id.in_(ids), repeats.c.holder == holder, repeats.c.answer.is_(None))
    with store.write() as connection:
        connection.execute(update(repeats).where(mine).values(held_until=until))


def _held(id: str, holder: str) -> Any:
    return and_(repeats.c.id == id, repeats.c.holder == holder, repeats.c.answer.is_(None))


def _insert(connection: Connection, row: dict[str, Any]) -> bool:
    made = postgresql.insert(repeats) if connection.dialect.name == "postgresql" else sqlite.insert(repeats)
    new = made.values(row).on_conflict_do_nothing().returning(repeats.c.id)
    return connection.scalar(new) is not None
