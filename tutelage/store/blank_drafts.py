"""Empty drafts: work lies on a labeler's desk from the moment that it has one."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from tutelage.store import batches
from tutelage.store.draft_tables import drafts


def begin(connection: Connection, assignments: Sequence[str], labeler: str, *, now: datetime) -> None:
    """Make an empty draft of each of a labeler's assignments that has none; part of the caller's transaction."""
    rows = [
        {
            "id": secrets.token_urlsafe(12),
            "assignment_id": assignment,
            "labeler": labeler,
            "version": 0,
            "content": "",
            "created": now,
        }
        for assignment in assignments
    ]
    batches.insert_new(connection, drafts, rows)
