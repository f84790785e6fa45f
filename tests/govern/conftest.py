"""Databases for the tests of govern."""

from tests.databases import database, store

__all__ = ["database", "store"]
