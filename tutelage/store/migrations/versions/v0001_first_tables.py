"""Create the first tables: people, prompts, work, judgements, models.

A migration is a list of statements that never changes again; here functions may be longer than elsewhere.
"""

import sqlalchemy as sa
from alembic import op

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.triggers import append_only, fixed_group

revision = "0001"
down_revision = None

APPEND_ONLY = (
    "submissions",
    "demonstrations",
    "ratings",
    "rankings",
    "instruction_versions",
    "users",
    "withdrawals",
    "models",
    "model_prompts",
)


def upgrade() -> None:
    _create_people()
    _create_prompts()
    _create_work()
    _create_judgements()
    _create_models()
    dialect = op.get_bind().dialect.name
    for statement in [*append_only(dialect, APPEND_ONLY), *fixed_group(dialect)]:
        op.execute(statement)


def _create_people() -> None:
    op.create_table(
        "facts",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_facts"),
    )
    op.create_table(
        "users",
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("split", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("user", name="pk_users"),
    )
    op.create_table(
        "withdrawals",
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("user", name="pk_withdrawals"),
    )
    op.create_table(
        "labelers",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("group", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("screened", sa.Boolean(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_labelers"),
    )
    op.create_table(
        "instruction_versions",
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("text", AnyText(), server_default="", nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_instruction_versions"),
    )


def _create_prompts() -> None:
    op.create_table(
        "prompts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("text", AnyText(), server_default="", nullable=False),
        sa.Column("text_hash", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("use_case", sa.String(), server_default="", nullable=False),
        sa.Column("form", sa.String(), server_default="", nullable=False),
        sa.Column("model", sa.String(), server_default="", nullable=False),
        sa.Column("endpoint", sa.String(), server_default="", nullable=False),
        sa.Column("consent", sa.String(), server_default="", nullable=False),
        sa.Column("split", sa.String(), server_default="", nullable=False),
        sa.Column("stage", sa.String(), server_default="", nullable=False),
        sa.Column("pii", sa.String(), server_default="", nullable=False),
        sa.Column("status", sa.String(), server_default="", nullable=False),
        sa.Column("dedupe_group", sa.String(), server_default="", nullable=False),
        sa.Column("meta", sa.JSON(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.user"], name="fk_prompts_user"),
        sa.PrimaryKeyConstraint("id", name="pk_prompts"),
    )
    op.create_index("ix_prompts_split_stage", "prompts", ["split", "stage"])
    op.create_index("ix_prompts_text_hash", "prompts", ["text_hash"])
    op.create_index("ix_prompts_user", "prompts", ["user"])
    op.create_table(
        "pii_findings",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("prompt_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("detector", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_pii_findings_prompt_id"),
        sa.PrimaryKeyConstraint("number", name="pk_pii_findings"),
    )
    op.create_index("ix_pii_findings_prompt_id", "pii_findings", ["prompt_id"])
    op.create_table(
        "completions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("prompt_id", sa.String(), nullable=False),
        sa.Column("text", AnyText(), server_default="", nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("finish_reason", sa.String(), nullable=False),
        sa.Column("sampling", sa.JSON(), nullable=False),
        sa.Column("authored_by", sa.String(), server_default="", nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_completions_prompt_id"),
        sa.PrimaryKeyConstraint("id", name="pk_completions"),
    )
    op.create_index("ix_completions_policy", "completions", ["policy"])
    op.create_index("ix_completions_prompt_id", "completions", ["prompt_id"])


def _create_work() -> None:
    op.create_table(
        "tasks",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("group", sa.String(), nullable=False),
        sa.Column("prompt_id", sa.String(), nullable=False),
        sa.Column("k", sa.Integer(), nullable=False),
        sa.Column("instruction_version", sa.String(), nullable=False),
        sa.Column("overlap", sa.Integer(), nullable=False),
        sa.Column("closed", UtcDateTime(), nullable=True),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.CheckConstraint("overlap >= 1", name="ck_tasks_overlap"),
        sa.ForeignKeyConstraint(
            ["instruction_version"], ["instruction_versions.version"], name="fk_tasks_instruction_version"
        ),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_tasks_prompt_id"),
        sa.PrimaryKeyConstraint("number", name="pk_tasks"),
        sa.UniqueConstraint("id", name="uq_tasks_id"),
    )
    op.create_index("ix_tasks_closed_group_kind", "tasks", ["closed", "group", "kind", "number"])
    op.create_index("ix_tasks_prompt_id", "tasks", ["prompt_id"])
    op.create_table(
        "task_completions",
        sa.Column("task_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("completion_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["completion_id"], ["completions.id"], name="fk_task_completions_completion_id"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="fk_task_completions_task_id"),
        sa.PrimaryKeyConstraint("task_id", "position", name="pk_task_completions"),
    )
    op.create_index("ix_task_completions_completion_id", "task_completions", ["completion_id"])
    op.create_table(
        "assignments",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("task_id", sa.String(), nullable=False),
        sa.Column("labeler", sa.String(), nullable=False),
        sa.Column("presented", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("lease_until", UtcDateTime(), nullable=False),
        sa.Column("heartbeat", UtcDateTime(), nullable=False),
        sa.Column("skip_reason", sa.String(), server_default="", nullable=False),
        sa.Column("note", AnyText(), server_default="", nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('offered', 'open', 'submitted', 'skipped', 'expired')", name="ck_assignments_state"
        ),
        sa.ForeignKeyConstraint(["labeler"], ["labelers.id"], name="fk_assignments_labeler"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="fk_assignments_task_id"),
        sa.PrimaryKeyConstraint("id", name="pk_assignments"),
    )
    op.create_index("ix_assignments_labeler", "assignments", ["labeler"])
    op.create_index("ix_assignments_state_lease_until", "assignments", ["state", "lease_until"])
    op.create_index("ix_assignments_task_id", "assignments", ["task_id"])
    op.create_table(
        "submissions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("assignment_id", sa.String(), nullable=False),
        sa.Column("labeler", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("active_ms", sa.BigInteger(), nullable=False),
        sa.Column("idle_ms", sa.BigInteger(), nullable=False),
        sa.Column("note", AnyText(), server_default="", nullable=False),
        sa.Column("supersedes", sa.String(), server_default="", nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignments.id"], name="fk_submissions_assignment_id"),
        sa.ForeignKeyConstraint(["labeler"], ["labelers.id"], name="fk_submissions_labeler"),
        sa.PrimaryKeyConstraint("id", name="pk_submissions"),
    )
    op.create_index("ix_submissions_assignment_id", "submissions", ["assignment_id"])
    op.create_index("ix_submissions_labeler", "submissions", ["labeler"])


def _create_judgements() -> None:
    op.create_table(
        "demonstrations",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("labeler", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("instruction_version", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("assignment_id", sa.String(), nullable=True),
        sa.Column("supersedes", sa.String(), server_default="", nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("prompt_id", sa.String(), nullable=False),
        sa.Column("text", AnyText(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignments.id"], name="fk_demonstrations_assignment_id"),
        sa.ForeignKeyConstraint(
            ["instruction_version"], ["instruction_versions.version"], name="fk_demonstrations_instruction_version"
        ),
        sa.ForeignKeyConstraint(["labeler"], ["labelers.id"], name="fk_demonstrations_labeler"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_demonstrations_prompt_id"),
        sa.PrimaryKeyConstraint("id", name="pk_demonstrations"),
    )
    op.create_index("ix_demonstrations_assignment_id", "demonstrations", ["assignment_id"])
    op.create_index("ix_demonstrations_labeler", "demonstrations", ["labeler"])
    op.create_index("ix_demonstrations_prompt_id", "demonstrations", ["prompt_id"])
    op.create_index("ix_demonstrations_supersedes", "demonstrations", ["supersedes"])
    op.create_table(
        "ratings",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("labeler", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("instruction_version", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("assignment_id", sa.String(), nullable=True),
        sa.Column("supersedes", sa.String(), server_default="", nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("completion_id", sa.String(), nullable=False),
        sa.Column("quality", sa.Integer(), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.CheckConstraint("quality BETWEEN 1 AND 7", name="ck_ratings_quality"),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignments.id"], name="fk_ratings_assignment_id"),
        sa.ForeignKeyConstraint(["completion_id"], ["completions.id"], name="fk_ratings_completion_id"),
        sa.ForeignKeyConstraint(
            ["instruction_version"], ["instruction_versions.version"], name="fk_ratings_instruction_version"
        ),
        sa.ForeignKeyConstraint(["labeler"], ["labelers.id"], name="fk_ratings_labeler"),
        sa.PrimaryKeyConstraint("id", name="pk_ratings"),
    )
    op.create_index("ix_ratings_assignment_id", "ratings", ["assignment_id"])
    op.create_index("ix_ratings_completion_id", "ratings", ["completion_id"])
    op.create_index("ix_ratings_labeler", "ratings", ["labeler"])
    op.create_index("ix_ratings_supersedes", "ratings", ["supersedes"])
    op.create_table(
        "rankings",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("labeler", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("instruction_version", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("assignment_id", sa.String(), nullable=True),
        sa.Column("supersedes", sa.String(), server_default="", nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("prompt_id", sa.String(), nullable=False),
        sa.Column("groups", sa.JSON(), nullable=False),
        sa.Column("presented", sa.JSON(), nullable=False),
        sa.Column("seeded", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignments.id"], name="fk_rankings_assignment_id"),
        sa.ForeignKeyConstraint(
            ["instruction_version"], ["instruction_versions.version"], name="fk_rankings_instruction_version"
        ),
        sa.ForeignKeyConstraint(["labeler"], ["labelers.id"], name="fk_rankings_labeler"),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_rankings_prompt_id"),
        sa.PrimaryKeyConstraint("id", name="pk_rankings"),
    )
    op.create_index("ix_rankings_assignment_id", "rankings", ["assignment_id"])
    op.create_index("ix_rankings_labeler", "rankings", ["labeler"])
    op.create_index("ix_rankings_prompt_id", "rankings", ["prompt_id"])
    op.create_index("ix_rankings_supersedes", "rankings", ["supersedes"])


def _create_models() -> None:
    op.create_table(
        "models",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name="pk_models"),
    )
    op.create_table(
        "model_prompts",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text_hash", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["name", "version"], ["models.name", "models.version"], name="fk_model_prompts_name_version"
        ),
        sa.PrimaryKeyConstraint("name", "version", "text_hash", name="pk_model_prompts"),
    )
    op.create_index("ix_model_prompts_text_hash", "model_prompts", ["text_hash"])
    op.create_table(
        "aliases",
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["name", "version"], ["models.name", "models.version"], name="fk_aliases_name_version"),
        sa.PrimaryKeyConstraint("alias", name="pk_aliases"),
    )
