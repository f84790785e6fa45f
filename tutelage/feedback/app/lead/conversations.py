"""Beginning conversations with labelers: about a label, about an output, or with the labeler alone."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.errors import DataError
from tutelage.store import accounts, audit, messages
from tutelage.store.accounts import Person
from tutelage.store.audit import Event
from tutelage.store.messages import Message, Thread
from tutelage.web.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class To:
    """Whom to write to, and about what: an assignment and the output by the id that this labeler saw."""

    labeler: str
    assignment_id: str = ""
    output: str = ""


def people_of(here: Site) -> dict[str, Person]:
    """Return, by pseudonym, who can be written to."""
    return {one.labeler: one for one in accounts.all_people(here.store) if one.labeler}


def begin(here: Site, person: Person, to: Sequence[To], fields: dict[str, str]) -> str:
    """Send one message to each, as a conversation of its own; return where the reader goes on.

    Conversations are named by the form, so that a form that is sent twice begins each once.
    """
    known = people_of(here)
    if not to or not all(one.labeler in known for one in to):
        raise DataError(here.pages.words("lead.write.whom"))
    form = fields.get("id") or secrets.token_hex(8)
    for number, one in enumerate(to):
        name = f"{form}-{number}"
        opening = Thread(id=name, person=known[one.labeler].id, assignment_id=one.assignment_id, output=one.output)
        event = Event(actor=person.id, action="message.send", subject=name)
        store = audit.audited(here.store, event, now=here.now())
        made = Message(id=name, thread=name, author=person.id, text=fields.get("text", ""))
        messages.send(store, made, now=here.now(), opening=opening)
    return f"/messages/{name}" if len(to) == 1 else "/messages"
