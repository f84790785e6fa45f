"""Look at a database without making or changing anything in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select

from tutelage.store import keys, migrate
from tutelage.store.account_tables import audit_log
from tutelage.store.application_tables import api_keys
from tutelage.store.database import connect, reachable
from tutelage.store.tables import aliases, models


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a look found: a sentence, its remedy ("" without one), and what can be looked at further.

    `time` is the database's clock, or for SQLite the time of the newest event; `has_keys` None means that nobody knows,
    because the tables are of another version; `model` is the directory behind the alias `default`, "" without one.
    """

    told: str
    remedy: str = ""
    time: datetime | None = None
    has_keys: bool | None = None
    pepper_file: Path | None = None
    model: str = ""


def look(url: str) -> Looked:
    """Look at the database at `url`; raise a sentence when it cannot be reached."""
    engine = connect(url)
    try:
        file = Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None
        if file is not None and not file.exists():
            return Looked(told=f"{file} is made when it is first used")
        with reachable(engine), engine.connect() as connection, connection.begin():
            return _look(connection, file)
    finally:
        engine.dispose()


def _look(connection: Connection, file: Path | None) -> Looked:
    name = connection.dialect.name
    number = migrate.revision(connection)
    if number is None:
        if inspect(connection).get_table_names():
            return Looked(told=f"{name} answers, with tables of another program", remedy="Name an empty database.")
        return Looked(told=f"{name} answers, empty")
    if not migrate.is_known(number):
        return Looked(told=f"{name} answers, of a newer version ({number})", remedy="Update tutelage.")
    if not migrate.is_current(connection):
        remedy = "Make a backup (`tutelage db backup`), then run `tutelage db upgrade`."
        return Looked(told=f"{name} answers, of an older version ({number})", remedy=remedy)
    return Looked(
        told=f"{name} answers, revision {number}",
        time=_time(connection),
        has_keys=connection.scalar(select(api_keys.c.id).limit(1)) is not None,
        pepper_file=None if file is None else keys.pepper_beside(file),
        model=_default(connection),
    )


def _time(connection: Connection) -> datetime | None:
    is_file = connection.dialect.name == "sqlite"
    found: datetime | None = connection.scalar(select(func.max(audit_log.c.at) if is_file else func.now()))
    return found


def _default(connection: Connection) -> str:
    is_it = (models.c.name == aliases.c.name) & (models.c.version == aliases.c.version)
    query = select(models.c.path).select_from(aliases.join(models, is_it)).where(aliases.c.alias == "default")
    return connection.scalar(query) or ""
