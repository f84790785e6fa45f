"""What operators count in the database."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Column, Connection, func, select

from tutelage.store.application_tables import applications
from tutelage.store.case_tables import cases
from tutelage.store.database import Store
from tutelage.store.job_tables import jobs

#: How many rows have each combination of values.
Counts = dict[tuple[str, ...], int]


class Found(NamedTuple):
    """Jobs by kind and state, the monitor's cases by signal (or kind) and verdict, applications by state."""

    jobs: Counts
    cases: Counts
    applications: Counts


def counts(store: Store) -> Found:
    """Count in one reading."""
    with store.read() as connection:
        by_signal: Counts = {}
        for (signal, kind, verdict), count in _counted(connection, *cases.c["signal", "kind", "verdict"]).items():
            name = signal or kind
            by_signal[name, verdict] = by_signal.get((name, verdict), 0) + count
        return Found(
            jobs=_counted(connection, *jobs.c["kind", "state"]),
            cases=by_signal,
            applications=_counted(connection, applications.c.state),
        )


def _counted(connection: Connection, *columns: Column[str]) -> Counts:
    query = select(*columns, func.count()).group_by(*columns)
    return {tuple(map(str, row[:-1])): int(row[-1]) for row in connection.execute(query)}
