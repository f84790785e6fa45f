"""Add background work: leased jobs, what was chosen for ranking and why, and how unsure reward models are."""

import sqlalchemy as sa
from alembic import op

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.triggers import append_only

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    _jobs()
    _choices()
    for statement in append_only(op.get_bind().dialect.name, ["choices"]):
        op.execute(statement)


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("every", sa.Integer(), nullable=True),
        sa.Column("not_before", UtcDateTime(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False, server_default=""),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("total", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", AnyText(), nullable=False, server_default=""),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("changed", UtcDateTime(), nullable=False),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed')", name="ck_jobs_state"),
        sa.PrimaryKeyConstraint("number", name="pk_jobs"),
        sa.UniqueConstraint("id", name="uq_jobs_id"),
    )
    op.create_index("ix_jobs_state_kind_number", "jobs", ["state", "kind", "number"])


def _choices() -> None:
    op.create_table(
        "choices",
        sa.Column("task_id", sa.String(), nullable=False),
        sa.Column("prompt_id", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("uncertainty", sa.Float(), nullable=True),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.CheckConstraint("reason IN ('random', 'uncertain', 'quota')", name="ck_choices_reason"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_choices_prompt_id"),
        sa.PrimaryKeyConstraint("task_id", name="pk_choices"),
    )
    op.create_index("ix_choices_prompt_id", "choices", ["prompt_id"])
    op.create_table(
        "uncertainties",
        sa.Column("prompt_id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("policies", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_uncertainties_prompt_id"),
        sa.PrimaryKeyConstraint("prompt_id", "model", "policies", name="pk_uncertainties"),
    )
