"""Open, create and upgrade the database behind the store; give out transactions."""

import hashlib
import hmac
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from tutelage.errors import DatabaseAwayError, MissingError, SettingsError, UnavailableError, UserError
from tutelage.store import migrate, tables

BUSY_SECONDS = 60
#: Connections that a process opens at most. They stay open: one more for a moment would cost a server a process.
CONNECTIONS = 15
# Words of SQLite's operational errors that name the world outside; any other one (no such column) is a bug of ours.
_OUTSIDE = ("unable to open", "locked", "disk", "readonly", "read-only", "full", "not a database", "busy")


class Store:
    """A database of prompts, labels, tasks and models; safe to share between threads, opened once in each process."""

    def __init__(self, engine: Engine, salt: str | None) -> None:
        self.engine = engine
        #: None until the database was looked at.
        self._salt = salt

    @classmethod
    def open(cls, url: str, *, salt: str = "", create: bool = True) -> Self:
        """Open the database at `url` (`sqlite:///file`, `postgresql://...` or a file's path); make its tables if empty.

        `salt` hashes user names. It is made at random when the database is created, unless the caller gives one (the
        embedded world does, to be the same every time); a salt that differs from the stored one is refused. Without
        `create` a file that is not there is refused too, so that a mistyped address does not look like an empty store.
        """
        engine = connect(url)
        try:
            return cls(engine, _prepare(engine, salt, create))
        except BaseException:
            engine.dispose()
            raise

    @classmethod
    def awaited(cls, url: str) -> Self:
        """Return the store at `url`, which is opened when it is first used, and tried again until that succeeds.

        It is for servers, which go on while their database is away. Until it is there, every use is DatabaseAwayError.
        """
        return cls(connect(url), None)

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection to read with."""
        self._opened()
        with reachable(self.engine), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection whose transaction is committed at the end, or rolled back by an exception.

        SQLite takes its write lock at the start (BEGIN IMMEDIATE): a transaction that reads first and then decides to
        write can not be overtaken, nor fail in the middle.
        """
        self._opened()
        with reachable(self.engine), self.engine.connect() as connection:
            connection = connection.execution_options(tutelage_writes=True)
            with connection.begin():
                yield connection

    def is_current(self) -> bool:
        """Say whether the tables are those of this program's version; an upgrade may come while a server runs."""
        with self.read() as connection:
            return migrate.is_current(connection)

    def unchanged(self) -> None:
        """Say inside a write transaction that it found nothing to change, so that no log tells of a change."""

    def digest(self, *parts: str) -> str:
        """Return 64 hexadecimal digits that depend on `parts` and on this store's salt (HMAC-SHA256)."""
        message = b"".join(len(data := part.encode("utf-8", "replace")).to_bytes(8, "big") + data for part in parts)
        return hmac.new(self._opened().encode(), message, hashlib.sha256).hexdigest()

    def user_hash(self, user: str) -> str:
        """Return the salted hash that stands for `user` everywhere in the store."""
        return self.digest("user", user)[:32]

    def _opened(self) -> str:
        """Look at the database unless that was done; return the salt."""
        if self._salt is None:
            try:
                self._salt = _prepare(self.engine, "", create=False)
            except MissingError as error:
                raise DatabaseAwayError(str(error)) from error
        return self._salt


def upgrade(url: str) -> None:
    """Bring the tables of an older database to this program's version; an empty one is created, a newer one refused."""
    engine = connect(url)
    try:
        with _one_at_a_time(engine) as connection:
            migrate.upgrade(connection, shown(engine.url))
    finally:
        engine.dispose()


def connect(url: str) -> Engine:
    """Return an engine for `url` whose transactions behave as the store needs; nothing is opened yet."""
    target = _parse(url)
    if target.get_backend_name() == "sqlite":
        timeout = {"timeout": BUSY_SECONDS}
        engine = create_engine(
            target, pool_size=CONNECTIONS, max_overflow=0, connect_args=timeout, hide_parameters=True
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # Each statement must see what others committed before it: that is how a lease is checked again under its locks.
    return create_engine(
        target,
        isolation_level="READ COMMITTED",
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10},
        # Values may be words of customers, and an error's message is logged.
        hide_parameters=True,
    )


