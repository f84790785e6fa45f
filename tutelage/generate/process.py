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
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutelage.errors import UnavailableError, UserError
from tutelage.generate.request import RequestError
from tutelage.generate.wire import Accepted, Ask, News, frame, read_frame

logger = logging.getLogger(__name__)

#: Pauses in seconds before the first, second, ... restart in a row; the last one is repeated.
PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
_GONE = "The engine process of this model ended while it answered; it is being restarted, so try again."
_STARTING = "The engine process of this model is not ready; try again in a moment."


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How an engine process computes; `vllm` is the Python of an environment that has vLLM, or a server's URL."""

    dtype: str = "float32"
    max_batch: int = 128
    threads: int = 0
    vllm: str = ""


class EngineProcess:
    """One model in one process. `start` before use, `stop` after; all in one event loop."""

    def __init__(self, model: Path, options: EngineOptions | None = None) -> None:
        self.model, self.options = model, options or EngineOptions()
        self._directory = Path(tempfile.mkdtemp(prefix="tutelage-engine-"))  # mode 0700
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._answers: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        self._tags = 0
        self._starts = 0
        #: How many tokens a prompt and its answer may have together; 0 before the start.
        self.context = 0
        self._watch: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Say whether requests are accepted now."""
        return self._writer is not None

    @property
    def pid(self) -> int | None:
        """Return the process id, None while there is no process."""
        return self._process.pid if self._process else None

    @property
    def in_flight(self) -> int:
        """Return how many requests are being answered."""
        return len(self._answers)

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

    async def generate(self, ask: Ask) -> AsyncIterator[Accepted | News]:
        """Yield `Accepted`, then the news of all choices; leaving early cancels the request.

        Raises RequestError when it is refused and UnavailableError when the process is not there or dies.
        """
        tag, answers = self._send({"op": "generate", "ask": ask.to_json()})
        missing = ask.n
        try:
            while missing:
                message = await self._next(answers)
                if message["kind"] == "accepted":
                    yield Accepted(prompt_tokens=message["prompt_tokens"], prompt_text=message["prompt_text"])
                    continue
                news = News.from_json(message["news"])
                missing -= news.finish_reason is not None
                yield news
        finally:
            if self._answers.pop(tag, None) is not None and missing and self._writer is not None:
                self._writer.write(frame({"op": "cancel", "tag": tag}))

    async def stats(self) -> dict[str, int]:
        """Return the engine's load."""
        tag, answers = self._send({"op": "stats"})
        try:
            stats: dict[str, int] = (await self._next(answers))["stats"]
        finally:
            self._answers.pop(tag, None)
        return stats

    async def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return the probability of each label for each text; raise UnavailableError when the process is not there."""
        tag, answers = self._send({"op": "classify", "texts": list(texts)})
        is_waiting = True
        try:
            scores: list[dict[str, float]] = (await self._next(answers))["scores"]
            is_waiting = False
        finally:
            if self._answers.pop(tag, None) is not None and is_waiting and self._writer is not None:
                self._writer.write(frame({"op": "cancel", "tag": tag}))
        return scores

    def _send(self, message: dict[str, Any]) -> tuple[int, asyncio.Queue[dict[str, Any]]]:
        if self._writer is None:
            raise UnavailableError(_STARTING)
        self._tags += 1
        answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answers[self._tags] = answers
        self._writer.write(frame({**message, "tag": self._tags}))
        return self._tags, answers

    async def _next(self, answers: asyncio.Queue[dict[str, Any]]) -> dict[str, Any]:
        message = await answers.get()
        if message["kind"] == "refused":
            raise RequestError(message["message"])
        if message["kind"] == "failed":
            raise UnavailableError(message["message"])
        return message

    async def _launch(self) -> asyncio.StreamReader:
        """Start a process, wait for its word that it listens, and connect."""
        self._starts += 1
        socket = self._directory / f"{self._starts}.sock"
        options = self.options
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tutelage.generate.server", "--model", str(self.model), "--socket", str(socket)),
            *("--dtype", options.dtype, "--max-batch", str(options.max_batch), "--threads", str(options.threads)),
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
        reader, self._writer = await asyncio.open_unix_connection(socket)
        return reader

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

    async def _read(self, reader: asyncio.StreamReader) -> bool:
        """Hand out what the process says until it ends; say whether it said anything."""
        has_spoken = False
        while (message := await read_frame(reader)) is not None:
            has_spoken = True
            if message["tag"] in self._answers:
                self._answers[message["tag"]].put_nowait(message)
        return has_spoken

    async def _end(self) -> None:
        """Fail what is open, and let go of the process."""
        writer, self._writer = self._writer, None
        for answers in self._answers.values():
            answers.put_nowait({"kind": "failed", "message": _GONE})
        self._answers.clear()
        if writer is not None:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
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
