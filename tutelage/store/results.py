"""Figures that model versions were judged by, each with its interval and the hash of the files that were judged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, select

from tutelage.errors import DataError, MissingError
from tutelage.records import RegisteredModel
from tutelage.store.database import Store
from tutelage.store.release_tables import model_results
from tutelage.store.tables import models


class Figure(NamedTuple):
    """A mean with its 95 % interval, and the number n of rows that it rests on."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Figures of one version by name, such as `win_rate/sft`.

    `sha256` is the hash of the files that were judged; `source` says what the figures were computed from, and
    `source_sha256` is its hash.
    """

    name: str
    version: int
    sha256: str
    source: str
    source_sha256: str
    figures: Mapping[str, Figure] = field(default_factory=dict)


def record(store: Store, results: Results, *, by: str, now: datetime) -> None:
    """Keep what a version was judged by; figures of other files than those registered are refused."""
    for name, figure in results.figures.items():
        if not (all(map(math.isfinite, figure)) and figure.low <= figure.mean <= figure.high and figure.n > 0):
            raise DataError(f"{name} is {tuple(figure)}, which is no mean within its interval; measure it again.")
    with store.write() as connection:
        key = (models.c.name == results.name, models.c.version == results.version)
        registered = connection.scalar(select(models.c.sha256).where(*key))
        title = f"{results.name}@{results.version}"
        if registered is None:
            raise MissingError(f"{title} is not in the registry; register it first.")
        if registered != results.sha256:
            raise DataError(
                f"{results.source} judged other files (SHA-256 {results.sha256[:12]}) than those of {title} "
                f"({registered[:12]}); evaluate this version."
            )
        row = {
            "name": results.name,
            "version": results.version,
            "sha256": results.sha256,
            "source": results.source,
            "source_sha256": results.source_sha256,
            "figures": {name: list(figure) for name, figure in results.figures.items()},
            "by": by,
            "created": now,
        }
        connection.execute(model_results.insert(), row)


def of(store: Store, model: RegisteredModel) -> list[Results]:
    """Return all results of a version, the oldest first."""
    query = (
        select(model_results)
        .where(model_results.c.name == model.name, model_results.c.version == model.version)
        .order_by(model_results.c.number)
    )
    with store.read() as connection:
        return [_results(row) for row in connection.execute(query)]


def newest(store: Store, model: RegisteredModel) -> dict[str, Figure]:
    """Return the newest figure of every name that a version was judged by."""
    found: dict[str, Figure] = {}
    for results in of(store, model):
        found |= results.figures
    return found


def _results(row: Row[Any]) -> Results:
    return Results(
        name=row.name,
        version=row.version,
        sha256=row.sha256,
        source=row.source,
        source_sha256=row.source_sha256,
        figures={name: Figure(*values) for name, values in row.figures.items()},
    )
