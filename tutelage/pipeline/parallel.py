"""Several trainings at once, each in its own process with its own share of the threads.

A small model does not gain from a second thread, but two of them do. A child reads its job from its standard input
and keeps that open: when the parent dies, however it dies, the input ends and the child stops at once, so that no
orphan writes into a run that is started again.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from tutelage.errors import UserError


@dataclass(frozen=True)
class Job:
    """A function, named as `module:function`, with JSON arguments; it may yield progress through a callback."""

    name: str
    function: str
    arguments: dict[str, Any] = field(default_factory=dict)


def run_jobs(jobs: Sequence[Job], threads: int, tell: Callable[[str, dict[str, Any]], None]) -> None:
    """Run the jobs side by side; `tell` gets each job's name and what it reports. The first failure stops all."""
    children = [_Child(job, threads) for job in jobs]
    try:
        while any(child.process.poll() is None for child in children):
            for child in children:
                _report(child, tell)
                child.check()
            time.sleep(0.05)
        for child in children:
            _report(child, tell)
            child.check()
    finally:
        for child in children:
            child.stop()


def _report(child: _Child, tell: Callable[[str, dict[str, Any]], None]) -> None:
    while child.reports:
        tell(child.job.name, child.reports.pop(0))


class _Child:
    def __init__(self, job: Job, threads: int) -> None:
        self.job = job
        self.reports: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.mistake: str | None = None
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tutelage.pipeline.parallel"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.process.stdin.write(json.dumps({"function": job.function, "arguments": job.arguments}) + "\n")
        self.process.stdin.flush()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True),
            threading.Thread(target=lambda: self.errors.extend(self.process.stderr or ()), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            row = json.loads(line)
            if "error" in row:
                self.mistake = row["error"]
            else:
                self.reports.append(row)

    def check(self) -> None:
        """Raise what the child failed with."""
        code = self.process.poll()
        if code in (None, 0):
            return
        for reader in self._readers:
            reader.join(timeout=5)
        if self.mistake is not None:
            raise UserError(self.mistake)
        raise RuntimeError(f"{self.job.name} ended with {code}:\n{''.join(self.errors[-60:])}")

    def stop(self) -> None:
        """End the child, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def _die_with_parent(stream: IO[str]) -> None:
    stream.read()
    os._exit(1)


def main() -> int:
    """Run one job: read it, watch over the parent, report progress as JSON lines."""
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_die_with_parent, args=(sys.stdin,), daemon=True).start()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def report(row: dict[str, Any]) -> None:
        out.write(json.dumps(row) + "\n")
        out.flush()

    module, _, name = job["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    try:
        function(**job["arguments"], report=report)
    except UserError as error:
        report({"error": str(error)})
        return UserError.exit_code
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
