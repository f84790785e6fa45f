"""The fixture `database`: the address of a fresh, empty database, once in SQLite and once in PostgreSQL.

A folder's conftest.py takes it with `from tests.databases import database`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL

from tests import postgres
from tutelage.store import Store

__all__ = ["database", "store"]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of an empty database that is gone after the test."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    # With xdist every worker has a folder below the run's own.
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base
    server = postgres.address(shared)
    name = f"tutelage_test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    yield _address(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


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
