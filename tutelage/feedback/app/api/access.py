"""Who asks the API: the person behind an access token, and how often a token may ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from tutelage.feedback.actor import Actor
from tutelage.store import Store, tokens
from tutelage.store.accounts import LABELING, Person, Role
from tutelage.store.tokens import Token
from tutelage.web.errors import ApiError
from tutelage.web.site import Here, Site

BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A personal access token, made on one's account page. A cookie is no way in here.",
)
Given = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A request's person and token, and the application's site."""

    here: Site
    person: Person
    token: Token

    @property
    def actor(self) -> Actor:
        """Return who does what this request asks for."""
        return Actor(person=self.person, token=self.token.id)

    @property
    def store(self) -> Store:
        """Return the store."""
        return self.here.store

    @property
    def now(self) -> datetime:
        """Return the time by the application's one clock."""
        return self.here.now()


@dataclass(slots=True, kw_only=True)
class Allowance:
    """How often each token may ask: `burst` requests at once, and `per_minute` of them come back in a minute."""

    per_minute: int
    burst: int
    _left: dict[str, tuple[float, datetime]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, token: str, *, now: datetime) -> float:
        """Count a request; return 0, or after how many seconds to try again."""
        with self._lock:
            left, since = self._left.get(token, (float(self.burst), now))
            left = min(self.burst, left + (now - since).total_seconds() * self.per_minute / 60)
            if left < 1:
                return (1 - left) * 60 / self.per_minute
            self._left[token] = (left - 1, now)
            return 0.0


def admit(request: Request, here: Here, given: Given) -> Asking:
    """Return who asks; refuse everything without a token that works."""
    found = tokens.find(here.store, given.credentials, now=here.now()) if given else None
    if found is None:
        raise ApiError(
            401,
            "The access token is missing, wrong or over; send `Authorization: Bearer TOKEN`. Tokens are made on your "
            "account page.",
            code="invalid_token",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if found.person.role not in LABELING:
        raise _wrong_role()
    allowance: Allowance = request.app.state.allowance
    if wait := allowance.take(found.token.id, now=here.now()):
        seconds = int(wait) + 1
        message = f"This token asks too often; try again in {seconds} seconds."
        raise ApiError(429, message, code="too_often", headers={"Retry-After": str(seconds)})
    return Asking(here=here, person=found.person, token=found.token)


#: A handler's parameter `asking: By` is who asks.
By = Annotated[Asking, Depends(admit)]


def labelers(asking: By) -> None:
    """Let in who works through the queue; a dependency."""
    if not asking.person.labels:
        raise ApiError(403, "Only labelers work here; ask your lead to let you label.", code="wrong_role")


def only(*roles: Role) -> Callable[[Asking], None]:
    """Return a dependency that lets these roles in and refuses the others with 403."""

    def check(asking: By) -> None:
        if asking.person.role not in roles:
            raise _wrong_role()

    return check


def _wrong_role() -> ApiError:
    return ApiError(403, "This is not open to you; ask an administrator if it should be.", code="wrong_role")
