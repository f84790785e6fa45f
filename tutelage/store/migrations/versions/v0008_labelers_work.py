"""Lead from a labeler to work in hand, to what was handed in last and to own texts, however much there is."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_index("ix_assignments_labeler_state_heartbeat", "assignments", ["labeler", "state", "heartbeat"])
    op.drop_index("ix_assignments_labeler", "assignments")
    op.create_index("ix_completions_authored_by", "completions", ["authored_by"])
