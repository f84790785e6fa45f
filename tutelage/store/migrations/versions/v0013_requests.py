"""Add the request log, what customers said of requests, notices, and what applications agreed to."""

import sqlalchemy as sa
from alembic import op

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.triggers import append_only, written_once

revision = "0013"
down_revision = "0012"

APPEND_ONLY = ("notices", "data_uses", "request_prompts")
WRITTEN_ONCE = ("requests", "request_hits", "request_contents", "feedback", "feedback_texts")
DATA_USE = "data_use IN ('none', 'training')"


def upgrade() -> None:
    _requests()
    _request_hits()
    _request_contents()
    _feedback()
    _consent()
    dialect = op.get_bind().dialect.name
    for statement in (*append_only(dialect, APPEND_ONLY), *written_once(dialect, WRITTEN_ONCE)):
        op.execute(statement)


def _requests() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.String(), nullable=False),
        *map(_word, ("key_id", "application_id", "organisation_id", "end_user", "ip_hash", "network_hash")),
        sa.Column("endpoint", sa.String(), nullable=False),
        *map(_word, ("alias", "model")),
        *map(_number, ("prompts", "n", "prompt_tokens", "completion_tokens")),
        sa.Column("temperature", sa.Float(), nullable=False, server_default="0"),
        sa.Column("is_stream", sa.Boolean(), nullable=False),
        sa.Column("is_echo", sa.Boolean(), nullable=False),
        sa.Column("has_logprobs", sa.Boolean(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        _word("error_code"),
        sa.Column("finish_reasons", sa.JSON(), nullable=False),
        *map(_number, ("prompt_severity", "completion_severity")),
        *map(_word, ("rule", "policy_version", "use_case", "prompt_simhash", "completion_simhash")),
        _number("urls"),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("first_token_ms", sa.Integer(), nullable=True),
        sa.Column("data_use", sa.String(), nullable=False),
        _word("notice_version"),
        _created(),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
        sa.CheckConstraint(
            "action IN ('served', 'blocked_prompt', 'cut', 'refused', 'cancelled', 'failed')", name="ck_requests_action"
        ),
        sa.CheckConstraint(DATA_USE, name="ck_requests_data_use"),
    )
    op.create_index("ix_requests_created", "requests", ["created"])
    for column in ("application_id", "key_id", "end_user", "ip_hash"):
        op.create_index(f"ix_requests_{column}_created", "requests", [column, "created"])


def _request_hits() -> None:
    op.create_table(
        "request_hits",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        _word("application_id"),
        _created(),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="fk_request_hits_request_id"),
        sa.PrimaryKeyConstraint("request_id", "role", "category", name="pk_request_hits"),
        sa.CheckConstraint("role IN ('prompt', 'completion')", name="ck_request_hits_role"),
    )
    for column in ("application_id", "category"):
        op.create_index(f"ix_request_hits_{column}_created", "request_hits", [column, "created"])


def _request_contents() -> None:
    op.create_table(
        "request_contents",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("application_id", sa.String(), nullable=False),
        sa.Column("prompts", sa.JSON(), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("sampling", sa.JSON(), nullable=False),
        _created(),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="fk_request_contents_request_id"),
        sa.PrimaryKeyConstraint("request_id", name="pk_request_contents"),
        sa.CheckConstraint("reason IN ('training', 'review')", name="ck_request_contents_reason"),
    )
    op.create_index("ix_request_contents_application_id", "request_contents", ["application_id"])
    op.create_index("ix_request_contents_reason_created", "request_contents", ["reason", "created"])


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("application_id", sa.String(), nullable=False),
        *map(_word, ("key_id", "end_user")),
        sa.Column("choice", sa.Integer(), nullable=True),
        _word("thumb"),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("ranking", sa.JSON(), nullable=True),
        sa.Column("data_use", sa.String(), nullable=False),
        _word("notice_version"),
        _created(),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="fk_feedback_request_id"),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
        sa.CheckConstraint("thumb IN ('', 'up', 'down')", name="ck_feedback_thumb"),
        sa.CheckConstraint(DATA_USE, name="ck_feedback_data_use"),
    )
    op.create_index("ix_feedback_request_id", "feedback", ["request_id"])
    op.create_index("ix_feedback_application_id_created", "feedback", ["application_id", "created"])
    op.create_table(
        "feedback_texts",
        sa.Column("feedback_id", sa.String(), nullable=False),
        sa.Column("comment", AnyText(), nullable=False, server_default=""),
        sa.Column("correction", AnyText(), nullable=False, server_default=""),
        _created(),
        sa.ForeignKeyConstraint(["feedback_id"], ["feedback.id"], name="fk_feedback_texts_feedback_id"),
        sa.PrimaryKeyConstraint("feedback_id", name="pk_feedback_texts"),
    )
    op.create_index("ix_feedback_texts_created", "feedback_texts", ["created"])


def _consent() -> None:
    op.create_table(
        "notices",
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("text", AnyText(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        _word("by"),
        _created(),
        sa.PrimaryKeyConstraint("version", name="pk_notices"),
    )
    op.create_table(
        "data_uses",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), nullable=False),
        sa.Column("application_id", sa.String(), nullable=False),
        sa.Column("data_use", sa.String(), nullable=False),
        _word("notice_version"),
        sa.Column("withdraws", sa.Boolean(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        _created(),
        sa.PrimaryKeyConstraint("number", name="pk_data_uses"),
        sa.CheckConstraint(DATA_USE, name="ck_data_uses_data_use"),
    )
    op.create_index("ix_data_uses_application_id_created", "data_uses", ["application_id", "created"])
    op.create_table(
        "request_prompts",
        sa.Column("prompt_id", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("application_id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("sent", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], name="fk_request_prompts_prompt_id"),
        sa.PrimaryKeyConstraint("prompt_id", name="pk_request_prompts"),
    )
    op.create_index("ix_request_prompts_request_id", "request_prompts", ["request_id"])
    op.create_index("ix_request_prompts_application_id", "request_prompts", ["application_id"])


def _word(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False, server_default="")


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default="0")


def _created() -> sa.Column:  # type: ignore[type-arg]
    return sa.Column("created", UtcDateTime(), nullable=False)
