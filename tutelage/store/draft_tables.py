"""The table of drafts: work that is not handed in yet, and so no fact."""

from sqlalchemy import Column, ForeignKey, Integer, String, Table

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.tables import metadata

#: One draft per assignment. `id` is random: the address of the work says nothing of the task. `content` is what the
#: page keeps, as JSON that only the page reads; `version` counts the saves, `saved` is the time of the last one.
drafts = Table(
    "drafts",
    metadata,
    Column("id", String, primary_key=True),
    Column("assignment_id", ForeignKey("assignments.id"), nullable=False, unique=True),
    Column("labeler", ForeignKey("labelers.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("content", AnyText, nullable=False),
    Column("saved", UtcDateTime),
    Column("created", UtcDateTime, nullable=False),
)
