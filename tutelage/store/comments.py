"""What customers say of requests: a thumb, reasons, a comment, a correction, an order of the choices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, Select, select

from tutelage.errors import ConflictError
from tutelage.store import batches
from tutelage.store.application_forms import DataUse
from tutelage.store.database import Store
from tutelage.store.request_tables import feedback, feedback_texts

Thumb = Literal["", "up", "down"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What was said of a request, or of one of its choices.

    `ranking` holds choices, best group first, ties in one group, () for no order; `comment` and `correction` are
    scrubbed, and "" once their time is over.
    """

    id: str
    request_id: str
    application_id: str
    key_id: str = ""
    end_user: str = ""
    choice: int | None = None
    thumb: Thumb = ""
    reasons: tuple[str, ...] = ()
    ranking: tuple[tuple[int, ...], ...] = ()
    comment: str = ""
    correction: str = ""
    data_use: DataUse = "none"
    notice_version: str = ""
    created: datetime


def add(store: Store, new: Feedback) -> None:
    """Keep feedback; the same id again with the same content changes nothing, with another one it is refused."""
    row = {
        "id": new.id,
        "request_id": new.request_id,
        "application_id": new.application_id,
        "key_id": new.key_id,
        "end_user": new.end_user,
        "choice": new.choice,
        "thumb": new.thumb,
        "reasons": new.reasons,
        "ranking": new.ranking or None,
        "data_use": new.data_use,
        "notice_version": new.notice_version,
        "created": new.created,
    }
    with store.write() as connection:
        batches.insert_new(connection, feedback, [row])
        if new.comment or new.correction:
            texts = {"comment": new.comment, "correction": new.correction, "created": new.created}
            batches.insert_new(connection, feedback_texts, [{"feedback_id": new.id, **texts}])
        [there] = connection.execute(_joined().where(feedback.c.id == new.id))
        if _about(_feedback(there)) != _about(new):
            raise ConflictError("Feedback with this id was sent before with another content; use a new id.")


def of_requests(store: Store, ids: Sequence[str]) -> dict[str, list[Feedback]]:
    """Return the feedback on each of these requests, the oldest first; those without any are left out."""
    found: dict[str, list[Feedback]] = {}
    with store.read() as connection:
        for part in batches.of(ids):
            query = _joined().where(feedback.c.request_id.in_(part)).order_by(feedback.c.created, feedback.c.id)
            for row in connection.execute(query):
                found.setdefault(row.request_id, []).append(_feedback(row))
    return found


def _joined() -> Select[Any]:
    return select(*feedback.c, *feedback_texts.c["comment", "correction"]).outerjoin(
        feedback_texts, feedback_texts.c.feedback_id == feedback.c.id
    )


def _about(one: Feedback) -> tuple[Any, ...]:
    """Return what must be the same when the same feedback is sent again."""
    said = (one.choice, one.thumb, one.reasons, one.ranking, one.comment, one.correction)
    return (one.request_id, one.application_id, *said)


def _feedback(row: Row[Any]) -> Feedback:
    return Feedback(
        **{
            **row._mapping,
            "reasons": tuple(row.reasons),
            "ranking": tuple(tuple(group) for group in row.ranking or ()),
            "comment": row.comment or "",
            "correction": row.correction or "",
        }
    )
