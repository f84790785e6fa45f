"""What README.md shows about a served model works as it stands, but for the port."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

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
