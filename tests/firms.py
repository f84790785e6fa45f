"""Organisations with people and an application, for tests of who may use the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tutelage.store import Store, accounts, applications, keys, organisations
from tutelage.store.accounts import Offer, Role
from tutelage.store.application_forms import Conditions, Form, Limits
from tutelage.store.applications import Application, State
from tutelage.store.keys import Made, NewKey

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
FORM = Form(
    use_case="chat",
    purpose="Answers the questions of our bakers about flour.",
    audience="own",
    end_users=3,
    is_read_first=True,
    answer_tokens=200,
    requests_per_day=500,
)
#: More than any test uses.
UNLIMITED = Limits(requests_per_minute=10**9, tokens_per_minute=10**12, tokens_per_day=10**12)


def staff(store: Store, name: str, role: Role = "reviewer") -> str:
    """Let a member of staff in; return the id."""
    token = accounts.invite(store, Offer(role=role), by="", now=NOW)
    return accounts.enter(store, token, name, "no hash", now=NOW).id


@dataclass
class Firm:
    """An organisation with one customer and one application; `reviewer` and `other` are staff."""

    store: Store
    organisation: str
    customer: str
    reviewer: str
    other: str
    id: str

    @classmethod
    def of(cls, store: Store, name: str = "Bakery", state: State = "sandbox") -> Firm:
        made = organisations.create(store, name, by="", now=NOW).id
        token = accounts.invite(store, Offer(role="customer", organisation=made), by="", now=NOW)
        customer = accounts.enter(store, token, f"Cleo of {name}", "no hash", now=NOW).id
        reviewer, other = staff(store, f"Rita for {name}"), staff(store, f"Ada for {name}", "admin")
        application = applications.create(store, made, name, FORM, by=customer, now=NOW).id
        firm = cls(store, made, customer, reviewer, other, application)
        if state != "draft":
            firm.move("sandbox", by=customer)
        if state == "live":
            firm.review()
        return firm

    def move(self, to: State, *, by: str | None = None, **more: Any) -> Application:
        """Take a step, as a reviewer unless somebody else is named."""
        given = {"reason": "because", "now": NOW, **more}
        return applications.move(self.store, self.id, to, by=self.reviewer if by is None else by, **given)

    def review(self, conditions: Conditions | None = None) -> Application:
        """Go from the sandbox to live."""
        self.move("in_review", by=self.customer)
        return self.move("live", conditions=conditions or Conditions())

    def key(self, now: datetime = NOW, **more: Any) -> Made:
        """Make a key."""
        new = NewKey(**{"name": "a program", **more})
        return keys.create(self.store, self.id, new, keys.pepper(self.store), by=self.customer, now=now)

    @property
    def now(self) -> Application:
        """Return the application as it is."""
        return applications.get(self.store, self.id)
