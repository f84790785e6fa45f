"""Who is let in: nobody without a key, save on this machine while there is no application. Decision 039 says why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from tutelage.errors import DatabaseAwayError
from tutelage.serve.admission.grants import BLIND_SECONDS, LOCAL, Grant, Grants, unreachable, wrong_key
from tutelage.serve.admission.running import Running, stopping
from tutelage.store.keys import Scope as KeyScope
from tutelage.web import errors
from tutelage.web.errors import ApiError
from tutelage.web.listening import is_loopback

#: What is open to everybody, exactly as written: it says nothing about models or customers.
PUBLIC = frozenset({"/healthz", "/readyz"})


class Gate:
    """Let a request pass with what its key gives on `request.state.grant`; refuse every other one, known path or not.

    It stands before the routes, so that no route, mount, method or spelling of a path can be forgotten.
    """

    def __init__(self, app: ASGIApp, grants: Grants, is_private: bool, running: Running | None = None) -> None:
        self._app, self._grants, self._is_private, self._running = app, grants, is_private, running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the refusal."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] in PUBLIC):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks anything else
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            if self._running is not None and self._running.is_closed:
                raise stopping()
            if self._grants.blind_seconds > BLIND_SECONDS:
                await self._grants.refresh()
            scope.setdefault("state", {})["grant"] = await self._grant(scope)
        except ApiError as error:
            await errors.refuse(error, scope, receive, send)
            return
        except DatabaseAwayError as error:
            await errors.refuse(unreachable(error), scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _grant(self, scope: Scope) -> Grant:
        headers = Headers(scope=scope)
        return local_grant(headers, self._grants, self._is_private) or await self._grants.of(_bearer(headers))


def local_grant(headers: Headers, grants: Grants, is_private: bool) -> Grant | None:
    """Return what anybody on this machine gets while there is no application, None otherwise."""
    if not is_private or grants.needs_key:
        return None
    # A page elsewhere can make a browser call us under its own name; it cannot choose ours.
    if not is_loopback(_host(headers)):
        raise ApiError(403, "This server without a key answers only as localhost or 127.0.0.1.")
    return LOCAL


def grant_of(request: Request) -> Grant:
    """Return what the gate let this request in with."""
    found: Grant = request.state.grant
    return found


def needs(scope: KeyScope) -> Callable[[Request], Awaitable[None]]:
    """Return a dependency that refuses keys without this scope; every route of ours has one, or takes any key."""

    async def check(request: Request) -> None:
        if scope not in grant_of(request).scopes:
            raise ApiError(
                403, f"This API key may not do this; make one with the scope {scope!r}.", code="missing_scope"
            )

    return check


def _host(headers: Headers) -> str:
    """Return the name under which the request was sent, "" where it has none that can be read."""
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _bearer(headers: Headers) -> str:
    """Return the one key that the request brings; two are as good as none."""
    given = headers.getlist("authorization")
    scheme, _, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer":
        raise wrong_key()
    return key.strip(" ")
