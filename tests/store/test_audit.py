"""The audit log: whole with its change or not at all, one chain whoever writes, and every tampering is found."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from tutelage.errors import DataError
from tutelage.store import Store, audit, tables
from tutelage.store.audit import Event, Head

NOW = datetime(2026, 11, 2, 9, 30, 0, 123456, tzinfo=UTC)


def write(store: Store, *actions: str) -> None:
    for action in actions:
        with store.write() as connection:
            audit.append(connection, Event(actor="anna", action=action, subject="s", details={"n": 1}), now=NOW)


def tamper(store: Store, statement: str) -> None:
    """Change the log as somebody could who owns the database: past its triggers."""
    with store.write() as connection:
        if store.engine.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER audit_log_refuse_update"))
            connection.execute(text("DROP TRIGGER audit_log_refuse_delete"))
        else:
            connection.execute(text("ALTER TABLE audit_log DISABLE TRIGGER ALL"))
        connection.execute(text(statement))


def test_an_empty_log_is_whole(store: Store) -> None:
    assert audit.verify(store) == Head(rows=0, hash="0" * 64)


def test_a_row_hashes_its_content_and_the_row_before(store: Store) -> None:
    write(store, "first", "second")
    previous = "0" * 64
    for number, action in ((1, "first"), (2, "second")):
        row = [number, "anna", action, "s", '{"n":1}', previous, "2026-11-02T09:30:00.123456+00:00"]
        previous = hashlib.sha256(json.dumps(row, separators=(",", ":")).encode()).hexdigest()
    assert audit.verify(store) == Head(rows=2, hash=previous)


def test_the_time_zone_of_the_writer_makes_no_difference(store: Store) -> None:
    event = Event(actor="anna", action="x")
    with store.write() as connection:
        audit.append(connection, event, now=NOW.astimezone(timezone(timedelta(hours=9))))
    assert audit.verify(store).rows == 1
    assert audit.find(store)[0].at == NOW


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE audit_log SET actor = 'ben' WHERE number = 2", "Row 2"),
        ("UPDATE audit_log SET action = 'x' WHERE number = 2", "Row 2"),
        ("UPDATE audit_log SET subject = 'x' WHERE number = 3", "Row 3"),
        ("UPDATE audit_log SET details = '{}' WHERE number = 1", "Row 1"),
        ("UPDATE audit_log SET at = '2026-11-02 09:30:00.123457' WHERE number = 2", "Row 2"),
        ("UPDATE audit_log SET hash = 'x' WHERE number = 2", "Row 2"),
        ("DELETE FROM audit_log WHERE number = 2", "no row 2"),
        ("DELETE FROM audit_log WHERE number = 1", "no row 1"),
    ],
)
def test_what_somebody_changed_is_found_and_named(store: Store, statement: str, told: str) -> None:
    write(store, "first", "second", "third")
    tamper(store, statement)
    with pytest.raises(DataError, match=told):
        audit.verify(store)


def test_a_row_from_another_log_does_not_fit(store: Store) -> None:
    write(store, "first")
    row = {"number": 2, "at": NOW, "actor": "", "action": "x", "subject": "", "details": "{}"}
    with store.write() as connection:
        connection.execute(tables.metadata.tables["audit_log"].insert(), {**row, "previous": "0" * 64, "hash": "1"})
    with pytest.raises(DataError, match="Row 2"):
        audit.verify(store)


def test_a_change_that_is_rolled_back_leaves_no_row(store: Store) -> None:
    with pytest.raises(KeyError), store.write() as connection:
        audit.append(connection, Event(actor="anna", action="x"), now=NOW)
        raise KeyError("stop")
    assert audit.find(store) == []


def test_an_audited_store_writes_the_event_with_the_change(store: Store) -> None:
    seen = audit.audited(store, Event(actor="anna", action="user.withdraw", subject="u"), now=NOW)
    with seen.write() as connection:
        connection.execute(tables.withdrawals.insert(), {"user": "u", "created": NOW})
    (entry,) = audit.find(store)
    assert (entry.event.actor, entry.event.action, entry.event.subject) == ("anna", "user.withdraw", "u")
    with pytest.raises(KeyError), seen.write() as connection:
        connection.execute(tables.withdrawals.insert(), {"user": "v", "created": NOW})
        raise KeyError("stop")
    with store.read() as connection:
        assert [row.user for row in connection.execute(tables.withdrawals.select())] == ["u"]
    assert len(audit.find(store)) == 1
    assert seen.user_hash("anna") == store.user_hash("anna")


def test_many_writers_make_one_chain_without_a_gap(database: str) -> None:
    with Store.open(database) as store:

        def work(name: int) -> None:
            for count in range(15):
                with store.write() as connection:
                    event = Event(actor=f"a{name}", action="count", details={"count": count})
                    audit.append(connection, event, now=NOW)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert audit.verify(store).rows == 90
        entries = audit.find(store, limit=200)
    for name in range(6):
        counts = [entry.event.details["count"] for entry in entries if entry.event.actor == f"a{name}"]
        assert counts == list(range(14, -1, -1))


def test_the_log_is_read_newest_first_in_parts_and_by_subject(store: Store) -> None:
    for number in range(5):
        with store.write() as connection:
            audit.append(connection, Event(actor="", action="x", subject=f"s{number % 2}"), now=NOW)
    assert [entry.number for entry in audit.find(store, limit=2)] == [5, 4]
    assert [entry.number for entry in audit.find(store, before=4, limit=2)] == [3, 2]
    assert [entry.number for entry in audit.find(store, subject="s1")] == [4, 2]
