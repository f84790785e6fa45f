"""Add drafts: work in hand that is not handed in yet."""

import sqlalchemy as sa
from alembic import op

from tutelage.store.columns import AnyText, UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("assignment_id", sa.String(), nullable=False),
        sa.Column("labeler", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", AnyText(), nullable=False),
        sa.Column("saved", UtcDateTime(), nullable=True),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignments.id"], name="fk_drafts_assignment_id"),
        sa.ForeignKeyConstraint(["labeler"], ["labelers.id"], name="fk_drafts_labeler"),
        sa.PrimaryKeyConstraint("id", name="pk_drafts"),
        sa.UniqueConstraint("assignment_id", name="uq_drafts_assignment_id"),
    )
    op.create_index("ix_drafts_labeler", "drafts", ["labeler"])
