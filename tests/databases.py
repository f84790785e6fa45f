"""The fixture `database`: the address of a fresh, empty database, once in SQLite and once in PostgreSQL.

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


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of an empty database that is gone after the test.

    Where the test takes `store` as well, the tables are there already: a copy is made faster than they are.
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
    name = f"tutelage_test_{uuid.uuid4().hex}"
    template = _postgres_template(server, shared) if with_tables else "template1"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    yield _address(server, name)
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
    if os.environ.get(postgres.VARIABLE):
        return "template1"  # nothing is left behind on a server that is not ours
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
