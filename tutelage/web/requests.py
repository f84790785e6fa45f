"""Every request has an id, which its answer carries, and is told in one line of the log when it has ended.

The line names the route as it was written (`/v1/models/{name}`), never the path, a header or a body: these are words of
whoever asks.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tutelage.web import errors

logger = logging.getLogger(__name__)

HEADER = "X-Request-Id"
#: What is taken from a client as an id. A key of ours has underscores.
_HARMLESS = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,63}", re.ASCII)
#: FastAPI's own spans would name paths and queries, and its own logs quote exceptions: words of whoever asks.
UNTRACED: Any = {"tracing": False, "metrics": False, "logs": False}
#: The route of what no route of ours was asked for.
NO_ROUTE = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """A request that has ended. `began` is in seconds since 1970, `started` on the clock that `time.monotonic` reads.

    `status` 0 means that nothing was answered, because the client was gone. `state` is what was noted on the way.
    """

    id: str
    method: str
    route: str
    status: int
    began: float
    started: float
    seconds: float
    headers: Headers
    state: Mapping[str, Any]


#: Counts a request that has ended and returns what the log says of it beside the common facts.
Tell = Callable[[Over], Mapping[str, object]]


def nothing_more(_: Over) -> Mapping[str, object]:
    """Say nothing beside the common facts."""
    return {}


class Requests:
    """The outermost layer of an application: gives ids, answers for bugs, and tells what ended."""

    def __init__(self, app: ASGIApp, tell: Tell = nothing_more) -> None:
        self._app, self._tell = app, tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and tell about it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        state["request_id"] = id = _id(headers)
        began, started, status, is_whole = time.time(), time.monotonic(), 0, False

        async def sending(message: Message) -> None:
            nonlocal status, is_whole
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = id
            await send(message)
            is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            logger.error("a request failed", exc_info=error, extra={"facts": {"request": id}})
            if not status:
                await errors.refuse(errors.told(Request(scope), error), scope, receive, sending)
            elif not is_whole:  # the server breaks the connection, so that nobody takes the answer for whole
                raise
        finally:
            over = Over(
                id=id,
                method=scope["method"],
                route=getattr(scope.get("route"), "path", NO_ROUTE),
                status=status,
                began=began,
                started=started,
                seconds=time.monotonic() - started,
                headers=headers,
                state=state,
            )
            self._log(over)

    def _log(self, over: Over) -> None:
        common = {
            "request": over.id,
            "method": over.method if over.method in _METHODS else "other",
            "route": over.route,
            "status": over.status,
            "ms": round(over.seconds * 1000, 1),
        }
        try:
            more = self._tell(over)
        except Exception as error:  # counting must not take an answer along
            logger.error("a request could not be counted", exc_info=error)
            more = {}
        logger.info("request", extra={"facts": {**common, **more}})


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _id(headers: Headers) -> str:
    given = headers.getlist(HEADER)
    if len(given) == 1 and _HARMLESS.fullmatch(given[0]):
        return given[0]
    return f"req-{secrets.token_hex(12)}"
