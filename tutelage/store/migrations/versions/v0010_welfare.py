"""Add what labelers opted out of."""

import sqlalchemy as sa
from alembic import op

from tutelage.store.columns import UtcDateTime

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "opt_outs",
        sa.Column("labeler", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.CheckConstraint("what IN ('use_case', 'content')", name="ck_opt_outs_what"),
        sa.ForeignKeyConstraint(["labeler"], ["labelers.id"], name="fk_opt_outs_labeler"),
        sa.PrimaryKeyConstraint("labeler", "what", "value", name="pk_opt_outs"),
    )
