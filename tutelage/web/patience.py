"""HTTP for clients that are slow, silent or many, on purpose or not: each holds a connection only for so long.

uvicorn waits for ever for the first request of a connection, for the rest of a request's head, and for a client that
reads nothing of its answer. Here all three end, and so does the wait of the call behind them.
"""

from __future__ import annotations

import asyncio
import json

from uvicorn.protocols.http.h11_impl import H11Protocol

from tutelage.web.errors import ApiError

#: Connections of one process; the next one is told to come back after so many seconds.
MOST_CONNECTIONS = 1000
RETRY_SECONDS = 5
#: How long the head of a request may take, from the connection or from its first byte.
HEAD_SECONDS = 20.0
#: How long an answer may wait for a client that does not read it.
STALL_SECONDS = 30.0


class PatientProtocol(H11Protocol):
    """A connection with an end to every wait for its client."""

    most_connections, head_seconds, stall_seconds = MOST_CONNECTIONS, HEAD_SECONDS, STALL_SECONDS
    _head: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, or refuse a connection too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            transport.write(_full())
            transport.close()
            return
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._watch_head()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._stall = self.loop.call_later(self.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        self._stop_stall()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that is not used any more, whether or not the client reads the end of its answer."""
        super().timeout_keep_alive_handler()
        self._stop_stall()
        self._stall = self.loop.call_later(self.stall_seconds, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._stop_head()
        self._stop_stall()

    def _watch_head(self) -> None:
        """Give the client so long for what is no request yet, and as long as it takes while one is answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_head()
        elif self._head is None and not self.transport.is_closing():
            self._head = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _stop_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


def _full() -> bytes:
    message = f"The server has as many connections as it can; try again in {RETRY_SECONDS} seconds."
    body = json.dumps(ApiError(503, message, code="overloaded").body()).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"Retry-After: {RETRY_SECONDS}",
        "Connection: close",
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
