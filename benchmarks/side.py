"""A side of a comparison: a process of its own that answers tasks, a line of JSON each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any


class Side:
    """A worker process that runs `script NAME ARGUMENTS...` and prints "ready" when it has loaded what it needs.

    A Python of another environment does not see this project.
    """

    def __init__(self, name: str, script: str, arguments: list[str], python: str = sys.executable) -> None:
        here = Path(__file__).parent
        environment = {**os.environ, "PYTHONPATH": str(here.parent) if python == sys.executable else ""}
        # A file, not a pipe: a pipe that nobody reads would stop the process when it is full.
        self._errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [python, str(here / script), name, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment,
            start_new_session=True,
        )  # fmt: skip
        self.name = name

    def wait(self) -> None:
        """Wait until the process is ready."""
        assert self.process.stdout is not None
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{self.name} did not start: {self._last_words()}")
        self._signal(signal.SIGSTOP)

    def ask(self, task: dict[str, Any]) -> dict[str, Any]:
        """Give a task and wait for its answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self._signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended: {self._last_words()}")
        self._signal(signal.SIGSTOP)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """End the process and those that it has started."""
        self._signal(signal.SIGKILL)
        self.process.communicate()
        self._errors.close()

    def _signal(self, number: int) -> None:
        """Signal the whole side. One that waits is stopped: some engines turn a core while they have nothing to do."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def _last_words(self) -> str:
        self.process.wait()
        self._errors.seek(0)
        return self._errors.read()[-2000:]
