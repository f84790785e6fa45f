"""The tables of the misuse monitor: what is to be looked at, and what customers say against it."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
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

#: Something for a reviewer: what a signal found, or a request without any finding, taken by chance. `requests` are ids;
#: `measure` is what the ladder did at once. `verdict` is open until a person gives another one, for a reason of a list.
cases = Table(
    "cases",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("kind", String, nullable=False),
    Column("application_id", ForeignKey("applications.id"), nullable=False),
    Column("signal", String, nullable=False, server_default=""),
    Column("summary", AnyText, nullable=False, server_default=""),
    Column("requests", JSON, nullable=False),
    Column("is_grave", Boolean, nullable=False),
    Column("score", Float, nullable=False, server_default="0"),
    Column("measure", String, nullable=False, server_default="none"),
    Column("deadline", UtcDateTime, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("verdict", String, nullable=False, server_default="open"),
    Column("code", String, nullable=False, server_default=""),
    Column("note", AnyText, nullable=False, server_default=""),
    Column("reviewer", String, nullable=False, server_default=""),
    Column("reviewed", UtcDateTime),
    CheckConstraint("kind IN ('finding', 'spot_check')", name="kind"),
    CheckConstraint("verdict IN ('open', 'confirmed', 'dismissed')", name="verdict"),
    CheckConstraint("measure IN ('none', 'warn', 'throttle', 'sandbox', 'suspend')", name="measure"),
    Index("ix_cases_application_id_created", "application_id", "created"),
    Index("ix_cases_verdict_deadline", "verdict", "deadline"),
)

#: Requests that are looked at although nothing was found in them; one is looked at once.
spot_checks = Table(
    "spot_checks",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("case", ForeignKey("cases.number"), nullable=False),
)

#: What a customer says against a measure. Another person than the one who took it decides.
appeals = Table(
    "appeals",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("application_id", ForeignKey("applications.id"), nullable=False, index=True),
    Column("text", AnyText, nullable=False),
    Column("against", String, nullable=False),
    Column("by", String, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("decision", String, nullable=False, server_default="open"),
    Column("reason", AnyText, nullable=False, server_default=""),
    Column("decided_by", String, nullable=False, server_default=""),
    Column("decided", UtcDateTime),
    CheckConstraint("decision IN ('open', 'upheld', 'overturned')", name="decision"),
)

#: How far the monitor has read the request log of each application.
monitored = Table(
    "monitored",
    metadata,
    Column("application_id", ForeignKey("applications.id"), primary_key=True),
    Column("until", UtcDateTime, nullable=False),
)
