"""Databases for the tests of the store."""

from tests.databases import database, store

__all__ = ["database", "store"]
