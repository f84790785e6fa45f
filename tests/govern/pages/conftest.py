"""The site, its database and a browser, for the tests of these pages."""

from __future__ import annotations

from tests.browser import browser
from tests.databases import database, store
from tests.governing import clock, site

__all__ = ["browser", "clock", "database", "site", "store"]
