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

    def audited(self, store: Store, action: str, subject: str, *, now: datetime, **details: Any) -> Store:
        """Return the store as a function that changes it should see it: the change is in the audit log."""
        told = {**details, "token": self.token} if self.token else details
        return audit.audited(store, Event(actor=self.person.id, action=action, subject=subject, details=told), now=now)
