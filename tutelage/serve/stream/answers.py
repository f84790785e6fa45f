"""The answers to all prompts of one call: asked at once, told as they come, cancelled together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, Self, TypeVar

from tutelage.errors import UserError
from tutelage.generate.connection import EngineConnection
from tutelage.generate.request import RequestError
from tutelage.generate.waiting import OverloadedError
from tutelage.generate.wire import Accepted, Ask, News
from tutelage.web.errors import ApiError

Result = TypeVar("Result")


class Answers:
    """News of several prompts from one engine. Use as `async with`: leaving it cancels what still runs."""

    def __init__(self, engine: EngineConnection, asks: Sequence[Ask]) -> None:
        self._engine, self._asks = engine, asks
        self._queue: asyncio.Queue[tuple[int, Accepted | News | Exception | None]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._early: list[tuple[int, News]] = []
        self._open = len(asks)
        self._ended: ApiError | None = None
        self._dropped: set[int] = set()
        self._ending = asyncio.Event()
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

    async def batches(self) -> AsyncIterator[list[tuple[int, News]]]:
        """Yield (prompt number, news), whatever has come meanwhile, until all choices have ended.

        Raises ApiError when one fails, after what came before.
        """
        waiting: list[tuple[int, Accepted | News | Exception | None]] = [*self._early]
        while True:
            batch, fault = self._read(waiting)
            if batch:
                yield batch
            if fault is not None:
                raise fault
            if not self._open:
                return
            waiting = [await self._queue.get()]
            while not self._queue.empty():
                waiting.append(self._queue.get_nowait())

    def _read(
        self, waiting: Sequence[tuple[int, Accepted | News | Exception | None]]
    ) -> tuple[list[tuple[int, News]], Exception | None]:
        """Return the news among messages up to the first that is an error, and that error."""
        if self._ended is not None:
            return [], self._ended
        batch: list[tuple[int, News]] = []
        for number, message in waiting:
            if number in self._dropped:
                continue
            if (fault := _fault(message)) is not None:
                return batch, fault
            if isinstance(message, News):
                batch.append((number, message))
            self._open -= message is None
        return batch, None

    def drop(self, number: int) -> None:
        """Cancel what still runs for a prompt: nobody wants to know."""
        if not self._tasks[number].done():
            self._tasks[number].cancel()
            self._dropped.add(number)
            self._open -= 1

    def end(self, error: ApiError) -> None:
        """Let everything end with this error at once, whatever is on its way."""
        self._ended = error
        self._ending.set()
        for task in self._tasks:
            task.cancel()
        self._queue.put_nowait((0, error))  # wakes who waits

    async def while_running(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what `work` returns, unless everything is to end before."""
        task, ending = asyncio.create_task(work), asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({task, ending}, return_when=asyncio.FIRST_COMPLETED)
            if self._ended is not None:
                raise self._ended
            return await task
        finally:
            for pending in (task, ending):
                pending.cancel()
            await asyncio.gather(task, ending, return_exceptions=True)

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


def _fault(message: Accepted | News | Exception | None) -> Exception | None:
    """Return the error that a message is, if it is one."""
    if isinstance(message, News) and message.finish_reason in ("error", "cancelled"):
        said = message.error or "The completion was cancelled here; try again."
        return ApiError(500, said, code="generation_failed")
    return _told(message) if isinstance(message, Exception) else None


def _told(error: Exception) -> Exception:
    if isinstance(error, RequestError):
        return ApiError(400, str(error))
    if isinstance(error, OverloadedError):
        return overloaded(error)
    if isinstance(error, UserError):
        return ApiError(503, str(error), code="engine_unavailable", headers={"Retry-After": "2"})
    return error


def overloaded(error: OverloadedError) -> ApiError:
    """Return the error for a call that found no room, with when there may be some."""
    return ApiError(503, str(error), code="overloaded", headers={"Retry-After": str(error.retry_after)})
