"""Add people who sign in, invitations, sessions, and the log of what they did.

A migration is a list of statements that never changes again; here functions may be longer than elsewhere.
"""

import sqlalchemy as sa
from alembic import op

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.triggers import append_only

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _create_people()
    _create_audit_log()
    for statement in append_only(op.get_bind().dialect.name, ["audit_log"]):
        op.execute(statement)


def _create_people() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", AnyText(), nullable=False),
        sa.Column("name_key", AnyText(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("labeler", sa.String(), nullable=True),
        sa.Column("password", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", UtcDateTime(), nullable=True),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.CheckConstraint("role IN ('candidate', 'labeler', 'lead', 'researcher', 'admin')", name="ck_people_role"),
        sa.CheckConstraint("status IN ('active', 'suspended')", name="ck_people_status"),
        sa.ForeignKeyConstraint(["labeler"], ["labelers.id"], name="fk_people_labeler"),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
        sa.UniqueConstraint("name_key", name="uq_people_name_key"),
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("group", sa.String(), server_default="", nullable=False),
        sa.Column("note", AnyText(), server_default="", nullable=False),
        sa.Column("person", sa.String(), nullable=True),
        sa.Column("invited_by", sa.String(), server_default="", nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("expires", UtcDateTime(), nullable=False),
        sa.Column("used", UtcDateTime(), nullable=True),
        sa.Column("withdrawn", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_invitations_person"),
        sa.PrimaryKeyConstraint("id", name="pk_invitations"),
        sa.UniqueConstraint("token_hash", name="uq_invitations_token_hash"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("agent", AnyText(), server_default="", nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("seen", UtcDateTime(), nullable=False),
        sa.Column("ended", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_sessions_person"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("token_hash", name="uq_sessions_token_hash"),
    )
    op.create_index("ix_sessions_person", "sessions", ["person"])


def _create_audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("details", AnyText(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_log"),
        sa.UniqueConstraint("hash", name="uq_audit_log_hash"),
    )
    op.create_index("ix_audit_log_action", "audit_log", ["action"])
    op.create_index("ix_audit_log_subject", "audit_log", ["subject"])
