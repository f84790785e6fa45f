"""Add what the misuse monitor wants looked at, and appeals."""

import sqlalchemy as sa
from alembic import op

from tutelage.store.columns import AnyText, UtcDateTime

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    _cases()
    _spot_checks()
    _appeals()
    _monitored()


def _number() -> sa.Column[int]:
    return sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, AnyText(), server_default="", nullable=False)


def _word(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.String(), server_default=default, nullable=False)


def _cases() -> None:
    op.create_table(
        "cases",
        _number(),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("application_id", sa.String(), nullable=False),
        _word("signal"),
        _text("summary"),
        sa.Column("requests", sa.JSON(), nullable=False),
        sa.Column("is_grave", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Float(), server_default="0", nullable=False),
        _word("measure", "none"),
        sa.Column("deadline", UtcDateTime(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        _word("verdict", "open"),
        _word("code"),
        _text("note"),
        _word("reviewer"),
        sa.Column("reviewed", UtcDateTime()),
        sa.CheckConstraint("kind IN ('finding', 'spot_check')", name="ck_cases_kind"),
        sa.CheckConstraint("verdict IN ('open', 'confirmed', 'dismissed')", name="ck_cases_verdict"),
        sa.CheckConstraint("measure IN ('none', 'warn', 'throttle', 'sandbox', 'suspend')", name="ck_cases_measure"),
        sa.ForeignKeyConstraint(["application_id"], ["applications.id"], name="fk_cases_application_id"),
        sa.PrimaryKeyConstraint("number", name="pk_cases"),
    )
    op.create_index("ix_cases_application_id_created", "cases", ["application_id", "created"])
    op.create_index("ix_cases_verdict_deadline", "cases", ["verdict", "deadline"])


def _spot_checks() -> None:
    op.create_table(
        "spot_checks",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("case", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.number"], name="fk_spot_checks_case"),
        sa.PrimaryKeyConstraint("request_id", name="pk_spot_checks"),
    )


def _appeals() -> None:
    op.create_table(
        "appeals",
        _number(),
        sa.Column("application_id", sa.String(), nullable=False),
        sa.Column("text", AnyText(), nullable=False),
        sa.Column("against", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        _word("decision", "open"),
        _text("reason"),
        _word("decided_by"),
        sa.Column("decided", UtcDateTime()),
        sa.CheckConstraint("decision IN ('open', 'upheld', 'overturned')", name="ck_appeals_decision"),
        sa.ForeignKeyConstraint(["application_id"], ["applications.id"], name="fk_appeals_application_id"),
        sa.PrimaryKeyConstraint("number", name="pk_appeals"),
    )
    op.create_index("ix_appeals_application_id", "appeals", ["application_id"])


def _monitored() -> None:
    op.create_table(
        "monitored",
        sa.Column("application_id", sa.String(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["application_id"], ["applications.id"], name="fk_monitored_application_id"),
        sa.PrimaryKeyConstraint("application_id", name="pk_monitored"),
    )
