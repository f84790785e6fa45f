"""Gateway processes that answer on one socket: started, watched, started again, told to stop.

Each gets what it needs as one line of JSON on its standard input, which stays open: when it closes, the parent has
gone, however it went, and the worker ends. It says READY when it answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tutelage.errors import UnavailableError

logger = logging.getLogger(__name__)

READY = "ready"
#: Seconds before the first, second, ... restart of a worker that does not live for STEADY seconds.
PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY = 10.0
#: How much longer than its calls a worker may take to end.
LAST_SECONDS = 45.0


class Workers:
    """`count` processes of a module. `start` before use, `stop` after; in one event loop."""

    def __init__(self, module: str, settings: Mapping[str, Any], bound: socket.socket, count: int) -> None:
        self.module, self.bound, self.count = module, bound, count
        #: Is called when a worker died.
        self.at_death: Callable[[], Awaitable[None]] | None = None
        self._settings = json.dumps({**settings, "socket": bound.fileno()}).encode() + b"\n"
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._watching: list[asyncio.Task[None]] = []
        self._is_stopping = False

    @property
    def pids(self) -> list[int]:
        """Return the process ids, in the order of the workers."""
        return [self._processes[number].pid for number in sorted(self._processes)]

    async def start(self) -> None:
        """Start all and wait until they answer; raise a sentence when one does not."""
        started = await asyncio.gather(*map(self._launch, range(self.count)), return_exceptions=True)
        if failed := [one for one in started if isinstance(one, BaseException)]:
            await self.stop(0.0)
            raise failed[0]
        self._watching = [asyncio.create_task(self._watch(number)) for number in range(self.count)]

    async def stop(self, grace: float) -> None:
        """Tell all to stop, and wait until their calls have ended; what hangs after its grace is killed."""
        self._is_stopping = True
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        processes = [process for process in self._processes.values() if process.returncode is None]
        for process in processes:
            process.terminate()
        _, late = (
            await asyncio.wait([asyncio.create_task(one.wait()) for one in processes], timeout=grace + LAST_SECONDS)
            if processes
            else (None, ())
        )
        if late:
            logger.error("%d workers did not end in time and are killed", len(late))
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def hurry(self) -> None:
        """Tell those that are stopping to do it at once."""
        for process in self._processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGINT)

    async def _watch(self, number: int) -> None:
        """Start a worker again whenever it ended."""
        failures, began = 0, time.monotonic()
        while True:
            status = await self._processes[number].wait()
            failures = 0 if time.monotonic() - began >= STEADY else failures + 1
            logger.error("worker %d ended with status %d and is started again", number, status)
            if self.at_death is not None:
                await self.at_death()
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            began = time.monotonic()
            with contextlib.suppress(UnavailableError):  # it ended while it started, and the loop begins anew
                await self._launch(number)

    async def _launch(self, number: int) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self.module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(self.bound.fileno(),),
            start_new_session=True,  # Ctrl-C is for the parent, which tells the workers
        )
        self._processes[number] = process
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(ConnectionError):
            process.stdin.write(self._settings)
            await process.stdin.drain()
        while line := await process.stdout.readline():
            if line.decode().strip() == READY:
                return
        status = await process.wait()
        raise UnavailableError(f"A worker ended with status {status} while it started; see what it said above.")


def ready() -> None:
    """Tell the parent that this worker answers; what is printed from now on goes where errors go."""
    print(READY, flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def given() -> dict[str, Any]:
    """Return what the parent gave to this worker; from now on this process stops when the parent goes."""
    settings: dict[str, Any] = json.loads(sys.stdin.buffer.readline())

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
    return settings
