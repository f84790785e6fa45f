"""How long the body of a request may be: an ASGI middleware that stops reading one that is longer."""

from __future__ import annotations

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Limit:
    """Refuse bodies of more than `most` bytes with 413, whether or not the request says how long it is.

    The refusal is raised where the application reads the body, so that it is told in the application's own words.
    """

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count what is read of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "")
        read = 0

        async def counted() -> Message:
            nonlocal read
            if told.isdecimal() and int(told[:16]) > self._most:
                raise HTTPException(413)
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)
