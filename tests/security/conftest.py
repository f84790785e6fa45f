"""Databases for the security tests."""

from tests.databases import database, store

__all__ = ["database", "store"]
