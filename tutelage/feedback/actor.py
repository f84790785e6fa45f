"""Who does something: a person at a page, or a program that brings an access token of that person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tutelage.store import Store, audit
from tutelage.store.accounts import Person
from tutelage.store.audit import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person, and the id of the access token that a program brought, "" for a page.

    What a program does with a token is its person's doing, and both are written down.
    """

    person: Person
    token: str = ""

    def event(self, action: str, subject: str = "", **details: Any) -> Event:
        """Return what the audit log says of something that this actor does."""
        told = {**details, "token": self.token} if self.token else details
        return Event(actor=self.person.id, action=action, subject=subject, details=told)

    def audited(self, store: Store, action: str, subject: str, *, now: datetime, **details: Any) -> Store:
        """Return the store as a function that changes it should see it: the change is in the audit log."""
        return audit.audited(store, self.event(action, subject, **details), now=now)

    def marked(self, store: Store, *, now: datetime) -> Store:
        """Return the store for a function that writes its own row into the log: a second row names the token."""
        return self.audited(store, "token.use", self.token, now=now) if self.token else store
