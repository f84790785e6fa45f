"""The tables of who may use the API, and how much: organisations, applications, keys, quotas."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Identity,
    Integer,
    String,
    Table,
)

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.tables import metadata

#: Who has applications. `name_key` is the name without case and width. While one is not active, its keys give nothing.
organisations = Table(
    "organisations",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("name_key", AnyText, nullable=False, unique=True),
    Column("is_active", Boolean, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

#: The organisation of a person; nobody has two.
members = Table(
    "members",
    metadata,
    Column("person", ForeignKey("people.id"), primary_key=True),
    Column("organisation", ForeignKey("organisations.id"), nullable=False, index=True),
    Column("created", UtcDateTime, nullable=False),
)

#: What is done with the API. `form` is what its customer says of it, `conditions` what a reviewer gave it, which stay
#: while it is suspended, `reason` the last word to its customer. `share` is the part of its limits that it may use.
#: `revocation_by` asked for it to be revoked, which another person confirms.
applications = Table(
    "applications",
    metadata,
    Column("id", String, primary_key=True),
    Column("organisation", ForeignKey("organisations.id"), nullable=False, index=True),
    Column("name", AnyText, nullable=False),
    Column("form", JSON, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("conditions", JSON(none_as_null=True)),
    Column("expires", UtcDateTime),
    Column("reason", AnyText, nullable=False, server_default=""),
    Column("share", Float, nullable=False),
    Column("data_use", String, nullable=False),
    Column("notice_version", String, nullable=False, server_default=""),
    Column("revocation_by", String),
    Column("revocation_reason", AnyText, nullable=False, server_default=""),
    Column("author", String, nullable=False, server_default=""),
    Column("created", UtcDateTime, nullable=False),
    Column("changed", UtcDateTime, nullable=False),
    CheckConstraint(
        "state IN ('draft', 'sandbox', 'in_review', 'changes_requested', 'live', 'suspended', 'revoked', 'expired')",
        name="state",
    ),
    CheckConstraint("data_use IN ('none', 'training')", name="data_use"),
)

#: Every step of an application from one state to another, and every change of its conditions. Append-only.
application_moves = Table(
    "application_moves",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("application", ForeignKey("applications.id"), nullable=False, index=True),
    Column("before", String, nullable=False),
    Column("after", String, nullable=False),
    Column("by", String, nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("conditions", JSON(none_as_null=True)),
    Column("created", UtcDateTime, nullable=False),
)

#: `id` is the part of a key that may be shown; `digest` is the whole key under the pepper. `replaces` is the key that
#: this one was made instead of; `ended` is when it was revoked, by whom or what `ended_by` says.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("application", ForeignKey("applications.id"), nullable=False, index=True),
    Column("name", AnyText, nullable=False),
    Column("digest", String, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("replaces", String, nullable=False, server_default=""),
    Column("created_by", String, nullable=False, server_default=""),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime),
    Column("used", UtcDateTime),
    Column("ended", UtcDateTime),
    Column("ended_by", String, nullable=False, server_default=""),
)

#: What an application used or holds in its present minute and day, which are counted from 1970 in UTC.
quotas = Table(
    "quotas",
    metadata,
    Column("application", ForeignKey("applications.id"), primary_key=True),
    Column("minute", BigInteger, nullable=False),
    Column("minute_requests", BigInteger, nullable=False),
    Column("minute_tokens", BigInteger, nullable=False),
    Column("day", BigInteger, nullable=False),
    Column("day_tokens", BigInteger, nullable=False),
)

#: What running calls hold of a quota. One past its deadline belongs to a gateway that died: it is returned.
reservations = Table(
    "reservations",
    metadata,
    Column("id", String, primary_key=True),
    Column("application", ForeignKey("applications.id"), nullable=False, index=True),
    Column("tokens", BigInteger, nullable=False),
    Column("minute", BigInteger, nullable=False),
    Column("day", BigInteger, nullable=False),
    Column("deadline", UtcDateTime, nullable=False, index=True),
    Column("is_returned", Boolean, nullable=False),
)

#: The people (salted hashes) for whom an application without review was used.
end_users = Table(
    "end_users",
    metadata,
    Column("application", ForeignKey("applications.id"), primary_key=True),
    Column("end_user", String, primary_key=True),
    Column("created", UtcDateTime, nullable=False),
)

#: Numbers that only grow.
counters = Table(
    "counters",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
