"""A thread that steps an engine, and an asyncio front before it."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tutelage.errors import UnavailableError
from tutelage.generate.request import Event, Request, RequestError

if TYPE_CHECKING:
    from tutelage.generate.engine import Engine, Stats

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Listener:
    """Where the events of one request go: a queue of an event loop, from another thread."""

    loop: asyncio.AbstractEventLoop
    events: asyncio.Queue[Event | Exception]
    open_choices: int = 0
    id: int = -1


class Runner:
    """Owns an engine. All calls reach it through one thread, so the engine needs no lock."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._listeners: dict[int, _Listener] = {}
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._is_closed = False
        self._thread.start()

    @property
    def context(self) -> int:
        """Return how many tokens a prompt and its answer may have together."""
        return self._engine.context

    def check(self, request: Request) -> None:
        """Raise RequestError when the request can never be answered: what never changes, so any thread may ask."""
        self._engine.check(request)

    async def generate(self, request: Request) -> AsyncIterator[Event]:
        """Yield the events of a request until all its choices have ended; leaving early cancels it.

        Raises RequestError when the engine refuses it.
        """
        if self._is_closed:
            raise UnavailableError("The engine has been closed; start it again.")
        listener = _Listener(asyncio.get_running_loop(), asyncio.Queue(), open_choices=request.choices)
        self._orders.put(lambda: self._submit(request, listener))
        missing = request.choices
        try:
            while missing:
                event = await listener.events.get()
                if isinstance(event, Exception):
                    missing = 0
                    raise event
                missing -= event.finish_reason is not None
                yield event
        finally:
            if missing:
                self._orders.put(lambda: self._cancel(listener))

    async def stats(self) -> dict[str, int]:
        """Return the engine's load as of its next step."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Stats] = loop.create_future()

        def order() -> None:
            loop.call_soon_threadsafe(_answer, answer, self._engine.stats())

        self._orders.put(order)
        return asdict(await answer)

    async def close(self) -> None:
        """Stop the thread after its current step; requests that are running end with an error."""
        self._is_closed = True
        self._orders.put(None)
        await asyncio.to_thread(self._thread.join)

    def _submit(self, request: Request, listener: _Listener) -> None:
        try:
            listener.id = self._engine.submit(request)
        except RequestError as error:
            _send(listener, [error])
            return
        self._listeners[listener.id] = listener

    def _cancel(self, listener: _Listener) -> None:
        if self._listeners.pop(listener.id, None) is not None:
            self._engine.cancel(listener.id)

    def _run(self) -> None:
        is_idle = True
        while True:
            try:
                order = self._orders.get(block=is_idle)
            except queue.Empty:
                order = self._step
            if order is None:
                break
            try:
                order()
            except Exception as error:  # the thread outlives whatever a step raises
                self._fail(error)
            is_idle = self._engine.is_idle()
        self._fail(UnavailableError("The engine has been closed; start it again."))

    def _step(self) -> None:
        news: dict[int, list[Event | Exception]] = {}
        for event in self._engine.step():
            news.setdefault(event.id, []).append(event)
        for id, events in news.items():
            listener = self._listeners.get(id)
            if listener is None:
                continue
            listener.open_choices -= sum(isinstance(e, Event) and e.finish_reason is not None for e in events)
            if listener.open_choices == 0:
                del self._listeners[id]
            _send(listener, events)

    def _fail(self, error: Exception) -> None:
        """End every request with the error and start from an empty engine."""
        if not isinstance(error, UnavailableError):
            logger.error("the engine failed in a step", exc_info=error)
            error = UnavailableError(f"The engine failed while computing ({type(error).__name__}); try again.")
        listeners, self._listeners = self._listeners, {}
        self._engine.reset()
        for listener in listeners.values():
            _send(listener, [error])


def _send(listener: _Listener, events: list[Event | Exception]) -> None:
    def put() -> None:
        for event in events:
            listener.events.put_nowait(event)

    try:
        listener.loop.call_soon_threadsafe(put)
    except RuntimeError:  # the loop is closed: nobody waits any more
        logger.debug("events for a closed loop are dropped")


def _answer(future: asyncio.Future[Stats], stats: Stats) -> None:
    if not future.done():
        future.set_result(stats)
