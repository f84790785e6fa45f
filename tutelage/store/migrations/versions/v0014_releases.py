"""Add results of model versions, the moves of aliases, canaries, kept versions and shadow answers."""

import sqlalchemy as sa
from alembic import op

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.triggers import append_only

revision = "0014"
down_revision = "0013"

APPEND_ONLY = ("model_results", "alias_moves")


def upgrade() -> None:
    _create(
        "model_results",
        _number(),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("source_sha256", sa.String(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_model_results"),
    )
    op.create_index("ix_model_results_name_version", "model_results", ["name", "version"])
    _create(
        "alias_moves",
        _number(),
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("share", sa.Float(), nullable=True),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", AnyText(), nullable=False),
        sa.Column("gates", sa.JSON(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "action IN ('pointed', 'promoted', 'rolled_back', 'canary', 'canary_ended')", name="ck_alias_moves_action"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_alias_moves"),
    )
    op.create_index("ix_alias_moves_alias", "alias_moves", ["alias"])
    _create(
        "canaries",
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.CheckConstraint("share > 0 AND share < 1", name="ck_canaries_share"),
        sa.ForeignKeyConstraint(["alias"], ["aliases.alias"], name="fk_canaries_alias"),
        sa.PrimaryKeyConstraint("alias", name="pk_canaries"),
    )
    _create(
        "kept_versions",
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["alias"], ["aliases.alias"], name="fk_kept_versions_alias"),
        sa.PrimaryKeyConstraint("alias", "name", "version", name="pk_kept_versions"),
    )
    _create(
        "shadow_answers",
        sa.Column("prompt_id", sa.String(), nullable=False),
        sa.Column("text", AnyText(), nullable=False),
        sa.Column("finish_reason", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_shadow_answers_prompt_id"),
        sa.PrimaryKeyConstraint("prompt_id", "name", "version", name="pk_shadow_answers"),
    )
    _begin_histories()
    for statement in append_only(op.get_bind().dialect.name, APPEND_ONLY):
        op.execute(statement)


def _create(name: str, *columns: sa.schema.SchemaItem) -> None:
    """Create a table about model versions."""
    op.create_table(
        name,
        *columns,
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["name", "version"], ["models.name", "models.version"], name=f"fk_{name}_name"),
    )


def _number() -> sa.Column[int]:
    return sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), nullable=False)


def _begin_histories() -> None:
    """Let the history of every alias that there is begin with what it names now."""
    op.execute(
        'INSERT INTO alias_moves (alias, action, name, version, "by", reason, gates, created) '
        "SELECT alias, 'pointed', name, version, '', '', '[]', changed FROM aliases ORDER BY changed"
    )
