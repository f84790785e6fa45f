"""Applications: what is done with the API, and whether it may be. Every change is in the audit log.

An application moves between its states by one function, `move`, along the arrows of `MOVES`; a gateway serves it in
the states of `SERVES`, and reads what `state_at` says. Nothing leads out of `revoked`.
"""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Row, Select, func, select, update

from tutelage.errors import ConflictError, DataError, MissingError, RefusedError
from tutelage.store import audit, counters, standing
from tutelage.store.application_forms import (
    SANDBOX,
    Conditions,
    DataUse,
    Form,
    Limits,
    check_conditions,
    check_form,
    conditions_of,
    form_of,
    to_json,
)
from tutelage.store.application_tables import application_moves, applications, organisations, quotas
from tutelage.store.database import Store
from tutelage.store.organisations import checked_name
from tutelage.store.standing import Actor

State = Literal["draft", "sandbox", "in_review", "changes_requested", "live", "suspended", "revoked", "expired"]
STATES: tuple[State, ...] = get_args(State)
#: In these states an application's keys give something.
SERVES: frozenset[State] = frozenset({"sandbox", "in_review", "changes_requested", "live"})
#: In these its customer may still change the form.
EDITABLE: frozenset[State] = frozenset({"draft", "sandbox", "changes_requested"})
_LONGEST_REASON = 2000

