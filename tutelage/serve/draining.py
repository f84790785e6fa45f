"""How a server stops: it takes no new call, lets running ones end for a while, and tells the others that it stops."""

from __future__ import annotations

import signal
import time
from types import FrameType

import uvicorn

from tutelage.serve.admission.running import Running, stopping

#: Seconds in which what was told to end must have been sent, before connections are cut.
LAST_SECONDS = 5


class DrainingServer(uvicorn.Server):
    """A server that SIGTERM or Ctrl-C ends with status 0 when its calls have ended; Ctrl-C meanwhile ends it at once.

    Meanwhile it still listens: who comes is told to go elsewhere (503), and whoever watches sees that it is not ready.
    """

    def __init__(self, config: uvicorn.Config, running: Running, grace: float) -> None:
        super().__init__(config)
        self._running, self._grace = running, grace
        self._until: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        if self._until is None:
            self._running.is_closed = True
            self._until = time.monotonic() + self._grace
        elif sig == signal.SIGINT:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Say whether the server ends now."""
        if self._until is not None and (not len(self._running) or time.monotonic() >= self._until):
            self._running.end_all(stopping())
            self.should_exit = True
        return await super().on_tick(counter)
