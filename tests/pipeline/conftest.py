"""Databases for the tests of what the pipeline reads from the store."""

from tests.databases import database, store

__all__ = ["database", "store"]
