"""Several changes to a store as one transaction: all of them are there, or none."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from tutelage.store.database import Store


class JoinedStore(Store):
    """A store as functions that change it should see it, so that what they read and write is one transaction."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self.engine, self._salt = store.engine, store._salt
        self._connection = connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield the connection of the transaction, which sees what was written in it."""
        yield self._connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield the connection of the transaction."""
        yield self._connection


@contextmanager
def joined(store: Store) -> Iterator[JoinedStore]:
    """Yield the store for one transaction, which is committed at the end, or undone by an exception."""
    with store.write() as connection:
        yield JoinedStore(store, connection)
