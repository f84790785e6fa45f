"""What an application may ask for in a minute and in a day: reserved before a call, settled after it.

A reservation is one conditional UPDATE of the application's row, so that any number of calls at once, in any number of
gateways, never hold more than the limits. A reservation whose gateway died is returned after its deadline; should its
call end after all, what it used is counted then. Nothing is counted twice, and nothing is lost.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, delete, select, update

from tutelage.store.application_forms import Limits
from tutelage.store.application_tables import quotas, reservations
from tutelage.store.database import Store

#: How long a call may hold what it reserved; it is longer than any call may take.
HELD = timedelta(minutes=15)
FORGOTTEN = timedelta(days=1)
_MINUTE, _DAY = 60, 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What a call holds. `minute` and `day` are the windows that it counts in, from 1970 in UTC."""

    id: str
    application: str
    tokens: int
    minute: int
    day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A call beyond a limit. `limit` names it (a field of Limits), `most` is how much it is.

    `retry_after` are the seconds until the next window; None when the call asks for more than a window ever has.
    """

    limit: str
    most: int
    retry_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What the present minute and day have used or hold."""

    minute_requests: int
    minute_tokens: int
    day_tokens: int


def reserve(
    store: Store, application: str, *, tokens: int, limits: Limits, now: datetime, requests: int = 1
) -> Reservation | Refused:
    """Hold so many requests and tokens, or say which limit is in the way; what dead gateways held is returned first."""
    asked = {"requests_per_minute": requests, "tokens_per_minute": tokens, "tokens_per_day": tokens}
    for limit, wanted in asked.items():
        if wanted > getattr(limits, limit):
            return Refused(limit=limit, most=getattr(limits, limit), retry_after=None)
    seconds = int(now.astimezone(UTC).timestamp())
    made = Reservation(
        id=secrets.token_hex(12),
        application=application,
        tokens=tokens,
        minute=seconds // _MINUTE,
        day=seconds // _DAY,
    )
    for _ in range(2):
        with store.write() as connection:
            if _take(connection, made, requests, limits):
                row = {"id": made.id, "application": application, "tokens": tokens, "minute": made.minute}
                connection.execute(
                    reservations.insert(), {**row, "day": made.day, "deadline": now + HELD, "is_returned": False}
                )
                return made
        if not return_overdue(store, application=application, now=now):
            break
    return _refused(store, made, asked, limits, now)


def settle(store: Store, reservation: Reservation, *, tokens: int, now: datetime) -> None:
    """Count what a call used in the place of what it held. Settling again changes nothing."""
    with store.write() as connection:
        settle_in(connection, reservation, tokens=tokens, now=now)


def settle_in(connection: Connection, reservation: Reservation, *, tokens: int, now: datetime) -> None:
    """Settle as a part of the caller's transaction."""
    settled = delete(reservations).where(reservations.c.id == reservation.id).returning(reservations.c.is_returned)
    row = connection.execute(settled).one_or_none()
    if row is not None:
        _give_back(connection, reservation, (0 if row.is_returned else reservation.tokens) - tokens)


def return_overdue(store: Store, *, now: datetime, application: str = "") -> int:
    """Return what calls hold whose gateway died, of one application or of all; say how many they were."""
    is_over = and_(reservations.c.deadline <= now, ~reservations.c.is_returned)
    query = select(reservations).where(is_over).order_by(reservations.c.id)
    if application:
        query = query.where(reservations.c.application == application)
    with store.read() as connection:
        found = connection.execute(query).all()
    return sum(_return(store, row) for row in found)


def forget_returned(store: Store, *, now: datetime) -> None:
    """Delete what was returned a day ago: its call will not end any more."""
    with store.write() as connection:
        is_old = and_(reservations.c.is_returned, reservations.c.deadline <= now - FORGOTTEN)
        connection.execute(delete(reservations).where(is_old))


def used(store: Store, application: str, *, now: datetime) -> Used:
    """Return what an application has used or holds now."""
    seconds = int(now.astimezone(UTC).timestamp())
    with store.read() as connection:
        row = connection.execute(select(quotas).where(quotas.c.application == application)).one()
    is_minute, is_day = row.minute >= seconds // _MINUTE, row.day >= seconds // _DAY
    return Used(
        minute_requests=row.minute_requests if is_minute else 0,
        minute_tokens=row.minute_tokens if is_minute else 0,
        day_tokens=row.day_tokens if is_day else 0,
    )


def _take(connection: Connection, made: Reservation, requests: int, limits: Limits) -> bool:
    """Add to the counts of the present windows if all stay within their limits."""
    # A gateway whose clock is behind counts in the later window: going back would begin a window twice.
    is_minute, is_day = quotas.c.minute >= made.minute, quotas.c.day >= made.day
    minute_requests = _present(is_minute, quotas.c.minute_requests) + requests
    minute_tokens = _present(is_minute, quotas.c.minute_tokens) + made.tokens
    day_tokens = _present(is_day, quotas.c.day_tokens) + made.tokens
    fits = and_(
        quotas.c.application == made.application,
        minute_requests <= limits.requests_per_minute,
        minute_tokens <= limits.tokens_per_minute,
        day_tokens <= limits.tokens_per_day,
    )
    taken = update(quotas).where(fits)
    taken = taken.values(
        minute=case((is_minute, quotas.c.minute), else_=made.minute),
        minute_requests=minute_requests,
        minute_tokens=minute_tokens,
        day=case((is_day, quotas.c.day), else_=made.day),
        day_tokens=day_tokens,
    )
    return connection.execute(taken).rowcount == 1


def _return(store: Store, row: Row[Any]) -> bool:
    held = Reservation(id=row.id, application=row.application, tokens=row.tokens, minute=row.minute, day=row.day)
    mine = update(reservations).where(reservations.c.id == held.id, ~reservations.c.is_returned)
    # One at a time: two that return the same ones in another order would wait for each other.
    with store.write() as connection:
        if not connection.execute(mine.values(is_returned=True)).rowcount:
            return False
        _give_back(connection, held, held.tokens)
        return True


def _give_back(connection: Connection, held: Reservation, tokens: int) -> None:
    """Take tokens off the windows that they were counted in, as far as these are still the present ones."""
    if not tokens:
        return
    back = update(quotas).where(quotas.c.application == held.application)
    minute = case((quotas.c.minute == held.minute, quotas.c.minute_tokens - tokens), else_=quotas.c.minute_tokens)
    day = case((quotas.c.day == held.day, quotas.c.day_tokens - tokens), else_=quotas.c.day_tokens)
    connection.execute(back.values(minute_tokens=minute, day_tokens=day))


def _refused(store: Store, made: Reservation, asked: dict[str, int], limits: Limits, now: datetime) -> Refused:
    """Say which limit is in the way, the one that lasts longest."""
    present = used(store, made.application, now=now)
    counts = {
        "tokens_per_day": present.day_tokens,
        "tokens_per_minute": present.minute_tokens,
        "requests_per_minute": present.minute_requests,
    }
    full = [name for name, count in counts.items() if count + asked[name] > getattr(limits, name)]
    # Another call may have given back what was missing between the two looks.
    limit = full[0] if full else "requests_per_minute"
    window = _DAY if limit == "tokens_per_day" else _MINUTE
    return Refused(limit=limit, most=getattr(limits, limit), retry_after=window - now.timestamp() % window)


def _present(is_present: ColumnElement[bool], count: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((is_present, count), else_=0)
