"""What every handler of a web application can reach: the store, the one clock, the pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from tutelage.store import Store
from tutelage.store.accounts import ROLES, Role
from tutelage.web.passwords import Passwords

if TYPE_CHECKING:
    from tutelage.web.pages import Pages


def utc_now() -> datetime:
    """Return the time: the clock of an application unless a test gives another."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A site's one clock, whether browsers reach it by https (cookies then refuse to travel readable), the cost of
    passwords, and for whom links open something here.
    """

    now: Callable[[], datetime] = utc_now
    is_encrypted: bool = False
    passwords: Passwords = field(default_factory=Passwords)
    roles: tuple[Role, ...] = ROLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An application's store, pages, clock and passwords.

    `is_encrypted`: browsers reach it by https. Links for the `roles` open something here.
    """

    store: Store
    pages: Pages
    now: Callable[[], datetime] = utc_now
    is_encrypted: bool = False
    roles: tuple[Role, ...] = ROLES
    passwords: Passwords = field(default_factory=Passwords)


# Like all dependencies that only look something up: a plain function would be sent to a thread and back.
async def _site(request: Request) -> Site:
    found: Site = request.app.state.site
    return found


#: A handler's parameter `here: Here` is the application's site.
Here = Annotated[Site, Depends(_site)]
