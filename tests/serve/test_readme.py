"""What README.md shows about a served model works as it stands, but for the port."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tutelage.cli.options import DEFAULT_DATABASE
from tutelage.cli.serve import store_here

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SHOWN = "http://127.0.0.1:8000"


def block(begins: str) -> str:
    """Return the block of code that begins so, one."""
    [found] = [code for code in re.findall(r"^```\w*\n(.*?)^```", README, re.DOTALL | re.MULTILINE) if begins in code]
    assert SHOWN in found
    return found


def test_the_command_for_a_shell_is_answered(server: str) -> None:
    command = block("curl ").replace(SHOWN, server)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert answer["model"] == "tiny@1" and answer["usage"]["completion_tokens"] <= 40
    assert answer["choices"][0]["message"]["role"] == "assistant"


def test_the_program_is_answered(server: str) -> None:
    program = block("import OpenAI").replace(SHOWN, server)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("tiny@1 ")


def test_without_a_store_here_the_newest_runs_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert store_here(DEFAULT_DATABASE) == DEFAULT_DATABASE
    for age, name in ((30, "village-seed1"), (10, "village-seed2"), (20, "village-seed3")):
        path = Path("runs", name, "tutelage.db")
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (time.time() - age, time.time() - age))
    assert store_here(DEFAULT_DATABASE) == "sqlite:///runs/village-seed2/tutelage.db"
    assert store_here("sqlite:///other.db") == "sqlite:///other.db"
    Path("tutelage.db").touch()
    assert store_here(DEFAULT_DATABASE) == DEFAULT_DATABASE
