"""Using a one-time link: who it lets in, and the account that it makes. Pages and programs do the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from tutelage.errors import MissingError
from tutelage.store import Store, accounts
from tutelage.store.accounts import Invitation, Person, Role
from tutelage.web.passwords import Passwords


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Who uses a link: the name and password that they chose."""

    name: str
    password: str


def known(store: Store, link: str, roles: Collection[Role], *, now: datetime) -> Invitation | None:
    """Return the invitation of a link, None for none; one for other roles opens nothing on this site."""
    found = accounts.invitation(store, link, now=now)
    return found if found and found.offer.role in roles else None


def invitation(store: Store, link: str, roles: Collection[Role], *, now: datetime) -> Invitation:
    """Return the invitation that a link stands for; looking at it does not use it up."""
    found = known(store, link, roles, now=now)
    if found is None:
        raise MissingError("This link was used already or is too old; ask for a new one.")
    return found


def enter(store: Store, link: str, given: Newcomer, passwords: Passwords, *, now: datetime) -> Person:
    """Use a link that `invitation` found: make its account, or renew the password of the one that it names."""
    password = passwords.hashed(given.password, name=given.name)
    return accounts.enter(store, link, given.name, password, now=now)
