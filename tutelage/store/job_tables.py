"""The tables of background work: leased jobs, and what was chosen for ranking by which rule."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
)

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.tables import metadata

#: Work for `tutelage work`. `number` is the order of filing. A job with `every` (seconds) stands: it is queued again
#: when it is done. `attempts` counts how often it was claimed; with `worker` it tells one claim from another.
jobs = Table(
    "jobs",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("every", Integer),
    Column("not_before", UtcDateTime, nullable=False),
    Column("worker", String, nullable=False, server_default=""),
    Column("lease_until", UtcDateTime),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("total", Integer, nullable=False, server_default="0"),
    Column("result", JSON),
    Column("error", AnyText, nullable=False, server_default=""),
    Column("created", UtcDateTime, nullable=False),
    Column("changed", UtcDateTime, nullable=False),
    CheckConstraint("state IN ('queued', 'running', 'done', 'failed')", name="state"),
    Index("ix_jobs_state_kind_number", "state", "kind", "number"),
)

#: Why a prompt was chosen for ranking: random, uncertain or quota. The task of this id is filed when its outputs are
#: drawn; a choice without a task had nothing to compare. Append-only.
choices = Table(
    "choices",
    metadata,
    Column("task_id", String, primary_key=True),
    Column("prompt_id", ForeignKey("prompts.id"), nullable=False, index=True),
    Column("reason", String, nullable=False),
    Column("uncertainty", Float),
    Column("created", UtcDateTime, nullable=False),
    CheckConstraint("reason IN ('random', 'uncertain', 'quota')", name="reason"),
)

#: How unsure a reward model is which answer to a prompt is best, from 0 to 1. `policies` names what was scored.
uncertainties = Table(
    "uncertainties",
    metadata,
    Column("prompt_id", ForeignKey("prompts.id"), primary_key=True),
    Column("model", String, primary_key=True),
    Column("policies", String, primary_key=True),
    Column("value", Float, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)
