"""Screening of candidates: items with keys, answers, researchers' scores, decisions; all of it is added only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, Table, func, select, update

from tutelage.errors import DataError, MissingError
from tutelage.records import Kind
from tutelage.store import batches
from tutelage.store.account_tables import people
from tutelage.store.database import Store
from tutelage.store.screening_tables import (
    screening_answers,
    screening_decisions,
    screening_items,
    screening_scores,
    screenings,
)
from tutelage.store.tables import labelers

Part = Literal["flags", "ranking", "demonstration", "topics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of a screening set; `kind` says who wrote it, key included.

    A flag shows one output, and `sensitive` is its key. A ranking shows several, and `order` is its key: groups of
    output numbers from 0, best first. A demonstration and a topic show the prompt alone.
    """

    id: str
    part: Part
    kind: Kind
    prompt: str
    outputs: tuple[str, ...] = ()
    sensitive: bool | None = None
    order: tuple[tuple[int, ...], ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """A candidate's screening; `handed_in` is None while it is being answered."""

    candidate: str
    set: str
    created: datetime
    handed_in: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One researcher's score, 1 to 7, of one candidate's demonstration."""

    candidate: str
    item: str
    researcher: str
    score: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided about a candidate, why, and which results were seen."""

    candidate: str
    passed: bool
    reason: str
    decided_by: str
    results: dict[str, float | None]
    created: datetime


def publish(store: Store, name: str, items: Sequence[Item], *, now: datetime) -> None:
    """Publish a set for ever; publishing the same items again changes nothing, other ones are refused."""
    rows = [_item_row(name, position, item, now) for position, item in enumerate(items)]
    with store.write() as connection:
        batches.insert_new(connection, screening_items, rows)
        if _items(connection, name) != list(items):
            raise DataError(f"The screening set {name!r} is published with other items; give the new set a new name.")


def newest_set(store: Store) -> str:
    """Return the name of the set that was published last."""
    with store.read() as connection:
        query = select(screening_items.c.set).order_by(screening_items.c.created.desc(), screening_items.c.set.desc())
        name = connection.scalar(query.limit(1))
    if name is None:
        raise MissingError("No screening set is published; publish one before candidates come.")
    return str(name)


def items(store: Store, name: str) -> list[Item]:
    """Return the items of a set in their order."""
    with store.read() as connection:
        return _items(connection, name)


def begin(store: Store, candidate: str, name: str, *, now: datetime) -> Screening:
    """Begin a candidate's screening with a set; one that has begun goes on with its own set."""
    with store.write() as connection:
        row = {"candidate": candidate, "set": name, "created": now, "handed_in": None}
        batches.insert_new(connection, screenings, [row])
        return _screening(connection.execute(select(screenings).where(screenings.c.candidate == candidate)).one())


def find(store: Store) -> list[Screening]:
    """Return all screenings, oldest first."""
    with store.read() as connection:
        query = select(screenings).order_by(screenings.c.created, screenings.c.candidate)
        return [_screening(row) for row in connection.execute(query)]


def get(store: Store, candidate: str) -> Screening | None:
    """Return a candidate's screening, None when it has not begun."""
    with store.read() as connection:
        row = connection.execute(select(screenings).where(screenings.c.candidate == candidate)).one_or_none()
    return _screening(row) if row else None


def answer(store: Store, candidate: str, item: str, given: Any, *, now: datetime) -> None:
    """Add an answer; the last one of an item counts."""
    with store.write() as connection:
        under = _lock_open(connection, candidate)
        row = {"candidate": candidate, "set": under.set, "item": item, "answer": given, "created": now}
        connection.execute(screening_answers.insert(), row)


def answers(store: Store, candidate: str) -> dict[str, Any]:
    """Return a candidate's answers by item."""
    with store.read() as connection:
        query = _last(screening_answers, "candidate", "item").where(screening_answers.c.candidate == candidate)
        return {row.item: row.answer for row in connection.execute(query)}


def hand_in(store: Store, candidate: str, *, now: datetime) -> None:
    """Close a screening; every item must have its answer."""
    with store.write() as connection:
        under = _lock_open(connection, candidate)
        given = select(screening_answers.c.item).where(screening_answers.c.candidate == candidate)
        of_set = screening_items.c.set == under.set, screening_items.c.id.not_in(given)
        missing = connection.scalar(select(func.count()).select_from(screening_items).where(*of_set))
        if missing:
            raise DataError(f"{missing} items have no answer yet; answer them, then hand in.")
        done = update(screenings).where(screenings.c.candidate == candidate)
        connection.execute(done.values(handed_in=now))


def score(store: Store, new: Score, *, now: datetime) -> None:
    """Add a researcher's score of a demonstration that was handed in and is not decided yet."""
    with store.write() as connection:
        under = connection.execute(select(screenings).where(screenings.c.candidate == new.candidate)).one_or_none()
        if under is None or under.handed_in is None:
            raise DataError("This demonstration was not handed in; score others.")
        decided = select(screening_decisions.c.number).where(screening_decisions.c.candidate == new.candidate)
        if connection.execute(decided.limit(1)).one_or_none():
            raise DataError("This candidate is decided about; the score would change nothing.")
        row = {"candidate": new.candidate, "set": under.set, "item": new.item, "researcher": new.researcher}
        connection.execute(screening_scores.insert(), {**row, "score": new.score, "created": now})


def scores(store: Store) -> list[Score]:
    """Return all scores that count."""
    query = _last(screening_scores, "candidate", "item", "researcher").order_by(screening_scores.c.number)
    with store.read() as connection:
        return [
            Score(candidate=row.candidate, item=row.item, researcher=row.researcher, score=row.score)
            for row in connection.execute(query)
        ]


def decide(store: Store, decision: Decision) -> None:
    """Record a decision; who passes is a screened labeler from then on, in the same transaction."""
    with store.write() as connection:
        under = connection.execute(
            select(screenings).where(screenings.c.candidate == decision.candidate).with_for_update()
        ).one_or_none()
        if under is None or under.handed_in is None:
            raise DataError("This screening was not handed in, so it cannot be decided yet.")
        row = {name: getattr(decision, name) for name in Decision.__slots__}
        connection.execute(screening_decisions.insert(), row)
        screened = update(labelers).where(labelers.c.id == decision.candidate)
        connection.execute(screened.values(screened=decision.passed))
        role = "labeler" if decision.passed else "candidate"
        connection.execute(update(people).where(people.c.labeler == decision.candidate).values(role=role))


def decisions(store: Store) -> dict[str, Decision]:
    """Return the decision that counts for every candidate who has one."""
    with store.read() as connection:
        rows = connection.execute(_last(screening_decisions, "candidate"))
        return {row.candidate: Decision(**{name: getattr(row, name) for name in Decision.__slots__}) for row in rows}


def _last(table: Table, *keys: str) -> Select[Any]:
    """Return the query for the last row of each combination of keys."""
    newest = select(func.max(table.c.number)).group_by(*(table.c[key] for key in keys))
    return select(table).where(table.c.number.in_(newest))


def _lock_open(connection: Connection, candidate: str) -> Screening:
    query = select(screenings).where(screenings.c.candidate == candidate).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise DataError("This screening has not begun; open its first page.")
    if row.handed_in is not None:
        raise DataError("This screening was handed in; its answers stay as they are.")
    return _screening(row)


def _screening(row: Row[Any]) -> Screening:
    return Screening(candidate=row.candidate, set=row.set, created=row.created, handed_in=row.handed_in)


def _items(connection: Connection, name: str) -> list[Item]:
    query = select(screening_items).where(screening_items.c.set == name).order_by(screening_items.c.position)
    return [
        Item(
            id=row.id,
            part=row.part,
            kind=row.kind,
            prompt=row.prompt,
            outputs=tuple(row.outputs),
            sensitive=row.sensitive,
            order=tuple(tuple(group) for group in row.order),
            reason=row.reason,
        )
        for row in connection.execute(query)
    ]


def _item_row(name: str, position: int, item: Item, now: datetime) -> dict[str, Any]:
    fields = {field: getattr(item, field) for field in Item.__slots__}
    return {**fields, "set": name, "position": position, "created": now}
