"""What stands in the line on top of every page, by role; unread conversations are counted there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.feedback.app.words import WORDS
from tutelage.feedback.conversations import ANSWERERS
from tutelage.feedback.leading import SEES
from tutelage.store import Store, messages
from tutelage.store.accounts import LABELING, Person, Role
from tutelage.web.pages import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    path: str
    word: str
    roles: tuple[Role, ...] = LABELING


_MESSAGES = "/messages"
_ENTRIES = (
    _Entry(path="/", word="web.home"),
    _Entry(path="/lead", word="lead.title", roles=SEES),
    _Entry(path="/screening", word="screening.title", roles=("candidate",)),
    _Entry(path="/scoring", word="scoring.title", roles=("researcher",)),
    _Entry(path="/candidates", word="candidates.title", roles=("lead", "researcher", "admin")),
    _Entry(path="/instructions", word="instructions.title"),
    _Entry(path=_MESSAGES, word="messages.title"),
    _Entry(path="/people", word="people.title", roles=("lead", "admin")),
    _Entry(path="/log", word="log.title", roles=("admin",)),
)


def links(store: Store, person: Person) -> Sequence[Link]:
    """Return the links that this person may follow."""
    unread = messages.unread(store, person.id, person="" if person.role in ANSWERERS else person.id)
    news = {_MESSAGES: WORDS("messages.unread", count=unread) if unread else ""}
    return [
        Link(path=entry.path, text=WORDS(entry.word), news=news.get(entry.path, ""))
        for entry in _ENTRIES
        if person.role in entry.roles
    ]
