"""The tables of screening: sets of items with keys, candidates' answers, researchers' scores, decisions."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Integer,
    String,
    Table,
)

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.tables import metadata


def _number() -> Column[int]:
    return Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True)


def _candidate() -> Column[str]:
    return Column("candidate", ForeignKey("labelers.id"), nullable=False, index=True)


def _item() -> tuple[Column[str], Column[str], ForeignKeyConstraint]:
    return (
        Column("set", String, nullable=False),
        Column("item", String, nullable=False),
        ForeignKeyConstraint(["set", "item"], ["screening_items.set", "screening_items.id"]),
    )


#: One row per item of a set, with its key. `kind` says who wrote it. A published set never changes.
screening_items = Table(
    "screening_items",
    metadata,
    Column("set", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("part", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("prompt", AnyText, nullable=False),
    Column("outputs", JSON, nullable=False),
    Column("sensitive", Boolean),
    Column("order", JSON, nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    CheckConstraint("part IN ('flags', 'ranking', 'demonstration', 'topics')", name="part"),
)

#: A candidate's screening: the set it began with, and when it was handed in. There is one per candidate.
screenings = Table(
    "screenings",
    metadata,
    Column("candidate", ForeignKey("labelers.id"), primary_key=True),
    Column("set", String, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("handed_in", UtcDateTime),
)

#: Answers as they came; the last one of an item counts, and none comes after the screening was handed in.
screening_answers = Table(
    "screening_answers",
    metadata,
    _number(),
    _candidate(),
    *_item(),
    Column("answer", JSON, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

#: Researchers' scores of demonstrations; the last one of a researcher counts.
screening_scores = Table(
    "screening_scores",
    metadata,
    _number(),
    _candidate(),
    *_item(),
    Column("researcher", ForeignKey("labelers.id"), nullable=False),
    Column("score", Integer, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    CheckConstraint("score BETWEEN 1 AND 7", name="score"),
)

#: What was decided, why, by which person, and the results that were seen then. The last one counts.
screening_decisions = Table(
    "screening_decisions",
    metadata,
    _number(),
    _candidate(),
    Column("passed", Boolean, nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("decided_by", String, nullable=False),
    Column("results", JSON, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)
