"""Add blind comparisons with their votes, and which notices people have read."""

import sqlalchemy as sa
from alembic import op

from tutelage.store import triggers
from tutelage.store.columns import UtcDateTime

revision = "0016"
down_revision = "0015"

NEW = ("comparisons", "votes", "notice_views")


def upgrade() -> None:
    _comparisons()
    _votes()
    _notice_views()
    for statement in triggers.append_only(op.get_bind().dialect.name, NEW):
        op.execute(statement)


def _column(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _word(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), server_default="", nullable=False)


def _created() -> sa.Column:  # type: ignore[type-arg]
    return sa.Column("created", UtcDateTime(), nullable=False)


def _comparisons() -> None:
    sides = [_column(f"{side}_{name}") for side in ("left", "right") for name in ("arm", "model", "request")]
    op.create_table(
        "comparisons",
        _column("id"),
        _word("voter"),
        _word("application_id"),
        _column("prompt"),
        *sides,
        _column("data_use"),
        _word("notice_version"),
        _created(),
        sa.CheckConstraint("data_use IN ('none', 'training')", name="ck_comparisons_data_use"),
        sa.PrimaryKeyConstraint("id", name="pk_comparisons"),
    )


def _votes() -> None:
    op.create_table(
        "votes",
        _column("comparison_id"),
        _word("voter"),
        _column("pair"),
        _column("choice"),
        sa.Column("reasons", sa.JSON(), nullable=False),
        _created(),
        sa.CheckConstraint("choice IN ('left', 'right', 'tie', 'both_bad')", name="ck_votes_choice"),
        sa.ForeignKeyConstraint(["comparison_id"], ["comparisons.id"], name="fk_votes_comparison_id"),
        sa.PrimaryKeyConstraint("comparison_id", name="pk_votes"),
        sa.UniqueConstraint("voter", "pair", name="uq_votes_voter_pair"),
    )


def _notice_views() -> None:
    op.create_table(
        "notice_views",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), nullable=False),
        _column("person"),
        _column("notice_version"),
        _column("data_use"),
        _created(),
        sa.CheckConstraint("data_use IN ('none', 'training')", name="ck_notice_views_data_use"),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_notice_views_person"),
        sa.PrimaryKeyConstraint("number", name="pk_notice_views"),
    )
    op.create_index("ix_notice_views_person_number", "notice_views", ["person", "number"])
