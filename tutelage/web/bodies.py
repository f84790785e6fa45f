"""How long the body of a request may be: an ASGI middleware that stops reading one that is longer."""

from __future__ import annotations

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: A text of a million characters takes up to 12 MB when every one is escaped.
LARGEST_BYTES = 16_000_000


class Limit:
    """Refuse bodies of more than `LARGEST_BYTES` with 413, whether or not the request says how long it is.

    The refusal is raised where the application reads the body, so that it is told in the application's own words.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count what is read of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "")
        read = 0

        async def counted() -> Message:
            nonlocal read
            if told.isdecimal() and int(told[:16]) > LARGEST_BYTES:
                raise HTTPException(413)
            message = await receive()
            read += len(message.get("body", b""))
            if read > LARGEST_BYTES:
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)
