"""The labeling app, its databases and a browser, for the tests of its pages."""

from __future__ import annotations

from tests.browser import browser
from tests.databases import database, store
from tests.labeling import address, clock, visit

__all__ = ["address", "browser", "clock", "database", "store", "visit"]
