"""People, invitations and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from tutelage.feedback.wire.parts import Name, Sent, Told


class Person(Told):
    """Somebody who may sign in; `is_mine` says whether the one who asks looks after them."""

    id: str
    name: str
    role: str
    labeler: str
    group: str
    is_active: bool
    is_mine: bool


class Active(Sent):
    """Whether somebody may come in: false suspends, and ends sessions and tokens at once."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"active": False}]})
    active: bool


class Offer(Sent):
    """What an invitation gives: a role and, for labelers, a group; `note` says for whom it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"role": "labeler", "group": "training", "note": "Anna, from Monday"}]}
    )
    role: Name
    group: Name = ""
    note: Annotated[str, Field(max_length=200)] = ""


class Link(Told):
    """A one-time link. It is told this once."""

    link: str
    expires: datetime


class Invitation(Told):
    """An invitation that can still be used; the link itself is kept nowhere."""

    id: str
    role: str
    group: str
    note: str
    invited_by: str
    created: datetime
    expires: datetime


class Entry(Told):
    """An event of the audit log; its hash covers the row before it."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: dict[str, Any]
    hash: str


class Head(Told):
    """How many rows the log has, and the hash of the last one."""

    rows: int
    hash: str
