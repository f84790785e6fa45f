"""Add organisations, applications, keys and quotas, and the roles of customers and reviewers."""

import sqlalchemy as sa
from alembic import op

from tutelage.store.columns import AnyText, UtcDateTime
from tutelage.store.triggers import append_only

revision = "0012"
down_revision = "0011"

APPEND_ONLY = ("application_moves",)
BEFORE = "role IN ('candidate', 'labeler', 'lead', 'researcher', 'admin')"
AFTER = "role IN ('candidate', 'labeler', 'lead', 'researcher', 'admin', 'reviewer', 'customer')"
STATES = "'draft', 'sandbox', 'in_review', 'changes_requested', 'live', 'suspended', 'revoked', 'expired'"


def upgrade() -> None:
    _allow_roles()
    op.add_column("invitations", sa.Column("organisation", sa.String(), nullable=False, server_default=""))
    _create_applications()
    _create_quotas()
    for statement in append_only(op.get_bind().dialect.name, APPEND_ONLY):
        op.execute(statement)


def _allow_roles() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("ck_people_role", "people", type_="check")
        op.create_check_constraint("ck_people_role", "people", AFTER)
        return
    # Other tables refer to people, so it cannot be made anew inside a transaction. SQLite documents this way for
    # changes of constraints, which touch no row (lang_altertable, section 7).
    number = int(op.get_bind().exec_driver_sql("PRAGMA schema_version").scalar() or 0)
    op.execute("PRAGMA writable_schema = ON")
    changed = "UPDATE sqlite_schema SET sql = replace(sql, :before, :after) WHERE type = 'table' AND name = 'people'"
    op.execute(sa.text(changed).bindparams(before=BEFORE, after=AFTER))
    op.execute(f"PRAGMA schema_version = {number + 1}")
    op.execute("PRAGMA writable_schema = RESET")


def _create_applications() -> None:
    op.create_table(
        "organisations",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", AnyText(), nullable=False),
        sa.Column("name_key", AnyText(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organisations"),
        sa.UniqueConstraint("name_key", name="uq_organisations_name_key"),
    )
    op.create_table(
        "members",
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_members_person"),
        sa.ForeignKeyConstraint(["organisation"], ["organisations.id"], name="fk_members_organisation"),
        sa.PrimaryKeyConstraint("person", name="pk_members"),
    )
    op.create_index("ix_members_organisation", "members", ["organisation"])
    op.create_table(
        "applications",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("name", AnyText(), nullable=False),
        sa.Column("form", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("conditions", sa.JSON(), nullable=True),
        sa.Column("expires", UtcDateTime(), nullable=True),
        sa.Column("reason", AnyText(), nullable=False, server_default=""),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("data_use", sa.String(), nullable=False),
        sa.Column("notice_version", sa.String(), nullable=False, server_default=""),
        sa.Column("revocation_by", sa.String(), nullable=True),
        sa.Column("revocation_reason", AnyText(), nullable=False, server_default=""),
        sa.Column("author", sa.String(), nullable=False, server_default=""),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("changed", UtcDateTime(), nullable=False),
        sa.CheckConstraint(f"state IN ({STATES})", name="ck_applications_state"),
        sa.CheckConstraint("data_use IN ('none', 'training')", name="ck_applications_data_use"),
        sa.ForeignKeyConstraint(["organisation"], ["organisations.id"], name="fk_applications_organisation"),
        sa.PrimaryKeyConstraint("id", name="pk_applications"),
    )
    op.create_index("ix_applications_organisation", "applications", ["organisation"])
    op.create_index("ix_applications_state", "applications", ["state"])
    op.create_table(
        "application_moves",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), nullable=False),
        sa.Column("application", sa.String(), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("after", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", AnyText(), nullable=False),
        sa.Column("conditions", sa.JSON(), nullable=True),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["application"], ["applications.id"], name="fk_application_moves_application"),
        sa.PrimaryKeyConstraint("number", name="pk_application_moves"),
    )
    op.create_index("ix_application_moves_application", "application_moves", ["application"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("application", sa.String(), nullable=False),
        sa.Column("name", AnyText(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("replaces", sa.String(), nullable=False, server_default=""),
        sa.Column("created_by", sa.String(), nullable=False, server_default=""),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("expires", UtcDateTime(), nullable=True),
        sa.Column("used", UtcDateTime(), nullable=True),
        sa.Column("ended", UtcDateTime(), nullable=True),
        sa.Column("ended_by", sa.String(), nullable=False, server_default=""),
        sa.ForeignKeyConstraint(["application"], ["applications.id"], name="fk_api_keys_application"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_application", "api_keys", ["application"])


def _create_quotas() -> None:
    op.create_table(
        "quotas",
        sa.Column("application", sa.String(), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("minute_requests", sa.BigInteger(), nullable=False),
        sa.Column("minute_tokens", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("day_tokens", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["application"], ["applications.id"], name="fk_quotas_application"),
        sa.PrimaryKeyConstraint("application", name="pk_quotas"),
    )
    op.create_table(
        "reservations",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("application", sa.String(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("deadline", UtcDateTime(), nullable=False),
        sa.Column("is_returned", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["application"], ["applications.id"], name="fk_reservations_application"),
        sa.PrimaryKeyConstraint("id", name="pk_reservations"),
    )
    op.create_index("ix_reservations_application", "reservations", ["application"])
    op.create_index("ix_reservations_deadline", "reservations", ["deadline"])
    op.create_table(
        "end_users",
        sa.Column("application", sa.String(), nullable=False),
        sa.Column("end_user", sa.String(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["application"], ["applications.id"], name="fk_end_users_application"),
        sa.PrimaryKeyConstraint("application", "end_user", name="pk_end_users"),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
