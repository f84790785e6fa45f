"""Hooks for all tests: who runs which, how many passed on each database; what was loaded with them is no garbage."""

import gc
from collections import Counter

import pytest
from xdist.scheduler import LoadScopeScheduling

DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
#: Files that share models, trainings or servers, which a process makes once: one process runs them all.
TOGETHER = {
    f"tests/train/test_{name}.py": "trainings"
    for name in ("layouts", "ppo", "ppo_stops", "trainers", "bad_data", "bad_models", "four")
} | {f"tests/serve/test_{name}.py": "servers" for name in ("admission", "api")}
#: What takes longest begins first: begun last, it would leave the other processes with nothing to do.
FIRST = (
    "tests/train/test_layouts.py",
    "tests/pipeline/test_village_loop.py",
    "tests/security/test_row18_xss.py",
    "tests/serve/test_kill.py",
    "tests/pipeline/test_imported_loop.py",
    "tests/pipeline/test_starter_loop.py",
    "tests/feedback/app/test_desk.py",
    "tests/cli/test_processes.py",
    "tests/train/test_crew.py",
    "tests/serve/test_admission.py",
    "tests/serve/test_workers.py",
    "tests/serve/test_pages_in_a_browser.py",
    "tests/feedback/test_load.py",
    "tests/train/test_ranks.py",
    "tests/feedback/app/test_kinds_in_a_browser.py",
    "tests/train/test_kill.py",
    "tests/generate/test_process.py",
    "tests/feedback/app/test_screening_in_a_browser.py",
    "tests/benchmarks/test_plan.py",
    "tests/benchmarks/test_serving.py",
    "tests/serve/test_readme.py",
    "tests/security/test_row13_overload.py",
)


class ByFile(LoadScopeScheduling):
    """Hands a file of tests, or files that share what they make, to one process."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return TOGETHER.get(file, file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    """Let processes take whole files: what a file makes once is made once."""
    config.option.loadscopereorder = False  # the order is that of FIRST
    return ByFile(config, log)  # type: ignore[arg-type]


def _turn(item: pytest.Item) -> int:
    """Say when a test is handed out: with the first of the files that it is run together with."""
    file = item.nodeid.partition("::")[0]
    scope = TOGETHER.get(file, file)
    turns = [turn for turn, first in enumerate(FIRST) if TOGETHER.get(first, first) == scope]
    return turns[0] if turns else len(FIRST)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first, and note the database of every test that runs on one.

    Reports carry the note back from other processes.
    """
    items.sort(key=_turn)
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
