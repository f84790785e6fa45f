"""The test run prints how many tests passed on each database."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    return request.param

def test_on_both(database):
    pass

def test_on_one(database):
    assert database == "sqlite"

def test_on_none():
    pass
"""


@pytest.mark.parametrize("processes", ["0", "1"])
def test_passed_and_failed_are_counted_per_database(tmp_path: Path, processes: str) -> None:
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path / "conftest.py")
    (tmp_path / "test_some.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", processes],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "SQLite: 2 passed, 0 failed\nPostgreSQL: 1 passed, 1 failed\n" in done.stdout
