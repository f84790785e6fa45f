"""An engine as a gateway sees it: asked over a private unix socket, by whoever is connected. No torch here.

Whose process it is and how it is reached differs: `process` owns it, `sharing` reaches one that another process owns.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from tutelage.errors import UnavailableError
from tutelage.generate.request import RequestError
from tutelage.generate.waiting import OverloadedError
from tutelage.generate.wire import Accepted, Ask, News, frame, read_frame

_GONE = "The engine process of this model ended while it answered; it is being restarted, so try again."
_STARTING = "The engine process of this model is not ready; try again in a moment."


class EngineConnection(abc.ABC):
    """A connection to an engine. `start` before use, `stop` after; all in one event loop."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self._answers: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        self._tags = 0
        #: How many tokens a prompt and its answer may have together; 0 before the start.
        self.context = 0

    @abc.abstractmethod
    async def start(self) -> None:
        """Wait until the engine answers; raise a sentence when it cannot start."""

    @abc.abstractmethod
    async def stop(self) -> None:
        """Let go of the engine; what it still answers fails. Stopping twice is the same as once."""

    @property
    @abc.abstractmethod
    def pid(self) -> int | None:
        """Return the engine's process id, None while there is none."""

    @property
    def is_ready(self) -> bool:
        """Say whether requests are accepted now."""
        return self._writer is not None

    @property
    def in_flight(self) -> int:
        """Return how many requests are being answered."""
        return len(self._answers)

    async def generate(self, ask: Ask) -> AsyncIterator[Accepted | News]:
        """Yield `Accepted`, then the news of all choices; leaving early cancels the request.

        Raises RequestError when it is refused, OverloadedError when it finds no room and UnavailableError when the
        process is not there or dies.
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
        if message["kind"] == "overloaded":
            raise OverloadedError(message["message"], message["retry_after"])
        if message["kind"] == "failed":
            raise UnavailableError(message["message"])
        return message

    async def _connect(self, socket: Path) -> asyncio.StreamReader:
        reader, self._writer = await asyncio.open_unix_connection(socket)
        return reader

    async def _read(self, reader: asyncio.StreamReader) -> bool:
        """Hand out what the process says until it ends; say whether it said anything."""
        has_spoken = False
        with contextlib.suppress(UnavailableError):  # what breaks the rules of the socket has ended too
            while (message := await read_frame(reader)) is not None:
                has_spoken = True
                if message["tag"] in self._answers:
                    self._answers[message["tag"]].put_nowait(message)
        return has_spoken

    async def _disconnect(self) -> None:
        """Fail what is open, and let go of the socket."""
        writer, self._writer = self._writer, None
        for answers in self._answers.values():
            answers.put_nowait({"kind": "failed", "message": _GONE})
        self._answers.clear()
        if writer is not None:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
