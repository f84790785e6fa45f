"""The tables of what labelers are told: who has read what, conversations about work, and what came of them."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Identity, Integer, String, Table

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.tables import metadata

#: Who said that they had read which version of the instructions.
acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("labeler", ForeignKey("labelers.id"), primary_key=True),
    Column("version", ForeignKey("instruction_versions.version"), primary_key=True),
    Column("created", UtcDateTime, nullable=False),
)

#: A conversation between one person and the leads and researchers, pinned to an assignment and perhaps to one of its
#: outputs, named by the id that the labeler saw.
threads = Table(
    "threads",
    metadata,
    Column("id", String, primary_key=True),
    Column("person", ForeignKey("people.id"), nullable=False, index=True),
    Column("assignment_id", ForeignKey("assignments.id"), index=True),
    Column("output", String, nullable=False, server_default=""),
    Column("created", UtcDateTime, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("thread", ForeignKey("threads.id"), nullable=False, index=True),
    Column("author", ForeignKey("people.id"), nullable=False),
    Column("text", AnyText, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

#: How far somebody has read a conversation: the number of the last message that was shown.
thread_reads = Table(
    "thread_reads",
    metadata,
    Column("thread", ForeignKey("threads.id"), primary_key=True),
    Column("person", ForeignKey("people.id"), primary_key=True),
    Column("number", BigInteger, nullable=False),
)

#: Worked examples that were added to instructions: in which version, from which conversation, about what.
examples = Table(
    "examples",
    metadata,
    Column("id", String, primary_key=True),
    Column("version", ForeignKey("instruction_versions.version"), nullable=False, index=True),
    Column("thread", ForeignKey("threads.id")),
    Column("author", ForeignKey("people.id"), nullable=False),
    Column("about", String, nullable=False),
    Column("text", AnyText, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

#: Labels that were made before an example was published and that it puts in doubt. They stay as they are.
doubts = Table(
    "doubts",
    metadata,
    Column("example", ForeignKey("examples.id"), primary_key=True),
    Column("judgement_kind", String, primary_key=True),
    Column("judgement", String, primary_key=True),
    Column("labeler", ForeignKey("labelers.id"), nullable=False, index=True),
    CheckConstraint("judgement_kind IN ('demonstration', 'rating', 'ranking')", name="judgement_kind"),
)
