"""The queue before an engine: bounded, and fair between those who ask. No torch here.

Applications take turns, and within each its keys do, so whoever floods the queue waits behind itself. When it is full,
the newest request of whoever has most in it is refused, which need not be the one that came last.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from tutelage.errors import UnavailableError

#: Who asks: an application and its key.
Share = tuple[str, str]
#: Seconds after which somebody is asked to come back, at least and at most.
SOONEST, LATEST = 1, 30
#: How much the last pause between two answers counts in the mean of all.
_NEWS = 0.1


class OverloadedError(UnavailableError):
    """A request that found no room, or waited too long; `retry_after` are the seconds after which there may be some."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How many choices run at once, and how many requests and prompt tokens may wait for them."""

    choices: int = 128
    requests: int = 256
    tokens: int = 1 << 18


@dataclass(slots=True, eq=False)
class _Entry:
    share: Share
    tokens: int
    choices: int
    number: int
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    is_running: bool = False


class FairQueue:
    """Lets requests in. Used in one event loop."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.running = 0
        # By application and key; the first of each level is the next one.
        self._lanes: dict[str, dict[str, deque[_Entry]]] = {}
        self._count = 0
        self._pause, self._ended = 0.0, 0.0

    @property
    def requests(self) -> int:
        """Return how many requests wait."""
        return sum(1 for _ in self._waiting())

    @property
    def tokens(self) -> int:
        """Return how many prompt tokens wait."""
        return sum(entry.tokens for entry in self._waiting())

    @contextlib.asynccontextmanager
    async def turn(
        self, share: Share, *, tokens: int, choices: int, patience: float | None = None
    ) -> AsyncIterator[None]:
        """Wait until a request may run, which it does until the end of the block.

        Raises OverloadedError when there is no room to wait in, or no turn within `patience` seconds.
        """
        self._count += 1
        entry = _Entry(share, tokens, choices, self._count)
        self._lanes.setdefault(share[0], {}).setdefault(share[1], deque()).append(entry)
        try:
            self._let_in()
            self._refuse_excess()
            try:
                async with asyncio.timeout(patience):
                    await entry.turn
            except TimeoutError:
                raise self._overloaded("The request waited too long for its turn") from None
            yield
        finally:
            self._leave(entry)

    def _waiting(self) -> Iterator[_Entry]:
        return (entry for keys in self._lanes.values() for lane in keys.values() for entry in lane)

    def _leave(self, entry: _Entry) -> None:
        if entry.is_running:
            self.running -= entry.choices
            self._note_end()
        elif entry in self._lanes.get(entry.share[0], {}).get(entry.share[1], ()):
            self._remove(entry)
        self._let_in()

    def _let_in(self) -> None:
        """Let in who is next as long as there is room. What is large is not passed by what is small."""
        while self._lanes:
            keys = next(iter(self._lanes.values()))
            entry = next(iter(keys.values()))[0]
            if self.running and self.running + entry.choices > self.bounds.choices:
                return
            self._remove(entry)
            self._go_last(entry.share)
            self.running += entry.choices
            entry.is_running = True
            if not entry.turn.done():  # it may have been cancelled, and leaves in a moment
                entry.turn.set_result(None)

    def _remove(self, entry: _Entry) -> None:
        application, key = entry.share
        keys = self._lanes[application]
        keys[key].remove(entry)
        if not keys[key]:
            del keys[key]
        if not keys:
            del self._lanes[application]

    def _go_last(self, share: Share) -> None:
        """Let the others have their turn first."""
        application, key = share
        if application in self._lanes:
            keys = self._lanes[application] = self._lanes.pop(application)
            if key in keys:
                keys[key] = keys.pop(key)

    def _refuse_excess(self) -> None:
        """Refuse the newest of whoever has most, until what waits is within the bounds."""
        while self.requests > self.bounds.requests:
            self._refuse(self._heaviest(lambda _: 1))
        while self.tokens > self.bounds.tokens:
            self._refuse(self._heaviest(lambda entry: entry.tokens))

    def _heaviest(self, weight: Callable[[_Entry], int]) -> _Entry:
        """Return the newest request of the heaviest key of the heaviest application; of equal ones, of the latest."""

        def order(entries: list[_Entry]) -> tuple[int, int]:
            return sum(map(weight, entries)), max(entry.number for entry in entries)

        keys = max(self._lanes.values(), key=lambda keys: order([entry for lane in keys.values() for entry in lane]))
        return max(keys.values(), key=lambda lane: order(list(lane)))[-1]

    def _refuse(self, entry: _Entry) -> None:
        self._remove(entry)
        if not entry.turn.done():
            entry.turn.set_exception(self._overloaded("More is waiting already than the server can answer soon"))

    def _note_end(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._ended and self._lanes:
            self._pause += _NEWS * (now - self._ended - self._pause)
        self._ended = now

    def _overloaded(self, reason: str) -> OverloadedError:
        seconds = min(LATEST, max(SOONEST, math.ceil(self._pause * (self.requests + 1))))
        return OverloadedError(f"{reason}; try again in {seconds} seconds.", seconds)
