"""Calls of the program inside the test's process, and tiny data and models for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.train.conftest import world
from tutelage.cli import app
from tutelage.errors import UserError

__all__ = ["world"]


@pytest.fixture
def tutelage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Give a function that runs a command in an empty folder and returns what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUTELAGE_DATABASE", raising=False)

    def run(*arguments: str | Path) -> str:
        result = invoke(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


@pytest.fixture
def refused(tutelage: Callable[..., str]) -> Callable[..., str]:
    """Give a function that runs a command that must fail with status 2, and returns the sentence."""

    def run(*arguments: str | Path) -> str:
        try:
            result = invoke(*arguments)
        except UserError as error:
            assert error.exit_code == 2
            return str(error)
        assert result.exit_code == 2, result.output
        return " ".join(result.output.replace("│", " ").split())

    return run


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, Iterable[Any]], Path]:
    """Give a function that writes JSON lines; a row that is a text or bytes is written as it is."""

    def write(name: str, rows: Iterable[Any]) -> Path:
        lines = [
            row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode()
            for row in rows
        ]
        (tmp_path / name).write_bytes(b"".join(line + b"\n" for line in lines))
        return Path(name)

    return write


def invoke(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def table(printed: str) -> list[list[str]]:
    return [line.split("\t") for line in printed.splitlines()]
