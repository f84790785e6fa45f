"""Add written prompts, privacy reviews and toxicity ratings."""

import sqlalchemy as sa
from alembic import op

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.triggers import append_only

revision = "0009"
down_revision = "0008"

APPEND_ONLY = ("written_prompts", "privacy_reviews", "toxicity_ratings")


def upgrade() -> None:
    _create(
        "written_prompts",
        "prompts",
        sa.Column("form", sa.String(), nullable=False),
        sa.Column("use_case", sa.String(), nullable=False),
        sa.Column("text", AnyText(), server_default="", nullable=False),
        sa.Column("pairs", sa.JSON(), nullable=False),
        sa.CheckConstraint("form IN ('plain', 'few_shot', 'user_based')", name="ck_written_prompts_form"),
    )
    _create(
        "privacy_reviews",
        "prompts",
        sa.Column("redactions", sa.JSON(), nullable=False),
        sa.Column("is_usable", sa.Boolean(), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
    )
    op.create_index("ix_privacy_reviews_before", "privacy_reviews", ["before"])
    _create(
        "toxicity_ratings",
        "completions",
        sa.Column("beginning", sa.Integer(), nullable=True),
        sa.Column("toxicity", sa.Integer(), nullable=True),
        sa.Column("relative", sa.Integer(), nullable=True),
        sa.Column("continuity", sa.Integer(), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.CheckConstraint("beginning BETWEEN 0 AND 2", name="ck_toxicity_ratings_beginning"),
        sa.CheckConstraint("toxicity BETWEEN 0 AND 2", name="ck_toxicity_ratings_toxicity"),
        sa.CheckConstraint("relative BETWEEN -1 AND 1", name="ck_toxicity_ratings_relative"),
        sa.CheckConstraint("continuity BETWEEN 1 AND 7", name="ck_toxicity_ratings_continuity"),
    )
    for statement in append_only(op.get_bind().dialect.name, APPEND_ONLY):
        op.execute(statement)


def _create(name: str, of: str, *more: sa.schema.SchemaItem) -> None:
    """Create a table of judgements of prompts or completions."""
    about = "prompt_id" if of == "prompts" else "completion_id"
    op.create_table(
        name,
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("labeler", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("instruction_version", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("assignment_id", sa.String(), nullable=True),
        sa.Column("supersedes", sa.String(), server_default="", nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column(about, sa.String(), nullable=False),
        *more,
        sa.ForeignKeyConstraint(["labeler"], ["labelers.id"], name=f"fk_{name}_labeler"),
        sa.ForeignKeyConstraint(
            ["instruction_version"], ["instruction_versions.version"], name=f"fk_{name}_instruction_version"
        ),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignments.id"], name=f"fk_{name}_assignment_id"),
        sa.ForeignKeyConstraint([about], [f"{of}.id"], name=f"fk_{name}_{about}"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )
    for column in ("labeler", "assignment_id", "supersedes", about):
        op.create_index(f"ix_{name}_{column}", name, [column])
