"""How long a call may wait for its turn, and take in all."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fastapi import Request

from tutelage.web.errors import ApiError

#: The header by which a caller says after how many seconds an answer is of no use any more.
HEADER = "X-Tutelage-Timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds: `queue` to wait for a turn, `call` from a call's coming in to its end, `grace` to end when we stop."""

    queue: float = 30.0
    call: float = 600.0
    grace: float = 10.0

    def until(self, request: Request) -> float:
        """Return when a call must have ended, on the monotonic clock: in `call` seconds, or earlier if it says so."""
        seconds = self.call
        for value in request.headers.getlist(HEADER):
            seconds = min(seconds, _seconds(value))
        return time.monotonic() + seconds


@contextlib.contextmanager
def ending(until: float, end: Callable[[ApiError], None]) -> Iterator[None]:
    """End what runs in the block when its time is over."""
    timer = asyncio.get_running_loop().call_later(until - time.monotonic(), lambda: end(too_late()))
    try:
        yield
    finally:
        timer.cancel()


def too_late() -> ApiError:
    """Return the error for a call whose time is over; to send it again would not make it faster."""
    message = "The time for this call is over before its answer was complete; ask for fewer tokens, or allow more time."
    return ApiError(504, message, code="deadline_exceeded", headers={"x-should-retry": "false"})


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ApiError(400, f"{HEADER} says how many seconds a call may take: a positive number.", code="timeout")
    return seconds