_CUSTOMER: frozenset[Actor] = frozenset({"customer"})
_STAFF: frozenset[Actor] = frozenset({"staff"})
_EITHER: frozenset[Actor] = frozenset({"customer", "staff"})
_LADDER: frozenset[Actor] = frozenset({"staff", "monitor"})
_CLOCK: frozenset[Actor] = frozenset({"staff", "clock"})
#: From where an application may go, and who may move it there. A move from live to live changes its conditions.
MOVES: Mapping[State, Mapping[State, frozenset[Actor]]] = {
    "draft": {"sandbox": _CUSTOMER, "suspended": _STAFF},
    "sandbox": {"in_review": _CUSTOMER, "suspended": _LADDER, "revoked": _STAFF},
    # Its customer takes it back, or a reviewer refuses it.
    "in_review": {
        "sandbox": _EITHER,
        "changes_requested": _STAFF,
        "live": _STAFF,
        "suspended": _LADDER,
        "revoked": _STAFF,
    },
    "changes_requested": {"in_review": _CUSTOMER, "sandbox": _CUSTOMER, "suspended": _LADDER, "revoked": _STAFF},
    "live": {"live": _STAFF, "sandbox": _LADDER, "suspended": _LADDER, "expired": _CLOCK, "revoked": _STAFF},
    "suspended": {"sandbox": _STAFF, "live": _STAFF, "revoked": _STAFF},
    "expired": {"sandbox": _CUSTOMER, "in_review": _CUSTOMER, "suspended": _STAFF, "revoked": _STAFF},
    "revoked": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What is done with the API, as it is now. `reason` is the last word of a reviewer to its customer.

    `conditions` stay with a live application that is suspended. `revocation_by` is who asked for it to be revoked, None
    while nobody does. `data_use` is what its customer chose, under the notice of `notice_version`.
    """

    id: str
    organisation: str
    organisation_name: str
    is_organisation_active: bool
    name: str
    form: Form
    state: State
    conditions: Conditions | None
    reason: str
    share: float
    data_use: DataUse
    notice_version: str
    revocation_by: str | None
    revocation_reason: str
    author: str
    created: datetime
    changed: datetime

    def state_at(self, now: datetime) -> State:
        """Return the state that holds: conditions that ran out end a live application, whether or not it was moved."""
        ends = self.conditions.expires if self.conditions else None
        return "expired" if self.state == "live" and ends is not None and ends <= now else self.state

    @property
    def limits(self) -> Limits:
        """Return how much it may ask for."""
        limits = self.conditions.limits if self.state == "live" and self.conditions else SANDBOX
        return limits.scaled(self.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A step of an application, or a change of its conditions."""

    before: State
    after: State
    by: str
    reason: str
    conditions: Conditions | None
    created: datetime


def create(store: Store, organisation: str, name: str, form: Form, *, by: str, now: datetime) -> Application:
    """Add an application as a draft, which serves nobody and may still say too little."""
    check_form(form, is_draft=True)
    row = {
        "id": f"app-{secrets.token_hex(6)}",
        "organisation": organisation,
        "name": checked_name(name, "application"),
        "form": to_json(form),
        "state": "draft",
        "share": 1.0,
        "data_use": "none",
        "author": by,
        "created": now,
        "changed": now,
    }
    with store.write() as connection:
        standing.check(connection, by, organisation, _CUSTOMER)
        known = select(organisations.c.id).where(organisations.c.id == organisation)
        if connection.scalar(known) is None:
            raise MissingError("There is no such organisation; reload the list.")
        connection.execute(applications.insert(), row)
        empty = {"minute": 0, "minute_requests": 0, "minute_tokens": 0, "day": 0, "day_tokens": 0}
        connection.execute(quotas.insert(), {"application": row["id"], **empty})
        event = audit.Event(actor=by, action="application.create", subject=str(row["id"]))
        return _done(connection, str(row["id"]), event, now)


def edit(store: Store, application: str, name: str, form: Form, *, by: str, now: datetime) -> Application:
    """Change what a customer says about an application that is not under review or live."""
    with store.write() as connection:
        row = _locked(connection, application)
        standing.check(connection, by, row.organisation, _CUSTOMER)
        check_form(form, is_draft=row.state == "draft")
        if row.state not in EDITABLE:
            raise ConflictError(
                f"This application is {told(row.state)}, and its form can not be changed now; ask its reviewer to "
                "request changes, or make another application."
            )
        values = {"name": checked_name(name, "application"), "form": to_json(form), "changed": now}
        connection.execute(update(applications).where(applications.c.id == application).values(values))
        return _done(
            connection, application, audit.Event(actor=by, action="application.edit", subject=application), now
        )


def move(  # noqa: PLR0913 - one parameter per thing that a step needs
    store: Store,
    application: str,
    to: State,
    *,
    by: str,
    reason: str,
    conditions: Conditions | None = None,
    now: datetime,
) -> Application:
    """Move an application to another state, or a live one to other conditions: the only way there is.

    `by` is a person's id, "" on the command line, or a program ("monitor", "clock"). What staff does needs a reason,
    which the customer reads. Raises MissingError for what is not there or another's, RefusedError for who may not, and
    ConflictError for a step that no arrow of `MOVES` allows.
    """
    with store.write() as connection:
        row = _locked(connection, application)
        before = _state_before(row, to, now)
        actors = _check_step(connection, row, (before, to), by)
        if to in SERVES:
            check_form(form_of(row.form))
        shown = _reason(reason, is_needed="customer" not in actors)
        kept = _kept(row, to, conditions, now)
        values = {
            "state": to,
            "conditions": None if kept is None else to_json(kept),
            "expires": None if kept is None else kept.expires,
            "reason": shown,
            "revocation_by": None if to == "revoked" else row.revocation_by,
            "changed": now,
        }
        connection.execute(update(applications).where(applications.c.id == application).values(values))
        step: dict[str, Any] = {"application": application, "before": before, "after": to, "by": by, "reason": shown}
        step |= {"conditions": values["conditions"], "created": now}
        connection.execute(application_moves.insert(), step)
        details = {"from": before, "to": to, "reason": shown, "conditions": values["conditions"]}
        event = audit.Event(actor=by, action="application.move", subject=application, details=details)
        return _done(connection, application, event, now)


def ask_revocation(store: Store, application: str, *, by: str, reason: str, now: datetime) -> Application:
    """Ask for an application to be revoked for ever; another person confirms it by `move`. It goes on meanwhile."""
    with store.write() as connection:
        row = _locked(connection, application)
        standing.check(connection, by, row.organisation, _STAFF)
        if "revoked" not in MOVES[row.state]:
            raise ConflictError(f"This application is {told(row.state)}; it cannot be revoked.")
        if row.revocation_by is not None:
            raise ConflictError("Somebody asked for this already; another person confirms it.")
        values = {"revocation_by": by, "revocation_reason": _reason(reason, is_needed=True), "changed": now}
        connection.execute(update(applications).where(applications.c.id == application).values(values))
        details = {"reason": values["revocation_reason"]}
        event = audit.Event(actor=by, action="application.ask_revocation", subject=application, details=details)
        return _done(connection, application, event, now)


def drop_revocation(store: Store, application: str, *, by: str, now: datetime) -> Application:
    """Decide that an application is not revoked after all."""
    with store.write() as connection:
        row = _locked(connection, application)
        standing.check(connection, by, row.organisation, _STAFF)
        values = {"revocation_by": None, "revocation_reason": "", "changed": now}
        connection.execute(update(applications).where(applications.c.id == application).values(values))
        event = audit.Event(actor=by, action="application.drop_revocation", subject=application)
        return _done(connection, application, event, now)


def throttle(store: Store, application: str, share: float, *, by: str, reason: str, now: datetime) -> Application:
    """Let an application use a share of its limits, from above 0 to 1, which is all."""
    if not 0 < share <= 1:
        raise DataError(f"The share is {share}; give a number above 0, up to 1.")
    with store.write() as connection:
        row = _locked(connection, application)
        standing.check(connection, by, row.organisation, _LADDER)
        shown = _reason(reason, is_needed=True)
        values = {"share": share, "reason": shown, "changed": now}
        connection.execute(update(applications).where(applications.c.id == application).values(values))
        details = {"from": row.share, "to": share, "reason": shown}
        event = audit.Event(actor=by, action="application.throttle", subject=application, details=details)
        return _done(connection, application, event, now)


def find(store: Store, *, organisation: str = "", states: Sequence[State] = ()) -> list[Application]:
    """Return applications, the last changed first; those of one organisation or in these states."""
    query = rows().order_by(applications.c.changed.desc(), applications.c.id)
    if organisation:
        query = query.where(applications.c.organisation == organisation)
    if states:
        query = query.where(applications.c.state.in_(states))
    with store.read() as connection:
        return [application_of(row) for row in connection.execute(query)]


def get(store: Store, application: str, *, organisation: str = "") -> Application:
    """Return an application; of another organisation than the given one, it is as if it were not there."""
    with store.read() as connection:
        row = connection.execute(rows().where(applications.c.id == application)).one_or_none()
    if row is None or organisation not in ("", row.organisation):
        raise _missing()
    return application_of(row)


def history(store: Store, application: str) -> list[Move]:
    """Return the steps of an application, the first one first."""
    query = select(application_moves).where(application_moves.c.application == application)
    with store.read() as connection:
        return [_move(row) for row in connection.execute(query.order_by(application_moves.c.number))]


def sent_in(store: Store) -> dict[str, datetime]:
    """Return, for each application under review, when its customer sent it in."""
    last = func.max(application_moves.c.created)
    query = (
        select(applications.c.id, last.label("sent"))
        .join(application_moves, application_moves.c.application == applications.c.id)
        .where(applications.c.state == "in_review", application_moves.c.after == "in_review")
        .group_by(applications.c.id)
    )
    with store.read() as connection:
        return {row.id: row.sent for row in connection.execute(query)}


def is_any(store: Store) -> bool:
    """Say whether there is any application: from then on, nobody is served without a key."""
    with store.read() as connection:
        return connection.scalar(select(applications.c.id).limit(1)) is not None


def expire(store: Store, *, now: datetime) -> list[str]:
    """Move live applications whose conditions ran out to `expired`; return their ids."""
    query = select(applications.c.id).where(applications.c.state == "live", applications.c.expires <= now)
    with store.read() as connection:
        over = list(connection.scalars(query.order_by(applications.c.id)))
    for one in over:
        # Another process may have been first.
        with suppress(ConflictError):
            move(store, one, "expired", by="clock", reason="Its conditions ran out.", now=now)
    return over


def told(state: State) -> str:
    """Return a state as a sentence says it."""
    return state.replace("_", " ")


def rows() -> Select[Any]:
    """Return the query for applications with their organisations."""
    shown = organisations.c.name.label("organisation_name"), organisations.c.is_active.label("is_organisation_active")
    return select(applications, *shown).join(organisations, organisations.c.id == applications.c.organisation)


def application_of(row: Row[Any]) -> Application:
    """Return the application of such a row."""
    named = {name: value for name, value in row._mapping.items() if name in Application.__slots__}
    conditions = conditions_of(row.conditions, row.expires)
    return Application(**{**named, "form": form_of(row.form), "conditions": conditions})


def _state_before(row: Row[Any], to: State, now: datetime) -> State:
    """Return from where a step begins: conditions that ran out have ended a live application already."""
    is_over = row.state == "live" and row.expires is not None and row.expires <= now
    return "expired" if is_over and to != "expired" else row.state


def _check_step(connection: Connection, row: Row[Any], step: tuple[State, State], by: str) -> frozenset[Actor]:
    """Return as what `by` may take a step, or refuse it."""
    before, to = step
    allowed = MOVES[before].get(to)
    actors = standing.of(connection, by, row.organisation)
    if allowed is None:
        raise ConflictError(f"This application is {told(before)}; it cannot become {told(to)} from there.")
    if not actors & allowed:
        raise RefusedError("This step is not yours; a customer or somebody who reviews takes it.")
    if to == "revoked" and row.revocation_by is None:
        raise ConflictError("Two people revoke an application: one asks for it, and another confirms.")
    if to == "revoked" and row.revocation_by == by:
        raise RefusedError("You asked for this yourself; another person confirms it.")
    return actors & allowed


def _kept(row: Row[Any], to: State, given: Conditions | None, now: datetime) -> Conditions | None:
    """Return the conditions after a step: given or kept when it ends live, kept while suspended, else none."""
    before = conditions_of(row.conditions, row.expires)
    if to == "live":
        kept = given or before
        if kept is None or (row.state == "suspended" and before is None):
            raise ConflictError("This application was never reviewed; its customer sends it in from the sandbox.")
        return check_conditions(kept, now)
    if given is not None:
        raise DataError("Only a live application has conditions; leave them out.")
    return before if to == "suspended" else None


def _reason(given: str, *, is_needed: bool) -> str:
    shown = given.strip()
    if is_needed and not shown:
        raise DataError("Say why, in words that the customer reads.")
    if len(shown) > _LONGEST_REASON:
        raise DataError(f"The reason has {len(shown)} characters; use at most {_LONGEST_REASON}.")
    return shown


def _locked(connection: Connection, application: str) -> Row[Any]:
    query = select(applications).where(applications.c.id == application).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise _missing()
    return row


def _done(connection: Connection, application: str, event: audit.Event, now: datetime) -> Application:
    """End a transaction: tell gateways and the log, and return the application as it is now."""
    row = connection.execute(rows().where(applications.c.id == application)).one()
    counters.add_one(connection)
    audit.append(connection, event, now=now)
    return application_of(row)


def _missing() -> MissingError:
    return MissingError("There is no such application; reload the list.")


def _move(row: Row[Any]) -> Move:
    return Move(
        before=row.before,
        after=row.after,
        by=row.by,
        reason=row.reason,
        conditions=conditions_of(row.conditions, None),
        created=row.created,
    )