def _prepare(engine: Engine, salt: str, create: bool) -> str:
    """Make the tables of an empty database, refuse one of another version, and return the salt."""
    if not create and engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():
        raise MissingError(
            f"There is no database {engine.url.database}; name another one with --database, or make it with "
            "`tutelage run` or `tutelage prompts import`."
        )
    with _one_at_a_time(engine) as connection:
        migrate.create_or_check(connection, shown(engine.url))
        return _stored_salt(connection, salt)


def _parse(url: str) -> URL:
    if "://" not in url:
        return _sqlite_file(URL.create("sqlite", database=url), url)
    try:
        target = make_url(url)
        backend = target.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise SettingsError(
            f"The database address {url!r} cannot be read; write sqlite:///FILE or postgresql://..."
        ) from error
    if backend == "sqlite":
        return _sqlite_file(target, url)
    if backend not in ("postgresql", "postgres"):
        raise SettingsError(
            f"The store runs on SQLite or PostgreSQL, not on {backend!r}; write sqlite:///FILE or postgresql://..."
        )
    return target.set(drivername="postgresql+psycopg")


def _sqlite_file(target: URL, url: str) -> URL:
    if target.database in (None, "", ":memory:"):
        raise SettingsError(f"The database address {url!r} names no file; write sqlite:///FILE.")
    folder = Path(target.database or "").absolute().parent
    if not folder.is_dir() and not str(target.database).startswith("file:"):
        raise UnavailableError(
            f"The database {target.database} cannot be opened: the folder {folder} does not exist; create it."
        )
    return target.set(drivername="sqlite+pysqlite")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Autocommit in the driver: transactions begin where `_begin_sqlite` says so and nowhere else.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    # Without it, REPLACE deletes rows behind the back of the triggers that refuse DELETE.
    cursor.execute("PRAGMA recursive_triggers = ON")
    # What is deleted is overwritten with zeros: retention and withdrawals mean it.
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Turn the write-ahead log on. SQLite itself does not wait here for another connection that is about to."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("tutelage_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _one_at_a_time(engine: Engine) -> Iterator[Connection]:
    """Yield a write transaction in which no other process creates or upgrades tables."""
    with reachable(engine), engine.connect() as connection:
        connection = connection.execution_options(tutelage_writes=True)
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7488852)")
            yield connection


@contextmanager
def reachable(engine: Engine) -> Iterator[None]:
    """Turn errors of the world outside (no server, no file, locked, full) into one sentence."""
    try:
        yield
    except ImportError as error:
        raise MissingError(
            "PostgreSQL needs the package psycopg; install it with: pip install 'tutelage[postgres]'"
        ) from error
    except OperationalError as error:
        reason = " ".join(str(error.orig).split())
        if engine.dialect.name == "sqlite" and not any(word in reason for word in _OUTSIDE):
            raise
        raise DatabaseAwayError(
            f"The database {shown(engine.url)} cannot be used: {reason}; check that it is reachable and writable."
        ) from error
    except DBAPIError as error:
        if engine.dialect.name == "sqlite" and "not a database" in str(error.orig):
            raise UnavailableError(
                f"The file {engine.url.database} is not a SQLite database; name another one."
            ) from error
        raise


def shown(url: URL) -> str:
    """Return the address of a database as it may be told: without its password."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def _stored_salt(connection: Connection, given: str) -> str:
    found = connection.scalar(select(tables.facts.c.value).where(tables.facts.c.name == "salt"))
    if found is None:
        found = given or secrets.token_hex(32)
        connection.execute(tables.facts.insert(), {"name": "salt", "value": found})
    if given and given != found:
        raise UserError(
            "This database hashes its users with another salt; open it without one, or start a new database."
        )
    return str(found)
