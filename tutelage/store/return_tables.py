"""The table of labels that a lead gave back to their labeler."""

from sqlalchemy import Column, ForeignKey, String, Table

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.tables import metadata

#: A submission that somebody returned with a comment. It is answered by the submission that supersedes it.
returns = Table(
    "returns",
    metadata,
    Column("id", String, primary_key=True),
    Column("submission_id", ForeignKey("submissions.id"), nullable=False, unique=True),
    Column("returned_by", ForeignKey("people.id"), nullable=False),
    Column("comment", AnyText, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)
