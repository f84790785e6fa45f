"""How much was asked for, by day: what customers and operators see of the request log."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import BigInteger, Row, case, cast, extract, func, select

from tutelage.store.database import Store
from tutelage.store.request_tables import requests

_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day's calls, in UTC: all, those that the filter stopped, and those that were refused; and their tokens."""

    day: date
    requests: int = 0
    filtered: int = 0
    refused: int = 0
    tokens: int = 0


def days(store: Store, *, count: int, now: datetime, application: str = "") -> list[Day]:
    """Return the last days up to today, the oldest first; of one application or of all. Days without a call are 0."""
    last = int(now.astimezone(UTC).timestamp()) // _SECONDS
    first = last - count + 1
    # The column's seconds since 1970 are rounded to whole ones.
    number = cast(extract("epoch", requests.c.created), BigInteger) // _SECONDS
    query = (
        select(
            number.label("number"),
            func.count().label("requests"),
            func.sum(case((requests.c.action.in_(("blocked_prompt", "cut")), 1), else_=0)).label("filtered"),
            func.sum(case((requests.c.action == "refused", 1), else_=0)).label("refused"),
            func.sum(requests.c.prompt_tokens + requests.c.completion_tokens).label("tokens"),
        )
        .where(requests.c.created >= datetime.fromtimestamp(first * _SECONDS, UTC), requests.c.application_id != "")
        .group_by("number")
    )
    if application:
        query = query.where(requests.c.application_id == application)
    with store.read() as connection:
        found = {int(row.number): row for row in connection.execute(query)}
    return [_day(found.get(number), number) for number in range(first, last + 1)]


def _day(row: Row[Any] | None, number: int) -> Day:
    day = datetime.fromtimestamp(number * _SECONDS, UTC).date()
    if row is None:
        return Day(day=day)
    counts = {name: int(getattr(row, name)) for name in ("requests", "filtered", "refused", "tokens")}
    return Day(day=day, **counts)
