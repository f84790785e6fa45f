"""Add returns: labels that a lead gave back with a comment."""

import sqlalchemy as sa
from alembic import op

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.triggers import append_only

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "returns",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("submission_id", sa.String(), nullable=False),
        sa.Column("returned_by", sa.String(), nullable=False),
        sa.Column("comment", AnyText(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["returned_by"], ["people.id"], name="fk_returns_returned_by"),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name="fk_returns_submission_id"),
        sa.PrimaryKeyConstraint("id", name="pk_returns"),
        sa.UniqueConstraint("submission_id", name="uq_returns_submission_id"),
    )
    for statement in append_only(op.get_bind().dialect.name, ["returns"]):
        op.execute(statement)
