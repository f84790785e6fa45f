"""What the misuse monitor reads of the request log: a day's calls of an application, and counts of its week."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, cast, extract, func, select

from tutelage.store import batches
from tutelage.store.application_tables import applications
from tutelage.store.case_tables import monitored
from tutelage.store.database import Store
from tutelage.store.request_tables import request_hits, requests

#: The share of live calls that people look at although nothing was found in them: what the filter misses is seen there.
REVIEWED_SHARE = 0.01
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A call of the day, with the severities of its hits by category."""

    row: Any
    severities: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """An application's week up to a time: `day` in order of time, `hours` with the last one last, both as the monitor's
    window has them; `networks` of keys that were used for at least a day, without the last hour's."""

    day: tuple[Seen, ...]
    hours: tuple[int, ...]
    use_cases: dict[str, int]
    networks: dict[str, frozenset[str]]


def changed(store: Store, *, now: datetime) -> list[str]:
    """Return the applications that sent something since they were last looked at."""
    newest = (
        select(requests.c.application_id, func.max(requests.c.created).label("newest"))
        .where(requests.c.application_id != "", requests.c.created > now - WEEK, requests.c.created <= now)
        .group_by(requests.c.application_id)
        .subquery()
    )
    query = (
        select(newest.c.application_id)
        .join(applications, applications.c.id == newest.c.application_id)
        .outerjoin(monitored, monitored.c.application_id == newest.c.application_id)
        .where((monitored.c.until.is_(None)) | (monitored.c.until < newest.c.newest))
        .order_by(newest.c.application_id)
    )
    with store.read() as connection:
        return list(connection.scalars(query))


def looked_at(store: Store, application: str, *, now: datetime) -> None:
    """Note that an application was looked at; until it sends something, it is not looked at again."""
    row = {"application_id": application, "until": now}
    with store.write() as connection:
        batches.insert_new(connection, monitored, [row])
        connection.execute(monitored.update().where(monitored.c.application_id == application).values(row))


def week(store: Store, application: str, *, now: datetime, most: int) -> Week:
    """Read an application's week; of the day at most the newest `most` calls."""
    with store.read() as connection:
        return Week(
            day=_day(connection, application, now, most),
            hours=_hours(connection, application, now),
            use_cases=_use_cases(connection, application, now),
            networks=_networks(connection, application, now),
        )


def sandboxed(store: Store, *, now: datetime, most: int) -> list[Any]:
    """Return the week's newest calls (id, application_id, organisation_id, network_hash, created) of sandboxes."""
    query = (
        select(
            requests.c.id,
            requests.c.application_id,
            requests.c.organisation_id,
            requests.c.network_hash,
            requests.c.created,
        )
        .join(applications, applications.c.id == requests.c.application_id)
        .where(applications.c.state.in_(("sandbox", "in_review", "changes_requested")))
        .where(requests.c.network_hash != "", requests.c.created > now - WEEK, requests.c.created <= now)
        .order_by(requests.c.created.desc())
        .limit(most)
    )
    with store.read() as connection:
        return list(connection.execute(query))


def is_reviewed(store: Store, request: str) -> bool:
    """Say whether a call is one of the share that people look at although nothing was found in it.

    It follows from the call's id and the store's salt, so that the gateway, which keeps what was said, and the monitor
    agree, and nobody outside can tell.
    """
    return int(store.digest("reviewed", request)[:13], 16) / 16**13 < REVIEWED_SHARE


def reviewed(store: Store, *, since: datetime, until: datetime) -> list[tuple[str, str]]:
    """Return the calls (id, application) of live applications to be looked at although nothing was found in them."""
    query = (
        select(requests.c.id, requests.c.application_id)
        .join(applications, applications.c.id == requests.c.application_id)
        .where(applications.c.state == "live", requests.c.action == "served")
        .where(requests.c.prompt_severity == 0, requests.c.completion_severity == 0)
        .where(requests.c.created > since, requests.c.created <= until)
        .order_by(requests.c.id)
    )
    with store.read() as connection:
        rows = connection.execute(query).all()
    return [(row.id, row.application_id) for row in rows if is_reviewed(store, row.id)]


def _of(application: str, since: datetime, until: datetime) -> tuple[Any, ...]:
    return (
        requests.c.application_id == application,
        requests.c.created > since,
        requests.c.created <= until,
    )


def _day(connection: Any, application: str, now: datetime, most: int) -> tuple[Seen, ...]:
    query = select(requests).where(*_of(application, now - DAY, now))
    rows = list(connection.execute(query.order_by(requests.c.created.desc(), requests.c.id.desc()).limit(most)))
    severities: dict[str, dict[str, int]] = defaultdict(dict)
    hits = select(request_hits).where(
        request_hits.c.application_id == application, request_hits.c.created > now - DAY, request_hits.c.created <= now
    )
    for hit in connection.execute(hits):
        found = severities[hit.request_id]
        found[hit.category] = max(found.get(hit.category, 0), hit.severity)
    return tuple(Seen(row=row, severities=severities.get(row.id, {})) for row in reversed(rows))


def _hours(connection: Any, application: str, now: datetime) -> tuple[int, ...]:
    """Count calls by the hour, back from now; the column's seconds since 1970 are rounded to whole ones."""
    end = int(now.timestamp())
    age = (end - cast(extract("epoch", requests.c.created), BigInteger)) // 3600
    query = select(age.label("age"), func.count().label("calls")).where(*_of(application, now - WEEK, now))
    counts = {int(row.age): row.calls for row in connection.execute(query.group_by("age"))}
    return tuple(counts.get(hours, 0) for hours in range(max(counts, default=0), -1, -1))


def _use_cases(connection: Any, application: str, now: datetime) -> dict[str, int]:
    query = (
        select(requests.c.use_case, func.count().label("calls"))
        .where(*_of(application, now - WEEK, now), requests.c.use_case != "")
        .group_by(requests.c.use_case)
    )
    return {row.use_case: row.calls for row in connection.execute(query)}


def _networks(connection: Any, application: str, now: datetime) -> dict[str, frozenset[str]]:
    query = (
        select(requests.c.key_id, requests.c.network_hash, func.min(requests.c.created).label("first"))
        .where(*_of(application, now - WEEK, now - HOUR), requests.c.key_id != "", requests.c.network_hash != "")
        .group_by(requests.c.key_id, requests.c.network_hash)
    )
    known: dict[str, set[str]] = defaultdict(set)
    since: dict[str, datetime] = {}
    for row in connection.execute(query):
        known[row.key_id].add(row.network_hash)
        since[row.key_id] = min(since.get(row.key_id, row.first), row.first)
    return {key: frozenset(networks) for key, networks in known.items() if since[key] <= now - DAY}
