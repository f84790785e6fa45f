"""An engine in its own process, as a gateway sees it: started, spoken to, watched, restarted. No torch here.

The socket lies in a fresh directory that only this user may enter. A process that dies fails its requests with an
error that says so, and is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tutelage.errors import UnavailableError, UserError
from tutelage.generate.connection import EngineConnection

logger = logging.getLogger(__name__)

#: Pauses in seconds before the first, second, ... restart in a row; the last one is repeated.
PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How an engine process computes; `vllm` is the Python of an environment that has vLLM, or a server's URL.

    `max_batch` choices are written at once; `max_waiting` requests, with so many prompt tokens, may wait for them.
    """

    dtype: str = "float32"
    max_batch: int = 128
    threads: int = 0
    max_waiting: int = 256
    max_waiting_tokens: int = 1 << 18
    vllm: str = ""


class EngineProcess(EngineConnection):
    """One model in one process. `start` before use, `stop` after; all in one event loop."""

    def __init__(self, model: Path, options: EngineOptions | None = None) -> None:
        super().__init__()
        self.model, self.options = model, options or EngineOptions()
        self._directory = Path(tempfile.mkdtemp(prefix="tutelage-engine-"))  # mode 0700
        self._process: asyncio.subprocess.Process | None = None
        self._starts = 0
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id, None while there is no process."""
        return self._process.pid if self._process else None

    @property
    def socket(self) -> Path:
        """Return where the process listens, others of this user included."""
        return self._directory / f"{self._starts}.sock"

    async def start(self) -> None:
        """Start the process and wait until it answers; raise its own sentence when it cannot start."""
        reader = await self._launch()
        self._watch = asyncio.create_task(self._keep_running(reader))

    async def stop(self) -> None:
        """End the process; what it still answers fails. Stopping twice is the same as once."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        await self._end()
        shutil.rmtree(self._directory, ignore_errors=True)

    async def _launch(self) -> asyncio.StreamReader:
        """Start a process, wait for its word that it listens, and connect."""
        self._starts += 1
        options = self.options
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tutelage.generate.server", "--model", str(self.model)),
            *("--socket", str(self.socket)),
            *("--dtype", options.dtype, "--max-batch", str(options.max_batch), "--threads", str(options.threads)),
            *("--max-waiting", str(options.max_waiting)),
            *("--max-waiting-tokens", str(options.max_waiting_tokens)),
            *(("--vllm", options.vllm) if options.vllm else ()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the gateway, which lets running answers end
        )
        assert self._process.stdout and self._process.stderr
        errors = asyncio.create_task(_last_line(self._process.stderr))
        if not (ready := await self._process.stdout.readline()):
            status, sentence = await self._process.wait(), await errors
            raise (
                UserError(sentence)
                if status == UserError.exit_code
                else UnavailableError(
                    f"The engine process for {self.model} ended with status {status} while it started: {sentence}"
                )
            )
        self.context = int(ready.split()[1])
        return await self._connect(self.socket)

    async def _keep_running(self, reader: asyncio.StreamReader) -> None:
        """Hand out answers; when the process ends, fail what is open and start another one."""
        failures = 0
        while True:
            if await self._read(reader):
                failures = 0
            await self._end()
            logger.error("the engine process of %s ended and is started again", self.model)
            while self._writer is None:
                await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1
                try:
                    reader = await self._launch()
                except UserError as error:
                    logger.error("the engine process of %s does not start: %s", self.model, error)

    async def _end(self) -> None:
        """Fail what is open, and let go of the process."""
        await self._disconnect()
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
        if process is not None:
            await process.wait()


async def _last_line(stream: asyncio.StreamReader) -> str:
    """Read all that a process says about its faults, pass it on and return the last line."""
    last = ""
    async for line in stream:
        last = line.decode("utf-8", "replace").rstrip() or last
        logger.warning("engine: %s", line.decode("utf-8", "replace").rstrip())
    return last
