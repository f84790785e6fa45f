"""The calls that run, and the watch that ends those whose key or application may not be served any more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator

from tutelage.errors import UserError
from tutelage.serve.admission.grants import FRESH_SECONDS, LOST_SECONDS, Grant, Grants, unreachable
from tutelage.store import Store, applications, keys, quotas
from tutelage.web.errors import ApiError

logger = logging.getLogger(__name__)

#: How often what dead gateways held is returned, what ran out is moved, and when keys were used is written.
TIDY_SECONDS = 30.0

#: Ends a call at once: what it has not sent yet is never sent, and the client reads this error instead.
Cancel = Callable[[ApiError], None]


class Running:
    """The calls of this process. Used in one event loop."""

    def __init__(self) -> None:
        self._calls: dict[object, tuple[Grant, Cancel]] = {}
        #: Whether the server is about to end, so that no new call is let in.
        self.is_closed = False

    def __len__(self) -> int:
        return len(self._calls)

    @contextlib.contextmanager
    def hold(self, grant: Grant, cancel: Cancel) -> Iterator[None]:
        """Count a call as running until the end of the block."""
        call = object()
        self._calls[call] = (grant, cancel)
        try:
            yield
        finally:
            del self._calls[call]

    def grants(self) -> set[Grant]:
        """Return what the running calls were let in with."""
        return {grant for grant, _ in self._calls.values()}

    def end_all(self, error: ApiError) -> None:
        """End all calls."""
        for _, cancel in list(self._calls.values()):
            cancel(error)

    def end(self, grant: Grant, error: ApiError) -> None:
        """End all calls that were let in with this grant."""
        for held, cancel in list(self._calls.values()):
            if held == grant:
                cancel(error)


def stopping() -> ApiError:
    """Return the error for a call that comes, or has not ended, when the server is told to stop."""
    message = "The server is being stopped; try again in a moment."
    return ApiError(503, message, code="stopping", headers={"Retry-After": "2", "Connection": "close"})


class Watch:
    """Looks every `FRESH_SECONDS` whether anything changed, and ends the calls that may not go on."""

    def __init__(self, grants: Grants, running: Running) -> None:
        self.grants, self.running = grants, running
        self._task: asyncio.Task[None] | None = None
        self._tidied = time.monotonic()
        self._seen = -1

    async def start(self) -> None:
        """Look once, and from now on again and again."""
        await self.grants.refresh()
        self._seen = self.grants.version
        self._task = asyncio.create_task(self._go_on())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(_tidy, self.grants)

    async def step(self) -> None:
        """Look once. While the database is away, calls go on for `LOST_SECONDS`."""
        try:
            await self.grants.refresh()
            seen, self._seen = self._seen, self.grants.version
            await self._end_dead(changed=seen != self._seen)
        except UserError as error:
            if self.grants.blind_seconds > LOST_SECONDS:
                for grant in self.running.grants():
                    self.running.end(grant, unreachable(error))

    async def _end_dead(self, *, changed: bool) -> None:
        now = self.grants.now()
        for grant in self.running.grants():
            if changed or (grant.ends is not None and grant.ends <= now):
                try:
                    await self.grants.now_of(grant)
                except ApiError as error:
                    self.running.end(grant, error)

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(FRESH_SECONDS)
            try:
                await self.step()
                if time.monotonic() - self._tidied > TIDY_SECONDS:
                    self._tidied = time.monotonic()
                    await asyncio.to_thread(_tidy, self.grants)
            except Exception as error:
                # It must not end: without it, nothing that is forbidden would end either.
                logger.error("the watch over running calls failed and goes on", exc_info=error)


def _tidy(grants: Grants) -> None:
    """Return what dead gateways held, move what ran out, and write when keys were used."""
    store: Store = grants.store
    with contextlib.suppress(UserError):
        while grants.used:
            key, moment = grants.used.popitem()
            keys.was_used(store, key, now=moment)
        quotas.return_overdue(store, now=grants.now())
        quotas.forget_returned(store, now=grants.now())
        applications.expire(store, now=grants.now())
