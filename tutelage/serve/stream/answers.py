"""The answers to all prompts of one call: asked at once, told as they come, cancelled together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Self

from tutelage.errors import UserError
from tutelage.generate.process import EngineProcess
from tutelage.generate.request import RequestError
from tutelage.generate.wire import Accepted, Ask, News
from tutelage.web.errors import ApiError


class Answers:
    """News of several prompts from one engine. Use as `async with`: leaving it cancels what still runs."""

    def __init__(self, engine: EngineProcess, asks: Sequence[Ask]) -> None:
        self._engine, self._asks = engine, asks
        self._queue: asyncio.Queue[tuple[int, Accepted | News | Exception | None]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._early: list[tuple[int, News]] = []
        self._open = len(asks)
        self._ended: ApiError | None = None
        self.accepted: dict[int, Accepted] = {}

    async def __aenter__(self) -> Self:
        """Ask everything and wait until everything is accepted, so that a refusal is still a plain error."""
        self._tasks = [asyncio.create_task(self._ask(number)) for number in range(len(self._asks))]
        try:
            while len(self.accepted) < len(self._asks):
                number, message = await self._next()
                if isinstance(message, Accepted):
                    self.accepted[number] = message
                elif message is not None:
                    self._early.append((number, message))
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._close()

    async def news(self) -> AsyncIterator[tuple[int, News]]:
        """Yield (prompt number, news) until all choices have ended; raise ApiError when one fails."""
        early, self._early = self._early, []
        for number, news in early:
            if self._ended is not None:
                raise self._ended
            yield number, _sound(news)
        while self._open:
            number, message = await self._next()
            if isinstance(message, News):
                yield number, _sound(message)

    def end(self, error: ApiError) -> None:
        """Let everything end with this error at once, whatever is on its way."""
        self._ended = error
        for task in self._tasks:
            task.cancel()
        self._queue.put_nowait((0, error))  # wakes who waits

    async def _next(self) -> tuple[int, Accepted | News | None]:
        number, message = await self._queue.get()
        if self._ended is not None:
            raise self._ended
        if isinstance(message, Exception):
            raise _told(message) from message
        if message is None:
            self._open -= 1
        return number, message

    async def _ask(self, number: int) -> None:
        try:
            async with contextlib.aclosing(self._engine.generate(self._asks[number])) as messages:  # type: ignore[type-var]
                async for message in messages:
                    self._queue.put_nowait((number, message))
            self._queue.put_nowait((number, None))
        except Exception as error:
            self._queue.put_nowait((number, error))

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _sound(news: News) -> News:
    if news.finish_reason in ("error", "cancelled"):
        raise ApiError(500, news.error or "The completion was cancelled here; try again.", code="generation_failed")
    return news


def _told(error: Exception) -> Exception:
    if isinstance(error, RequestError):
        return ApiError(400, str(error))
    if isinstance(error, UserError):
        return ApiError(503, str(error), code="engine_unavailable", headers={"Retry-After": "2"})
    return error
