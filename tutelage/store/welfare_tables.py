"""The table of what labelers do not want to see."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, String, Table

from tutelage.store.columns import UtcDateTime
from tutelage.store.tables import metadata

#: Use cases and contents that a labeler opted out of; rows go when the labeler opts in again.
opt_outs = Table(
    "opt_outs",
    metadata,
    Column("labeler", ForeignKey("labelers.id"), primary_key=True),
    Column("what", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("created", UtcDateTime, nullable=False),
    CheckConstraint("what IN ('use_case', 'content')", name="what"),
)
