"""`tutelage serve` as a process with its workers and engines, all of which a test may kill."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import httpx2
import psutil

Found = TypeVar("Found")
#: How long a test waits for what must happen on a busy machine.
SECONDS = 120


@dataclass
class Crew:
    """A server with what belongs to it."""

    process: subprocess.Popen[str]
    address: str

    @property
    def port(self) -> int:
        """Return where it listens."""
        return int(self.address.rpartition(":")[2])

    def pids(self, module: str) -> list[int]:
        """Return the processes of the server that run a module."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if module in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                        found.append(child.pid)
        return sorted(found)

    @property
    def workers(self) -> list[int]:
        """Return the gateway processes."""
        return self.pids("tutelage.service")

    @property
    def engines(self) -> list[int]:
        """Return the engine processes."""
        return self.pids("tutelage.generate.server")

    def is_ready(self) -> bool:
        """Ask on a connection of its own, which any worker may answer."""
        try:
            return httpx2.get(f"{self.address}/readyz", timeout=10).status_code == 200
        except httpx2.TransportError:
            return False


@contextlib.contextmanager
def crew(url: str, *options: str) -> Iterator[Crew]:
    """Run `tutelage serve` on a free port; whatever of it is left at the end is killed."""
    command = [sys.executable, "-m", "tutelage.cli", "serve", "--database", url, "--port", "0", "--threads", "1"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        family: list[psutil.Process] = []
        try:
            assert process.stdout
            line = process.stdout.readline()
            found = re.search(r"at (http://\S+)/v1", line)
            assert found, line
            family = psutil.Process(process.pid).children(recursive=True)
            yield Crew(process, found[1])
            with contextlib.suppress(psutil.NoSuchProcess):
                family += psutil.Process(process.pid).children(recursive=True)
        finally:
            process.kill()
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()


def until(happens: Callable[[], Found]) -> Found:
    """Wait until something holds, and return it."""
    deadline = time.monotonic() + SECONDS
    while not (found := happens()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found
