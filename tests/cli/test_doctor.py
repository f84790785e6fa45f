"""`tutelage doctor`: what it finds and what it says to mend."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tutelage.cli import app


def doctor(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments], env=environment)


def test_doctor_finds_a_database_that_answers(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    done = doctor("--database", f"sqlite:///{tmp_path / 'empty.db'}", OMP_NUM_THREADS="1", CHROMIUM="")
    lines = dict(line.split("\t")[:2] for line in done.stdout.splitlines())
    assert list(lines) == ["thing", "python", "torch", "threads", "disk", "database", "chromium"]
    assert lines["database"] == "sqlite answers"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:////no/such/folder/x.db", "the folder /no/such/folder does not exist; create it"),
        ("mysql://host/db", "write sqlite:///FILE or postgresql://"),
        ("postgresql://127.0.0.1:1/none", "check that it is"),
    ],
)
def test_doctor_tells_what_to_mend(url: str, told: str) -> None:
    done = doctor(TUTELAGE_DATABASE=url, CHROMIUM="/no/such/browser", OMP_NUM_THREADS="100000")
    assert done.exit_code == 1
    (database,) = [line for line in done.stdout.splitlines() if line.startswith("database")]
    assert told in database
    assert "Let CHROMIUM name a program" in done.stdout
    assert "Set OMP_NUM_THREADS to" in done.stdout


def test_doctor_makes_no_database(tmp_path: Path) -> None:
    done = doctor("--database", str(tmp_path / "new.db"))
    assert "is made when it is first used" in done.stdout
    assert list(tmp_path.iterdir()) == []
