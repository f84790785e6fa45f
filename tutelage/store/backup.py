"""Backups: a directory with the database as it was at one moment, and a manifest that says what is in it.

Writers go on meanwhile. SQLite is copied by its online backup, in one step; PostgreSQL by `pg_dump` on a snapshot that
the counts are made on too. A backup is whole or not there, and a restore fills an empty database or changes nothing.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import URL, Connection, Engine, create_engine, func, inspect, select, table

from tutelage import __version__
from tutelage.errors import ConflictError, DataError, MissingError, UnavailableError, UserError
from tutelage.files import atomic_directory, atomic_write, read_json, sha256_of, write_json
from tutelage.store import audit, keys, migrate
from tutelage.store.account_tables import audit_log
from tutelage.store.audit import Head
from tutelage.store.database import connect, reachable, shown

FORMAT = 1
MANIFEST, PEPPER = "manifest.json", "key.pepper"
#: The file that holds the tables, by database.
FILES = {"sqlite": "store.db", "postgresql": "store.dump"}
#: What SQLite leaves beside a file that was not closed; it would be read into a new file of that name.
_BESIDE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds: the revision of its tables, their rows, the end of the audit log, its files' SHA-256."""

    format: int = FORMAT
    backend: str
    revision: str
    program: str
    made: str
    tables: dict[str, int]
    audit_rows: int
    audit_hash: str
    files: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Return how many rows there are in all tables."""
        return sum(self.tables.values())


class State(NamedTuple):
    """What a database holds: revision, rows of each table, and the end of the audit log, whose chain holds."""

    revision: str
    tables: dict[str, int]
    head: Head


def backup(url: str, directory: Path, *, now: datetime) -> Manifest:
    """Copy the database at `url` into a new directory; raise ConflictError for one that is there."""
    if directory.exists():
        raise ConflictError(f"{directory} is there already; name a new directory for the backup.")
    engine = connect(url)
    try:
        if engine.dialect.name == "sqlite" and not _file(engine).exists():
            raise MissingError(f"There is no database {engine.url.database}; name another one with --database.")
        with atomic_directory(directory) as part:
            part.chmod(0o700)
            copied = part / FILES[engine.dialect.name]
            with reachable(engine):
                state = _copy_sqlite(engine, copied) if engine.dialect.name == "sqlite" else _dump(engine, copied)
            _copy_pepper(engine, part)
            manifest = Manifest(
                backend=engine.dialect.name,
                revision=state.revision,
                program=__version__,
                made=now.isoformat(),
                tables=state.tables,
                audit_rows=state.head.rows,
                audit_hash=state.head.hash,
                files={path.name: sha256_of(path) for path in sorted(part.iterdir())},
            )
            write_json(part / MANIFEST, asdict(manifest))
    finally:
        engine.dispose()
    return manifest


def restore(directory: Path, url: str) -> Manifest:
    """Fill the empty database at `url` from a backup that was not changed; raise a sentence for any other."""
    manifest = read(directory)
    engine = connect(url)
    try:
        if engine.dialect.name != manifest.backend:
            raise DataError(
                f"{directory} is of {manifest.backend} and cannot be restored into {engine.dialect.name}; name a "
                f"database of {manifest.backend}."
            )
        if not migrate.is_known(manifest.revision):
            raise UserError(f"{directory} is of a newer version ({manifest.revision}); update tutelage to restore it.")
        with reachable(engine):
            if engine.dialect.name == "sqlite":
                _restore_sqlite(engine, directory, manifest)
            else:
                _restore_postgres(engine, directory, manifest)
    finally:
        engine.dispose()
    return manifest


def read(directory: Path) -> Manifest:
    """Read the manifest of a backup whose files are those that it names; raise DataError for any other."""
    if not (directory / MANIFEST).is_file():
        raise MissingError(f"{directory} is no backup: it has no {MANIFEST}.")
    found = read_json(directory / MANIFEST)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise DataError(f"{directory / MANIFEST} is not of this version's form; restore it with the program it names.")
    try:
        manifest = Manifest(**found)
    except TypeError as error:
        raise DataError(f"{directory / MANIFEST} was changed; take another backup.") from error
    if FILES.get(manifest.backend) not in manifest.files:
        raise DataError(f"{directory / MANIFEST} names no copy of a database; take another backup.")
    for name, sha256 in manifest.files.items():
        path = directory / name
        if Path(name).name != name or not path.is_file() or sha256_of(path) != sha256:
            raise DataError(f"{path} is not the file that was backed up; take another backup.")
    return manifest


def state_of(connection: Connection) -> State:
    """Return what a database holds; raise DataError where its audit log was changed."""
    names = sorted(inspect(connection).get_table_names())
    counts = {name: int(connection.scalar(select(func.count()).select_from(table(name))) or 0) for name in names}
    revision = migrate.revision(connection)
    if revision is None:
        raise DataError("This database holds no tables of ours; there is nothing to back up.")
    head = audit.verified(connection) if audit_log.name in names else Head(rows=0, hash=audit.START)
    return State(revision, counts, head)


def _copy_sqlite(engine: Engine, target: Path) -> State:
    target.touch(mode=0o600)
    raw = engine.raw_connection()
    try:
        with closing(sqlite3.connect(target)) as copy:
            source: Any = raw.driver_connection
            source.backup(copy)  # all pages in one step: one moment
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, that nothing beside it belongs to
    finally:
        raw.close()
    return _state_of_file(target)


def _state_of_file(path: Path) -> State:
    """Return what a SQLite file holds, without changing a byte of it."""
    url = URL.create("sqlite+pysqlite", database=path.resolve().as_uri(), query={"mode": "ro", "uri": "true"})
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            said = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
            if said != "ok":
                raise DataError(f"{path} is damaged ({said}); restore an older backup.")
            return state_of(connection)
    finally:
        engine.dispose()


def _restore_sqlite(engine: Engine, directory: Path, manifest: Manifest) -> None:
    target, source = _file(engine), directory / FILES["sqlite"]
    for path in (target, *(target.with_name(target.name + ending) for ending in _BESIDE)):
        if path.exists() and (path != target or path.stat().st_size):
            raise ConflictError(
                f"{path} is there already, and nothing is overwritten; move it away, or name a new file."
            )
    pepper, kept = directory / PEPPER, keys.pepper_beside(target)
    if pepper.exists() and kept.exists() and pepper.read_bytes() != kept.read_bytes():
        raise ConflictError(f"{kept} holds another secret than the backup's keys were made with; move it away.")
    _compare(directory, manifest, _state_of_file(source))
    if pepper.exists():
        _write_private(pepper, kept)
    _write_private(source, target)


def _write_private(source: Path, target: Path) -> None:
    with source.open("rb") as taken, atomic_write(target) as file:
        os.fchmod(file.fileno(), 0o600)
        shutil.copyfileobj(taken, file, 1 << 20)


def _copy_pepper(engine: Engine, part: Path) -> None:
    if engine.dialect.name == "sqlite" and keys.pepper_beside(_file(engine)).is_file():
        _write_private(keys.pepper_beside(_file(engine)), part / PEPPER)


def _file(engine: Engine) -> Path:
    return Path(str(engine.url.database).removeprefix("file:").partition("?")[0])


def _dump(engine: Engine, target: Path) -> State:
    with _snapshot(engine) as (connection, snapshot):
        arguments = ("--format=custom", f"--snapshot={snapshot}", f"--file={target}")
        target.touch(mode=0o600)
        _program("pg_dump", engine, *arguments)
        return state_of(connection)


@contextmanager
def _snapshot(engine: Engine) -> Iterator[tuple[Connection, str]]:
    """Give a connection that sees one moment, and the name by which others see the same one."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        yield connection, str(connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one())


