"""People for tests, as their invitations make them."""

from __future__ import annotations

from tests.feedback.conftest import NOW
from tutelage.store import Store, accounts, organisations
from tutelage.store.accounts import Offer, Person, Role


def someone(store: Store, role: Role, name: str = "", group: str = "") -> Person:
    """Let a person in; their name is their role unless another one is given. A customer gets an organisation."""
    groups = {"candidate": "training", "labeler": "training", "researcher": "researcher"}
    made = organisations.create(store, f"The firm of {name or role}", by="", now=NOW).id if role == "customer" else ""
    offer = Offer(role=role, group=group or groups.get(role, ""), organisation=made)  # type: ignore[arg-type]
    token = accounts.invite(store, offer, by="", now=NOW)
    return accounts.enter(store, token, name or role, "no hash", now=NOW)
