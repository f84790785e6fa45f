"""The tables of people who sign in, how they come in, and the log of what they did."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Integer, String, Table

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.tables import metadata

#: Who may sign in. `name_key` is the name without case and width, so that no two people look the same. `labeler` is the
#: pseudonym under which labels are kept, empty for those who make none. `failures` counts wrong passwords in a row.
people = Table(
    "people",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("name_key", AnyText, nullable=False, unique=True),
    Column("role", String, nullable=False),
    Column("labeler", ForeignKey("labelers.id")),
    Column("password", String, nullable=False),
    Column("status", String, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until", UtcDateTime),
    Column("created", UtcDateTime, nullable=False),
    CheckConstraint(
        "role IN ('candidate', 'labeler', 'lead', 'researcher', 'admin', 'reviewer', 'customer')", name="role"
    ),
    CheckConstraint("status IN ('active', 'suspended')", name="status"),
)

#: One-time links. `person` is set when the link gives a new password to somebody who is there already, `organisation`
#: when it makes a customer.
invitations = Table(
    "invitations",
    metadata,
    Column("id", String, primary_key=True),
    Column("token_hash", String, nullable=False, unique=True),
    Column("role", String, nullable=False),
    Column("group", String, nullable=False, server_default=""),
    Column("note", AnyText, nullable=False, server_default=""),
    Column("person", ForeignKey("people.id")),
    Column("organisation", String, nullable=False, server_default=""),
    Column("invited_by", String, nullable=False, server_default=""),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
    Column("used", UtcDateTime),
    Column("withdrawn", UtcDateTime),
)

#: Browsers that are signed in. `ended` is the time of signing out, or of being signed out.
sessions = Table(
    "sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("token_hash", String, nullable=False, unique=True),
    Column("person", ForeignKey("people.id"), nullable=False, index=True),
    Column("agent", AnyText, nullable=False, server_default=""),
    Column("created", UtcDateTime, nullable=False),
    Column("seen", UtcDateTime, nullable=False),
    Column("ended", UtcDateTime),
)

#: Everything that a page or the API changed. Each row's hash covers the hash of the row before it.
audit_log = Table(
    "audit_log",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False, index=True),
    Column("subject", String, nullable=False, index=True),
    Column("details", AnyText, nullable=False),
    Column("previous", String, nullable=False),
    Column("hash", String, nullable=False, unique=True),
)
