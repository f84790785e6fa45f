"""Statements over many rows, in parts that every database takes, and inserts that skip what is there."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")
#: SQLite takes 32,766 variables in a statement, PostgreSQL 65,535.
SIZE = 10_000


def of(rows: Sequence[T], size: int = SIZE) -> Iterator[Sequence[T]]:
    """Yield the rows in parts of at most `size`."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def insert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert all rows; none is no statement at all."""
    if rows:
        connection.execute(table.insert(), rows)


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows that are not there yet by any unique key; the others are left as they are."""
    if not rows:
        return
    statement: Insert
    if connection.dialect.name == "postgresql":
        statement = postgresql.insert(table).on_conflict_do_nothing()
    else:
        statement = sqlite.insert(table).on_conflict_do_nothing()
    connection.execute(statement, rows)
