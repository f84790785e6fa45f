"""People, invitations, withdrawals and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from tutelage.feedback.wire.parts import Name, Sent, Told


class Person(Told):
    """Somebody who may sign in; `is_mine` says whether the one who asks looks after them.

    `asked` is when they asked to withdraw, `withdrawn` when they were; null for never.
    """

    id: str
    name: str
    role: str
    labeler: str
    group: str
    is_active: bool
    is_mine: bool
    asked: datetime | None
    withdrawn: datetime | None


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


class Invited(Told):
    """What a link gives; `renews` is the name of the account whose password it renews, "" for a new account."""

    role: str
    group: str
    renews: str
    expires: datetime


class Entering(Sent):
    """The name and password that one chooses, and the program that gets a first access token, for so many days.

    The name is of no account for a link that renews a password.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Anna", "password": "four words without sense", "program": "a script", "days": 30}]
        }
    )
    name: Name = ""
    password: Annotated[str, Field(max_length=1024)]
    program: Name
    days: Annotated[int, Field(ge=1, le=366)] = 30


class Entered(Told):
    """Who came in, and the access token. It is told this once."""

    id: str
    name: str
    role: str
    labeler: str
    group: str
    token: str


class Joining(Sent):
    """The group of labelers to join, for ever."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"group": "training"}]})
    group: Literal["training", "heldout"]


class Stored(Told):
    """What is stored about one's labels, counted; when one asked to withdraw, and when one was withdrawn."""

    counts: dict[str, int]
    asked: datetime | None
    withdrawn: datetime | None


class Learned(Told):
    """A model version that learned from what is withdrawn, from how many."""

    model: str
    version: int
    learned: int


class Withdrawal(Told):
    """What a withdrawal means, or would mean. `who` is a user's hash or a labeler's pseudonym.

    `prompts` and `labels` are left out of every later export; `models` learned from them before.
    """

    who: str
    prompts: int
    labels: dict[str, int]
    models: list[Learned]
    asked: datetime | None = None
    withdrawn: datetime | None = None


class Sure(Sent):
    """That one knows that a withdrawal is for ever."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sure": True}]})
    sure: Literal[True]


class User(Sent):
    """A user, by the name that prompts are sent under or its hash, and that one knows that it is for ever."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user": "customer-7", "sure": True}]})
    user: Annotated[Name, Field(min_length=1)]
    sure: Literal[True]
