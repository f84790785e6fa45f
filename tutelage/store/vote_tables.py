"""The tables of blind comparisons: what stood on which side, what people said of it, and the notices they had seen."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from tutelage.store.columns import UtcDateTime
from tutelage.store.tables import metadata


def _word(name: str) -> Column[str]:
    return Column(name, String, nullable=False, server_default="")


#: Two answers to one prompt as they stood before somebody. `prompt` is a salted hash of its text, `voter` that of the
#: person; an arm is a name of the operator's, with the model version and the request that answered for it.
comparisons = Table(
    "comparisons",
    metadata,
    Column("id", String, primary_key=True),
    _word("voter"),
    _word("application_id"),
    Column("prompt", String, nullable=False),
    Column("left_arm", String, nullable=False),
    Column("left_model", String, nullable=False),
    Column("left_request", String, nullable=False),
    Column("right_arm", String, nullable=False),
    Column("right_model", String, nullable=False),
    Column("right_request", String, nullable=False),
    Column("data_use", String, nullable=False),
    _word("notice_version"),
    Column("created", UtcDateTime, nullable=False),
    CheckConstraint("data_use IN ('none', 'training')", name="data_use"),
)

#: What somebody said of a comparison. `pair` is the same for one prompt and two arms, whichever stood on the left.
votes = Table(
    "votes",
    metadata,
    Column("comparison_id", ForeignKey("comparisons.id"), primary_key=True),
    _word("voter"),
    Column("pair", String, nullable=False),
    Column("choice", String, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    UniqueConstraint("voter", "pair"),
    CheckConstraint("choice IN ('left', 'right', 'tie', 'both_bad')", name="choice"),
)

#: Which version of the notice on data somebody read, when, and what may be done with what that person sends.
notice_views = Table(
    "notice_views",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("person", ForeignKey("people.id"), nullable=False),
    Column("notice_version", String, nullable=False),
    Column("data_use", String, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    CheckConstraint("data_use IN ('none', 'training')", name="data_use"),
    Index("ix_notice_views_person_number", "person", "number"),
)
