"""Who asks: the session of a request, the roles that a route admits, and proof that our own page sent a form.

Everything is refused that no rule admits: `admit` is a dependency of the whole application, routes without `public`
need a session, and an area's router says with `require` whom it lets in.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Response

from tutelage.store import sessions
from tutelage.store.accounts import Person, Role
from tutelage.store.sessions import Session
from tutelage.web.errors import ApiError
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

SAFE = {"GET", "HEAD", "OPTIONS"}
#: The field of a form, and the header of a script's request, that carry the session's proof.
FIELD, HEADER = "csrf", "x-csrf-token"
Handler = TypeVar("Handler", bound=Callable[..., Any])


class SignInNeededError(ApiError):
    """Nobody is signed in; a page leads to signing in instead."""

    def __init__(self) -> None:
        super().__init__(401, "You are not signed in; sign in and try again.", code="not_signed_in")


def public(handler: Handler) -> Handler:
    """Mark a route's handler as open to everybody."""
    handler.is_public = True  # type: ignore[attr-defined]
    return handler


def session(request: Request, here: Here) -> Session | None:
    """Return the session that the request's cookie names, None without one."""
    token = request.cookies.get(_cookie(here), "")
    return sessions.find(here.store, token, now=here.now()) if token else None


FoundSession = Annotated[Session | None, Depends(session)]


async def current_session(found: FoundSession) -> Session:
    """Return the session; without one the request is refused."""
    if found is None:
        raise SignInNeededError
    return found


CurrentSession = Annotated[Session, Depends(current_session)]


async def current(session: CurrentSession) -> Person:
    """Return who is signed in; nobody is refused."""
    return session.person


#: A handler's parameter `person: Current` is who asks.
Current = Annotated[Person, Depends(current)]


def require(*roles: Role) -> Callable[[Person], Awaitable[Person]]:
    """Return a dependency that lets these roles in and refuses the others with 403."""

    async def check(person: Current) -> Person:
        if person.role not in roles:
            raise ApiError(403, "This is not open to you; ask an administrator if it should be.", code="wrong_role")
        return person

    return check


async def require_labeler(person: Current) -> Person:
    """Let in who works through the queue, whatever else the person does here; a dependency of a router."""
    if not person.labels:
        raise ApiError(403, "Only labelers work here; ask your lead to let you label.", code="wrong_role")
    return person


async def admit(request: Request, here: Here, found: FoundSession, fields: Fields) -> None:
    """Refuse what no rule admits: a dependency of every route of the application."""
    request.state.session = found
    _check_address(request)
    if request.method not in SAFE:
        _check_origin(request)
        if found and not _is_proof(here, found, fields.get(FIELD) or request.headers.get(HEADER, "")):
            raise ApiError(403, "This page is too old to be sent; reload it and try again.", code="stale_page")
    endpoint = getattr(request.scope.get("route"), "endpoint", None)
    if found is None and not getattr(endpoint, "is_public", False):
        raise SignInNeededError


def proof(here: Site, found: Session | None) -> str:
    """Return what a form of this session must bring (CSRF); no other site can read or guess it."""
    return here.store.digest("csrf", found.id)[:32] if found else ""


def sign_in(response: Response, here: Site, token: str) -> None:
    """Give the browser the cookie of a session."""
    response.set_cookie(
        _cookie(here),
        token,
        max_age=int(sessions.LIFETIME.total_seconds()),
        path="/",
        secure=here.is_encrypted,
        httponly=True,
        samesite="lax",
    )


def sign_out(response: Response, here: Site) -> None:
    """Take the cookie back."""
    response.delete_cookie(_cookie(here), path="/", secure=here.is_encrypted, httponly=True, samesite="lax")


def _cookie(here: Site) -> str:
    # The prefix makes browsers refuse the cookie from a subdomain or without encryption; they need https for it.
    return "__Host-tutelage" if here.is_encrypted else "tutelage"


def _is_proof(here: Site, found: Session, given: str) -> bool:
    return hmac.compare_digest(proof(here, found).encode(), given.encode("utf-8", "replace"))


def _check_address(request: Request) -> None:
    """Refuse an address with a NUL: no name has one, and not every database takes one."""
    asked = (part for pair in request.query_params.multi_items() for part in pair)
    if any("\0" in part for part in (request.scope["path"], *asked)):
        raise ApiError(400, "This address holds a character that no address here has; start from the home page.")


def _check_origin(request: Request) -> None:
    """Refuse what another site's page makes a browser send, signing in included; programs send neither header."""
    site = request.headers.get("sec-fetch-site")
    if site is None:
        origin = request.headers.get("origin")
        is_ours = origin is None or origin.partition("://")[2] == request.headers.get("host")
    else:
        is_ours = site in ("same-origin", "none")
    if not is_ours:
        raise ApiError(403, "This came from a page of another site; open the page here and try again.")
