"""Who the console is for, and things that its pages look up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from fastapi import Depends

from tutelage.govern import review
from tutelage.store import Store, accounts, applications
from tutelage.store.accounts import STAFF
from tutelage.store.applications import Application
from tutelage.web.access import require

#: The dependency of every router here, and of what only administrators do.
REVIEWERS = [Depends(require(*STAFF))]
ADMINISTRATORS = [Depends(require("admin"))]


def names(store: Store) -> Mapping[str, str]:
    """Return people's names by their ids."""
    return {person.id: person.name for person in accounts.all_people(store)}


def queue(store: Store) -> list[tuple[Application, datetime, review.Tier]]:
    """Return applications under review with the time by which they are due, those due first first."""
    sent = applications.sent_in(store)
    waiting = applications.find(store, states=("in_review",))
    found = [(one, sent.get(one.id, one.changed) + review.WAITS, review.tier(one.form)) for one in waiting]
    return sorted(found, key=lambda one: (one[1], one[0].id))
