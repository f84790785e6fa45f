"""A labeler's wellbeing: what one would rather not see, and how much of it one saw. Pages and the API do the same."""

from __future__ import annotations

from datetime import datetime, timedelta

from tutelage.feedback.actor import Actor
from tutelage.store import Store, welfare
from tutelage.store.accounts import Person
from tutelage.store.welfare import Content, OptOuts

#: The spans of time in days over which work is counted.
SPANS = (1, 7, 30)


def seen(store: Store, person: Person, *, now: datetime) -> dict[int, tuple[int, dict[Content, int]]]:
    """Count, for each span of days, the work that a labeler opened, and of it what is sensitive, by content."""
    return {days: welfare.exposure(store, person.labeler, since=now - timedelta(days=days)) for days in SPANS}


def choose(store: Store, actor: Actor, chosen: OptOuts, *, now: datetime) -> None:
    """Keep what one opted out of. The log tells that it changed, and not how: why one opts out is nobody's business."""
    audited = actor.audited(store, "welfare.choose", actor.person.id, now=now)
    welfare.choose(audited, actor.person.labeler, chosen, now=now)
