"""A labeling database seen from outside: plain SQL, nothing of the store's own code.

`record_history` adds a table and triggers that note every state an assignment ever had, in the order in which they came
about. A change that gives a task free is noted before the change that gives it out again, because the latter could only
be made by somebody who saw the former; so following the notes in order shows the most that was ever out at once.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, create_engine, text

_NOTE = "INSERT INTO history (assignment, task, labeler, state) VALUES (NEW.id, NEW.task_id, NEW.labeler, NEW.state);"
_SQLITE = (
    "CREATE TABLE history (number INTEGER PRIMARY KEY, assignment TEXT, task TEXT, labeler TEXT, state TEXT)",
    f"CREATE TRIGGER history_of_new AFTER INSERT ON assignments BEGIN {_NOTE} END",
    f"CREATE TRIGGER history_of_old AFTER UPDATE ON assignments WHEN OLD.state <> NEW.state BEGIN {_NOTE} END",
)
_POSTGRESQL = (
    "CREATE TABLE history (number BIGSERIAL PRIMARY KEY, assignment TEXT, task TEXT, labeler TEXT, state TEXT)",
    f"CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {_NOTE} RETURN NEW; END $$",
    "CREATE TRIGGER history_of_new AFTER INSERT ON assignments FOR EACH ROW EXECUTE FUNCTION note()",
    "CREATE TRIGGER history_of_old AFTER UPDATE ON assignments FOR EACH ROW WHEN (OLD.state <> NEW.state) "
    "EXECUTE FUNCTION note()",
)
LIVE = ("offered", "open", "submitted")


class Database:
    """A database at an address, read and written by statements."""

    def __init__(self, url: str) -> None:
        self._engine: Engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))

    def close(self) -> None:
        self._engine.dispose()

    def rows(self, query: str) -> list[Any]:
        """Return what a query finds."""
        with self._engine.connect() as connection:
            return list(connection.execute(text(query)))

    def run(self, *statements: str) -> None:
        """Run statements together."""
        with self._engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def record_history(self) -> None:
        """Note every state of every assignment from now on."""
        self.run(*(_SQLITE if self._engine.dialect.name == "sqlite" else _POSTGRESQL))

    def end_a_lease(self) -> None:
        """Let the lease of one piece of work in somebody's hands run out, as half an hour without a sign would."""
        self.run(
            "UPDATE assignments SET lease_until = '2000-01-01 00:00:00.000000' WHERE id = (SELECT id FROM assignments "
            "WHERE state IN ('offered', 'open') ORDER BY random() LIMIT 1)"
        )


def json_of(value: Any) -> Any:
    """Return a JSON column's value; SQLite gives its text."""
    return json.loads(value) if isinstance(value, str) else value


def utc(value: Any) -> str:
    """Return a time column's value in UTC as ISO 8601 writes it; SQLite gives its text."""
    at = datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value.astimezone(UTC)
    return str(at.isoformat())


def too_often(database: Database) -> list[Any]:
    """Return the tasks that more labelers hold or did than they should, or that one labeler has twice."""
    return database.rows(
        "SELECT tasks.id, tasks.overlap, count(*) FROM tasks JOIN assignments ON assignments.task_id = tasks.id "
        "WHERE assignments.state IN ('offered', 'open', 'submitted') GROUP BY tasks.id, tasks.overlap "
        "HAVING count(*) > tasks.overlap OR count(*) > count(DISTINCT assignments.labeler)"
    )


def most_at_once(database: Database) -> tuple[Counter[str], list[str]]:
    """Follow the history; return the most labelers each task ever had at once, and what must never happen."""
    holders: dict[str, Counter[str]] = {}
    states: dict[str, str] = {}
    most: Counter[str] = Counter()
    wrong = []
    for row in database.rows("SELECT assignment, task, labeler, state FROM history ORDER BY number"):
        before, states[row.assignment] = states.get(row.assignment), row.state
        if before in ("submitted", "skipped"):
            wrong.append(f"{row.assignment} was {before} and became {row.state}")
        held = holders.setdefault(row.task, Counter())
        held[row.labeler] += (row.state in LIVE) - (before in LIVE)
        if held[row.labeler] > 1:
            wrong.append(f"{row.labeler} had {row.task} twice")
        most[row.task] = max(most[row.task], held.total())
    return most, wrong


def main() -> None:
    """Look again and again, until standard input closes; then print how often, and what was wrong."""
    import sys
    import threading

    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    looks, wrong = 0, set()
    with closing(Database(sys.argv[1])) as database:
        while not closed.wait(0.02):
            wrong |= {str(row) for row in too_often(database)}
            looks += 1
    print(json.dumps({"looks": looks, "wrong": sorted(wrong)}))


if __name__ == "__main__":
    main()
