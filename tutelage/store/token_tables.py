"""The table of personal access tokens: how a program acts for a person."""

from sqlalchemy import Column, ForeignKey, String, Table

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.tables import metadata

#: `id` is the part of a token that may be shown; `token_hash` is the hash of all of it. `ended` is when it was revoked.
tokens = Table(
    "tokens",
    metadata,
    Column("id", String, primary_key=True),
    Column("token_hash", String, nullable=False, unique=True),
    Column("person", ForeignKey("people.id"), nullable=False, index=True),
    Column("name", AnyText, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
    Column("used", UtcDateTime),
    Column("ended", UtcDateTime),
)
