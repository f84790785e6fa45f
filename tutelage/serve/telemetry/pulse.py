"""Whether the server is ready, and why not: every second engines and database are asked for a sign of life.

An engine answers between two steps, so the time since its last answer is the age of its step. Who does not answer is
not asked again meanwhile, and asking keeps nobody else waiting.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from tutelage.errors import UserError
from tutelage.generate.request import RequestError
from tutelage.serve.admission.admission import Admission
from tutelage.serve.admission.grants import BLIND_SECONDS
from tutelage.serve.api.recorder import Recorder
from tutelage.serve.catalogue import Catalogue
from tutelage.serve.screen import Screen
from tutelage.serve.telemetry.meters import Meters

logger = logging.getLogger(__name__)

#: How often everybody is asked, and how long an engine may take for a step (a long prompt on a slow machine).
BEAT_SECONDS, STALE_SECONDS = 1.0, 60.0


class Reason(NamedTuple):
    """Why the server is not ready: a word for programs and a sentence for people. It names no model or customer."""

    code: str
    sentence: str


class Signs:
    """Asks things for signs of life, each at most once at a time, and knows when each was last heard of."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._heard: dict[str, float] = {}
        self._said: dict[str, Any] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    def ask(self, name: str, question: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Ask, unless the last question is still open."""
        self._heard.setdefault(name, self._seconds())
        if name not in self._asking or self._asking[name].done():
            self._asking[name] = asyncio.create_task(self._ask(name, question))

    def age(self, name: str) -> float:
        """Return for how many seconds nothing was heard."""
        return self._seconds() - self._heard.get(name, self._seconds())

    def said(self, name: str) -> Any:
        """Return the last answer, None without one."""
        return self._said.get(name)

    def names(self) -> set[str]:
        """Return who was asked."""
        return set(self._heard)

    def forget(self, name: str) -> None:
        """Ask no more."""
        self._heard.pop(name, None)
        self._said.pop(name, None)
        if (task := self._asking.pop(name, None)) is not None:
            task.cancel()

    async def stop(self) -> None:
        """Ask nobody any more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, name: str, question: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        try:
            self._said[name] = await question()
        except RequestError:  # a classifier does not count, but it lives
            self._said[name] = {}
        except UserError:
            return
        except Exception as error:
            logger.error("a sign of life could not be read", exc_info=error)
            return
        self._heard[name] = self._seconds()


#: What the database is called among what is asked.
_TABLES = "tables"


class Pulse:
    """The health of one gateway. `start` before use, `stop` after."""

    def __init__(
        self,
        catalogue: Catalogue,
        screen: Screen,
        admission: Admission,
        recorder: Recorder,
        meters: Meters,
        signs: Signs | None = None,
    ) -> None:
        self.catalogue, self.screen, self.admission, self.recorder = catalogue, screen, admission, recorder
        self.meters = meters
        self._engines, self._tables = signs or Signs(), Signs()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look once, and from now on every second."""
        self.beat()
        self._task = asyncio.create_task(self._go_on())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._engines.stop()
        await self._tables.stop()

    def beat(self) -> None:
        """Ask everybody, and tell the meters what is known."""
        engines = {served.name: served.engine for served in self.catalogue.current().values()}
        for gone in self._engines.names() - set(engines):
            self._engines.forget(gone)
            self.meters.engine(gone, 0.0, {})
        for name, engine in engines.items():
            self._engines.ask(name, engine.stats)
            self.meters.engine(name, self._engines.age(name), self._engines.said(name) or {})
        self._tables.ask(_TABLES, lambda: asyncio.to_thread(self.catalogue.store.is_current))
        self.meters.load(running=len(self.admission.running), unwritten=self.recorder.waiting)
        self.meters.unready({reason.code: holds for reason, holds in self._looked()})

    def reasons(self) -> list[Reason]:
        """Return why the server is not ready; nothing when it is."""
        return [reason for reason, holds in self._looked() if holds]

    def _looked(self) -> list[tuple[Reason, bool]]:
        oldest = max((self._engines.age(name) for name in self._engines.names()), default=0.0)
        return [
            (_STOPPING, self.admission.running.is_closed),
            (_NO_ENGINE, not self.catalogue.is_ready),
            (_stalled(oldest), oldest > STALE_SECONDS),
            (_FULL, any(self._is_full(name) for name in self._engines.names())),
            (_NO_FILTER, not self.screen.is_ready),
            (_NO_DATABASE, self.admission.grants.blind_seconds > BLIND_SECONDS),
            (_OTHER_TABLES, self._tables.said(_TABLES) is False),
            (_NO_LOG, self.recorder.is_full),
        ]

    def _is_full(self, name: str) -> bool:
        """Say whether nothing more may wait for an engine, as it said last."""
        waiting = (self._engines.said(name) or {}).get("queued", 0)
        return bool(waiting and waiting >= self.catalogue.options.max_waiting)

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                self.beat()
            except Exception as error:
                logger.error("looking after the server failed and goes on", exc_info=error)


def _stalled(seconds: float) -> Reason:
    return Reason("engine_stalled", f"An engine has not ended a step for {seconds:.0f} seconds; its log says more.")


_STOPPING = Reason("stopping", "The server is being stopped; try again in a moment.")
_NO_ENGINE = Reason("engine_not_ready", "An engine is not ready; try again in a moment.")
_FULL = Reason("overloaded", "As many requests wait for an engine as may wait; try again in a moment.")
_NO_FILTER = Reason("content_filter_unavailable", "The content filter is not ready; try again in a moment.")
_NO_DATABASE = Reason("database_unavailable", "The database does not answer; the server's log says why.")
_OTHER_TABLES = Reason(
    "database_version", "The database has the tables of another version; run `tutelage db upgrade` and restart."
)
_NO_LOG = Reason("request_log_unavailable", "Requests cannot be recorded at the moment; the server's log says why.")
