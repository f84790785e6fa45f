"""Add withdrawals of labelers, and the labels that models were trained on."""

import sqlalchemy as sa
from alembic import op

from tutelage.store.columns import UtcDateTime
from tutelage.store.triggers import append_only

revision = "0007"
down_revision = "0006"

APPEND_ONLY = ("withdrawal_requests", "labeler_withdrawals", "model_labels")


def upgrade() -> None:
    op.create_table(
        "withdrawal_requests",
        sa.Column("labeler", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["labeler"], ["labelers.id"], name="fk_withdrawal_requests_labeler"),
        sa.PrimaryKeyConstraint("labeler", name="pk_withdrawal_requests"),
    )
    op.create_table(
        "labeler_withdrawals",
        sa.Column("labeler", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["labeler"], ["labelers.id"], name="fk_labeler_withdrawals_labeler"),
        sa.PrimaryKeyConstraint("labeler", name="pk_labeler_withdrawals"),
    )
    op.create_table(
        "model_labels",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("label_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["models.name", "models.version"], name="fk_model_labels_name_version"
        ),
        sa.PrimaryKeyConstraint("name", "version", "label_id", name="pk_model_labels"),
    )
    op.create_index("ix_model_labels_label_id", "model_labels", ["label_id"])
    for statement in append_only(op.get_bind().dialect.name, APPEND_ONLY):
        op.execute(statement)
