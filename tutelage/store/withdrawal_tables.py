"""The tables of labelers who take their labels back, and of the labels that models were trained on."""

from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Integer, String, Table

from tutelage.store.columns import UtcDateTime
from tutelage.store.tables import metadata

#: Labelers who asked that their labels are used no more.
withdrawal_requests = Table(
    "withdrawal_requests",
    metadata,
    Column("labeler", ForeignKey("labelers.id"), primary_key=True),
    Column("created", UtcDateTime, nullable=False),
)

#: Labelers whose labels are used no more. `by` is the person who recorded it, "" on the command line.
labeler_withdrawals = Table(
    "labeler_withdrawals",
    metadata,
    Column("labeler", ForeignKey("labelers.id"), primary_key=True),
    Column("by", String, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

#: Which labels (rows of `demonstrations` and `rankings`, by id) a model version was trained on.
model_labels = Table(
    "model_labels",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("label_id", String, primary_key=True, index=True),
    ForeignKeyConstraint(["name", "version"], ["models.name", "models.version"]),
)
