"""What was said in requests: read for intake where it was consented to, and by staff who say why.

A person's look is an event of the audit log, in the transaction of the look: there is none without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, exists, select

from tutelage.errors import DataError, MissingError, RefusedError
from tutelage.store import audit, batches
from tutelage.store.accounts import STAFF, Person
from tutelage.store.application_tables import applications
from tutelage.store.applications import State
from tutelage.store.database import Store
from tutelage.store.request_tables import data_uses, feedback, request_contents, request_prompts, requests
from tutelage.store.requests import Choice, Content, Request, Said, request
from tutelage.store.tables import withdrawals

#: Nothing is learned from an application in these states: what it sends may be meant to harm.
DISTRUSTED: tuple[State, ...] = ("suspended", "revoked")
_SHORTEST_REASON = 5
#: Severity of what must never be learned from.
UNSAFE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Consented:
    """A call whose content may be taken in as training data."""

    request: Request
    content: Content


def consented(store: Store) -> list[Consented]:
    """Return, by id, the calls that may be learned from and were not taken in yet.

    That is: sent under a notice for training, answered, nothing in it of severity 2, neither its sender nor its
    application withdrew since, and the application is not one that was stopped for misuse.
    """
    return _read(store, _consented().where(~_is_taken()))


def judged(store: Store) -> list[Consented]:
    """Return, by id, the calls that may be learned from, were taken in, and of which customers said something."""
    said = select(feedback.c.id).where(feedback.c.request_id == requests.c.id, feedback.c.data_use == "training")
    return _read(store, _consented().where(_is_taken(), said.exists()))


def among(store: Store, ids: Sequence[str]) -> dict[str, Consented]:
    """Return those of these calls that may be learned from, by id, whether they were taken in or not."""
    found: dict[str, Consented] = {}
    for part in batches.of(sorted(set(ids))):
        found |= {one.request.id: one for one in _read(store, _consented().where(requests.c.id.in_(part)))}
    return found


def read(store: Store, id: str, *, person: Person, reason: str, now: datetime) -> Content:
    """Return what was said in a request to a reviewer or an administrator, who says why; the look is logged."""
    if person.role not in STAFF or not person.is_active:
        raise RefusedError("Only reviewers and administrators read what customers sent.")
    if len(reason.strip()) < _SHORTEST_REASON:
        raise DataError("Say why you look at this request; the reason is kept.")
    query = select(request_contents).where(request_contents.c.request_id == id)
    with store.write() as connection:
        row = connection.execute(query).one_or_none()
        if row is None:
            raise MissingError("Nothing that was said in this request is kept; it was not to be, or its time is over.")
        details = {"reason": reason.strip(), "kept_for": row.reason}
        event = audit.Event(actor=person.id, action="request.read", subject=id, details=details)
        audit.append(connection, event, now=now)
    return content(row)


def content(row: Row[Any]) -> Content:
    """Return the record of a row of the table `request_contents`."""
    return Content(
        reason=row.reason,
        prompts=tuple(_said(prompt) for prompt in row.prompts),
        choices=tuple(Choice(**choice) for choice in row.choices),
        sampling=dict(row.sampling),
    )


def withdrawn_since(application_id: Any, sent: Any) -> Any:
    """Return the condition that an application withdrew, after a time, what it had sent."""
    return exists(
        select(data_uses.c.number).where(
            data_uses.c.application_id == application_id, data_uses.c.withdraws, data_uses.c.created >= sent
        )
    )


def _consented() -> Select[Any]:
    return (
        select(request_contents)
        .join(requests, requests.c.id == request_contents.c.request_id)
        .where(
            request_contents.c.reason == "training",
            requests.c.data_use == "training",
            requests.c.notice_version != "",
            requests.c.action == "served",
            requests.c.prompt_severity < UNSAFE,
            requests.c.completion_severity < UNSAFE,
            requests.c.end_user.not_in(select(withdrawals.c.user)),
            ~withdrawn_since(requests.c.application_id, requests.c.created),
            requests.c.application_id.not_in(select(applications.c.id).where(applications.c.state.in_(DISTRUSTED))),
        )
        .order_by(requests.c.id)
    )


def _is_taken() -> Any:
    return exists(select(request_prompts.c.prompt_id).where(request_prompts.c.request_id == requests.c.id))


def _read(store: Store, query: Select[Any]) -> list[Consented]:
    with store.read() as connection:
        found = {row.request_id: content(row) for row in connection.execute(query)}
        of = {}
        for part in batches.of(list(found)):
            for row in connection.execute(select(requests).where(requests.c.id.in_(part))):
                of[row.id] = request(row)
    return [Consented(request=of[id], content=said) for id, said in found.items()]


def _said(prompt: Any) -> Said:
    return prompt if isinstance(prompt, str) else tuple((role, text) for role, text in prompt)
