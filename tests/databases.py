"""The fixture `database`: the address of an empty database, once in SQLite and once in PostgreSQL.

A folder's conftest.py takes it with `from tests.databases import database`.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from filelock import FileLock
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL

from tests import postgres
from tutelage.store import Store, tables

__all__ = ["database", "store"]

#: What a test may leave in a database beside rows: other columns or triggers, or the number of another version.
SHAPE = """
    SELECT md5(string_agg(part, ' ' ORDER BY part)) FROM (
        SELECT format('%s %s', attrelid::regclass, attname)
            FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT format('%s %s %s', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger
        UNION ALL SELECT version_num FROM alembic_version
    ) AS parts (part)
"""
OTHERS = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
FILLED = """
    SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
        AND pg_relation_size(oid) > 0
"""
#: The PostgreSQL database that the tests of this process fill one after the other, and its shape.
_used: dict[str, str] = {}


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of an empty database that is gone or emptied after the test.

    Where the test takes `store` as well, the tables are there already: a copy is made faster than they are, and tables
    are emptied faster than a copy is made.
    """
    # With xdist every worker has a folder below the run's own.
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base
    with_tables = "store" in request.fixturenames
    if request.param == "sqlite":
        path = tmp_path / "store.db"
        if with_tables:
            shutil.copy(_sqlite_template(shared), path)
        yield f"sqlite:///{path}"
        return
    server = postgres.address(shared)
    # Nothing is left behind on a server that is not ours.
    if with_tables and not os.environ.get(postgres.VARIABLE):
        yield _with_empty_tables(server, shared)
        return
    name = _new(server, "template1")
    yield _address(server, name)
    _drop(server, name)


def _with_empty_tables(server: str, shared: Path) -> str:
    """Give the address of this process's database, its tables empty and as the migrations left them."""
    for name, shape in list(_used.items()):
        if not _emptied(_address(server, name), shape):
            del _used[name]
            _drop(server, name)
    if not _used:
        name = _new(server, _postgres_template(server, shared))
        with psycopg.connect(_address(server, name)) as connection:
            _used[name] = str(connection.execute(SHAPE).fetchone())
    return _address(server, next(iter(_used)))


def _emptied(url: str, shape: str) -> bool:
    """Close what a test left open and remove its rows; say whether the tables are otherwise what they were.

    The files of tables that held anything are made anew, so that the next test's rows lie in the order it adds them.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(OTHERS)
        if str(connection.execute(SHAPE).fetchone()) != shape:
            return False
        [[filled]] = connection.execute(FILLED)
        if filled:
            # Triggers refuse to empty what is append-only.
            connection.execute("SET session_replication_role = replica")
            connection.execute(f"TRUNCATE {filled} RESTART IDENTITY CASCADE".encode())
    return True


def _new(server: str, template: str) -> str:
    name = f"tutelage_test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return name


def _drop(server: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def _sqlite_template(shared: Path) -> Path:
    made = shared / "template.db"
    with FileLock(shared / "template.lock"):
        if not made.exists():
            _create_tables(str(shared / "template.part"))
            (shared / "template.part").rename(made)
    return made


def _postgres_template(server: str, shared: Path) -> str:
    name = "tutelage_template"
    with FileLock(shared / "template.lock"), psycopg.connect(server, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(f"CREATE DATABASE {name}_part".encode())
            _create_tables(_address(server, f"{name}_part"))
            connection.execute(f"ALTER DATABASE {name}_part RENAME TO {name}".encode())
    return name


def _create_tables(url: str) -> None:
    """Make the tables, without a salt: every test gives its own."""
    with Store.open(url) as made, made.write() as connection:
        connection.execute(tables.facts.delete())


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """Open the store in an empty database, with a fixed salt so that tests are the same every time."""
    with Store.open(database, salt="salt of the tests") as opened:
        yield opened


def _address(server: str, name: str) -> str:
    parts = {key: str(value) for key, value in conninfo_to_dict(server).items() if value is not None}
    host = parts.get("host", "")
    url = URL.create(
        "postgresql",
        username=parts.get("user"),
        password=parts.get("password"),
        host=None if host.startswith("/") else host,
        port=int(parts["port"]) if "port" in parts else None,
        database=name,
        query={"host": host} if host.startswith("/") else {},
    )
    return url.render_as_string(hide_password=False)
