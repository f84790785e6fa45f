"""Add screening, acknowledgements, conversations, and examples with the labels that they put in doubt.

A migration is a list of statements that never changes again; here functions may be longer than elsewhere.
"""

import sqlalchemy as sa
from alembic import op

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.triggers import append_only

revision = "0003"
down_revision = "0002"

APPEND_ONLY = (
    "screening_items",
    "screening_answers",
    "screening_scores",
    "screening_decisions",
    "acknowledgements",
    "threads",
    "messages",
    "examples",
    "doubts",
)


def upgrade() -> None:
    _create_screening()
    _create_conversations()
    _create_examples()
    for statement in append_only(op.get_bind().dialect.name, APPEND_ONLY):
        op.execute(statement)


def _number() -> sa.Column[int]:
    type_ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("number", type_, sa.Identity(), nullable=False)


def _create_screening() -> None:
    op.create_table(
        "screening_items",
        sa.Column("set", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("part", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("prompt", AnyText(), nullable=False),
        sa.Column("outputs", sa.JSON(), nullable=False),
        sa.Column("sensitive", sa.Boolean(), nullable=True),
        sa.Column("order", sa.JSON(), nullable=False),
        sa.Column("reason", AnyText(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.CheckConstraint("part IN ('flags', 'ranking', 'demonstration', 'topics')", name="ck_screening_items_part"),
        sa.PrimaryKeyConstraint("set", "id", name="pk_screening_items"),
    )
    op.create_table(
        "screenings",
        sa.Column("candidate", sa.String(), nullable=False),
        sa.Column("set", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("handed_in", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["candidate"], ["labelers.id"], name="fk_screenings_candidate"),
        sa.PrimaryKeyConstraint("candidate", name="pk_screenings"),
    )
    op.create_table(
        "screening_answers",
        _number(),
        sa.Column("candidate", sa.String(), nullable=False),
        sa.Column("set", sa.String(), nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["candidate"], ["labelers.id"], name="fk_screening_answers_candidate"),
        sa.ForeignKeyConstraint(
            ["set", "item"], ["screening_items.set", "screening_items.id"], name="fk_screening_answers_set_item"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_screening_answers"),
    )
    op.create_index("ix_screening_answers_candidate", "screening_answers", ["candidate"])
    op.create_table(
        "screening_scores",
        _number(),
        sa.Column("candidate", sa.String(), nullable=False),
        sa.Column("set", sa.String(), nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("researcher", sa.String(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.CheckConstraint("score BETWEEN 1 AND 7", name="ck_screening_scores_score"),
        sa.ForeignKeyConstraint(["candidate"], ["labelers.id"], name="fk_screening_scores_candidate"),
        sa.ForeignKeyConstraint(["researcher"], ["labelers.id"], name="fk_screening_scores_researcher"),
        sa.ForeignKeyConstraint(
            ["set", "item"], ["screening_items.set", "screening_items.id"], name="fk_screening_scores_set_item"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_screening_scores"),
    )
    op.create_index("ix_screening_scores_candidate", "screening_scores", ["candidate"])
    op.create_table(
        "screening_decisions",
        _number(),
        sa.Column("candidate", sa.String(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("reason", AnyText(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("results", sa.JSON(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["candidate"], ["labelers.id"], name="fk_screening_decisions_candidate"),
        sa.PrimaryKeyConstraint("number", name="pk_screening_decisions"),
    )
    op.create_index("ix_screening_decisions_candidate", "screening_decisions", ["candidate"])


def _create_conversations() -> None:
    op.create_table(
        "acknowledgements",
        sa.Column("labeler", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["labeler"], ["labelers.id"], name="fk_acknowledgements_labeler"),
        sa.ForeignKeyConstraint(["version"], ["instruction_versions.version"], name="fk_acknowledgements_version"),
        sa.PrimaryKeyConstraint("labeler", "version", name="pk_acknowledgements"),
    )
    op.create_table(
        "threads",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("assignment_id", sa.String(), nullable=True),
        sa.Column("output", sa.String(), server_default="", nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignments.id"], name="fk_threads_assignment_id"),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_threads_person"),
        sa.PrimaryKeyConstraint("id", name="pk_threads"),
    )
    op.create_index("ix_threads_assignment_id", "threads", ["assignment_id"])
    op.create_index("ix_threads_person", "threads", ["person"])
    op.create_table(
        "messages",
        _number(),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("thread", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("text", AnyText(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["author"], ["people.id"], name="fk_messages_author"),
        sa.ForeignKeyConstraint(["thread"], ["threads.id"], name="fk_messages_thread"),
        sa.PrimaryKeyConstraint("number", name="pk_messages"),
        sa.UniqueConstraint("id", name="uq_messages_id"),
    )
    op.create_index("ix_messages_thread", "messages", ["thread"])
    op.create_table(
        "thread_reads",
        sa.Column("thread", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_thread_reads_person"),
        sa.ForeignKeyConstraint(["thread"], ["threads.id"], name="fk_thread_reads_thread"),
        sa.PrimaryKeyConstraint("thread", "person", name="pk_thread_reads"),
    )


def _create_examples() -> None:
    op.create_table(
        "examples",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("thread", sa.String(), nullable=True),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("text", AnyText(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["author"], ["people.id"], name="fk_examples_author"),
        sa.ForeignKeyConstraint(["thread"], ["threads.id"], name="fk_examples_thread"),
        sa.ForeignKeyConstraint(["version"], ["instruction_versions.version"], name="fk_examples_version"),
        sa.PrimaryKeyConstraint("id", name="pk_examples"),
    )
    op.create_index("ix_examples_version", "examples", ["version"])
    op.create_table(
        "doubts",
        sa.Column("example", sa.String(), nullable=False),
        sa.Column("judgement_kind", sa.String(), nullable=False),
        sa.Column("judgement", sa.String(), nullable=False),
        sa.Column("labeler", sa.String(), nullable=False),
        sa.CheckConstraint("judgement_kind IN ('demonstration', 'rating', 'ranking')", name="ck_doubts_judgement_kind"),
        sa.ForeignKeyConstraint(["example"], ["examples.id"], name="fk_doubts_example"),
        sa.ForeignKeyConstraint(["labeler"], ["labelers.id"], name="fk_doubts_labeler"),
        sa.PrimaryKeyConstraint("example", "judgement_kind", "judgement", name="pk_doubts"),
    )
    op.create_index("ix_doubts_labeler", "doubts", ["labeler"])
