"""Hooks for all tests: how many passed on each database; what was loaded with them is no garbage."""

import gc
from collections import Counter

import pytest

DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note the database of every test that runs on one; reports carry the note back from other processes."""
    for item in items:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if parameters.get("database") in DATABASES:
            item.user_properties.append(("database", parameters["database"]))


def pytest_collection_finish() -> None:
    """Leave all that was loaded out of collections of garbage: they would look at millions of objects every time."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the number of passed tests per database, when any test ran on one."""
    passed = Counter(dict(report.user_properties).get("database") for report in terminalreporter.getreports("passed"))
    failed = Counter(
        dict(getattr(report, "user_properties", ())).get("database")  # a file that does not load has none
        for outcome in ("failed", "error")
        for report in terminalreporter.getreports(outcome)
    )
    if any(name in passed or name in failed for name in DATABASES):
        for name, shown in DATABASES.items():
            terminalreporter.write_line(f"{shown}: {passed[name]} passed, {failed[name]} failed")
