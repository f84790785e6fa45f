"""Deleting what the request log held for its time, so that it is gone from the database's files as well.

SQLite overwrites deleted content with zeros (`PRAGMA secure_delete`, on every connection). Copies that a row left
behind when its neighbours were moved go when the tables of words are written anew, because a page that is given up is
zeroed as a whole. Then the write-ahead log is emptied. PostgreSQL frees the space of deleted rows by VACUUM, which is
run here; their bytes stay in the table's file until something is written over them, or until VACUUM FULL writes the
table anew. Backups and archived logs of either database are files of their own: they hold what they held until they
are deleted.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, Table, delete, or_, select

from tutelage.store import audit
from tutelage.store.contents import withdrawn_since
from tutelage.store.database import BUSY_SECONDS, Store
from tutelage.store.repeats import KEPT
from tutelage.store.request_tables import feedback, feedback_texts, repeats, request_contents, request_hits, requests
from tutelage.store.tables import withdrawals

#: What happened to the files: emptied, not yet because somebody was reading, or freed for PostgreSQL to write over.
Files = Literal["overwritten", "in_use", "freed"]
_PART = 1000
#: How long emptying SQLite's log waits for readers; writers wait with it.
_PATIENCE_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Until when what was written is deleted: what was said for training, for review, in feedback; and the rows."""

    training: datetime
    review: datetime
    words: datetime
    requests: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """How many rows are gone, and what happened to the files that held them; `answers` are those of `store/repeats`."""

    contents: int
    words: int
    requests: int
    feedback: int
    answers: int
    files: Files


def delete_before(store: Store, limits: Limits, *, now: datetime) -> Deleted:
    """Delete what is older, in short transactions, and the words of those who withdrew, whatever their age.

    What was deleted is told in the audit log, by numbers alone.
    """
    age = request_contents.c.created
    gone = select(requests.c.id).where(
        or_(
            requests.c.end_user.in_(select(withdrawals.c.user)),
            withdrawn_since(requests.c.application_id, requests.c.created),
        )
    )
    over = or_(
        (request_contents.c.reason == "training") & (age < limits.training),
        (request_contents.c.reason == "review") & (age < limits.review),
        (request_contents.c.reason == "training") & request_contents.c.request_id.in_(gone),
    )
    contents = _delete(store, request_contents, select(request_contents.c.request_id).where(over))
    old = or_(
        feedback_texts.c.created < limits.words,
        feedback_texts.c.feedback_id.in_(select(feedback.c.id).where(feedback.c.request_id.in_(gone))),
    )
    words = _delete(store, feedback_texts, select(feedback_texts.c.feedback_id).where(old))
    rows, said = _delete_requests(store, limits.requests)
    answers = _delete(store, repeats, select(repeats.c.id).where(repeats.c.created <= now - KEPT))
    if contents or words or answers:
        _rewrite(store)
    counted = {"contents": contents, "words": words, "requests": rows, "feedback": said, "answers": answers}
    deleted = Deleted(**counted, files=_forget(store))
    if any(counted.values()):
        with store.write() as connection:
            audit.append(connection, audit.Event(actor="", action="requests.delete", details=counted), now=now)
    return deleted


def _delete(store: Store, table: Table, query: Select[Any]) -> int:
    """Delete the rows that a query names by their first key, a part at a time; return how many."""
    [key] = table.primary_key.columns
    count = 0
    while True:
        with store.write() as connection:
            ids = connection.scalars(query.limit(_PART)).all()
            connection.execute(delete(table).where(key.in_(ids)))
        count += len(ids)
        if len(ids) < _PART:
            return count


def _delete_requests(store: Store, limit: datetime) -> tuple[int, int]:
    """Delete calls with all that hangs on them; return how many calls and how much feedback."""
    count = said = 0
    while True:
        with store.write() as connection:
            ids = connection.scalars(select(requests.c.id).where(requests.c.created < limit).limit(_PART)).all()
            on_them = select(feedback.c.id).where(feedback.c.request_id.in_(ids))
            connection.execute(delete(feedback_texts).where(feedback_texts.c.feedback_id.in_(on_them)))
            said += connection.execute(delete(feedback).where(feedback.c.request_id.in_(ids))).rowcount
            for table in (request_contents, request_hits):
                connection.execute(delete(table).where(table.c.request_id.in_(ids)))
            connection.execute(delete(requests).where(requests.c.id.in_(ids)))
        count += len(ids)
        if len(ids) < _PART:
            return count, said


def _rewrite(store: Store) -> None:
    """Write the tables of words anew where the database is SQLite."""
    if store.engine.dialect.name != "sqlite":
        return
    with store.write() as connection:
        for name in (request_contents.name, feedback_texts.name, repeats.name):
            connection.exec_driver_sql(f"CREATE TABLE kept_words AS SELECT * FROM {name}")
            connection.exec_driver_sql(f"DELETE FROM {name}")
            connection.exec_driver_sql(f"INSERT INTO {name} SELECT * FROM kept_words")
            connection.exec_driver_sql("DROP TABLE kept_words")


def _forget(store: Store) -> Files:
    """Let the files hold no more than the tables do, as far as the database can."""
    if store.engine.dialect.name == "sqlite":
        return _empty_log(store)
    with store.engine.connect() as connection:
        plain = connection.execution_options(isolation_level="AUTOCOMMIT")
        for table in (request_contents, feedback_texts, repeats):
            plain.exec_driver_sql(f"VACUUM {table.name}")
    return "freed"


def _empty_log(store: Store) -> Files:
    """Bring SQLite's write-ahead log into its file and cut it to nothing; writers wait meanwhile, so not for long."""
    # Outside of any transaction, which a connection of the engine would begin.
    raw = store.engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        [is_busy, *_] = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    finally:
        raw.close()
    return "in_use" if is_busy else "overwritten"