def _restore_postgres(engine: Engine, directory: Path, manifest: Manifest) -> None:
    with engine.connect() as connection:
        if inspect(connection).get_table_names():
            raise ConflictError(
                f"The database {shown(engine.url)} is not empty, and nothing is overwritten; name an empty one."
            )
    arguments = ("--single-transaction", "--exit-on-error", str(directory / FILES["postgresql"]))
    _program("pg_restore", engine, *arguments)
    with engine.connect() as connection:
        _compare(directory, manifest, state_of(connection))


def _compare(directory: Path, manifest: Manifest, state: State) -> None:
    """Raise DataError unless what is there is what the manifest says."""
    expected = State(manifest.revision, manifest.tables, Head(rows=manifest.audit_rows, hash=manifest.audit_hash))
    if state != expected:
        raise DataError(f"What {directory} holds is not what its manifest says; restore another backup.")


def _program(name: str, engine: Engine, *arguments: str) -> None:
    """Run a program of PostgreSQL on the database; the password is in its environment and in no list of processes."""
    found = shutil.which(name)
    if found is None:
        raise MissingError(
            f"Backups of PostgreSQL need {name}; install its client programs, of the server's version or newer "
            "(Debian, Ubuntu: apt-get install postgresql-client)."
        )
    address = engine.url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environment: Mapping[str, str] = {
        **os.environ,
        "PGPASSWORD": engine.url.password or os.environ.get("PGPASSWORD", ""),
    }
    command = [found, "--no-owner", "--no-privileges", f"--dbname={address}", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if line.strip()), f"status {done.returncode}")
        raise UnavailableError(f"{name} failed: {said.strip().rstrip('.')}.")
