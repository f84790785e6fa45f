"""Retention deletes what is over, nothing else, and leaves none of it in the database's files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from tests.store.test_requests import BASE, NOW, SAID
from tutelage.store import Store, audit, comments, requests, retention, users
from tutelage.store.comments import Feedback
from tutelage.store.request_tables import feedback, feedback_texts, request_contents, request_hits
from tutelage.store.request_tables import requests as request_table
from tutelage.store.requests import Choice, Ended, Hit
from tutelage.store.retention import Limits

DAY = timedelta(days=1)
#: What was written before these days ago goes.
LIMITS = Limits(training=NOW - 10 * DAY, review=NOW - 20 * DAY, words=NOW - 10 * DAY, requests=NOW - 100 * DAY)


def count(store: Store) -> dict[str, int]:
    tables = (request_table, request_hits, request_contents, feedback, feedback_texts)
    with store.read() as connection:
        return {table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


def put(store: Store, id: str, days: float, reason: str = "training", end_user: str = "e", text: str = "words") -> None:
    """Write a call with everything that can hang on it, so many days before now."""
    made = replace(BASE, id=id, created=NOW - days * DAY, end_user=end_user)
    said = replace(
        SAID, reason=reason, prompts=(text,), choices=(Choice(prompt=0, text=text, finish_reason="stop", tokens=1),)
    )
    hit = Hit(role="prompt", category="hate", severity=1, score=0.5)
    requests.add(store, [Ended(request=made, hits=(hit,), content=said)])
    new = Feedback(id=f"f{id}", request_id=id, application_id="a1", comment=text, created=made.created)
    comments.add(store, new)


def left(store: Store, table: object = request_contents) -> set[str]:
    with store.read() as connection:
        return set(connection.scalars(select(next(iter(table.primary_key.columns)))))  # type: ignore[attr-defined]


def test_each_part_of_the_log_goes_when_its_own_time_is_over(store: Store) -> None:
    for id, days, reason in [("a", 9, "training"), ("b", 11, "training"), ("c", 19, "review"), ("d", 21, "review")]:
        put(store, id, days, reason)
    put(store, "e", 101, "review")
    put(store, "f", 1, end_user="gone")
    users.withdraw(store, ["gone"], by="", now=NOW)
    audited = len(audit.find(store))
    deleted = retention.delete_before(store, LIMITS, now=NOW)
    assert left(store) == {"a", "c"} and left(store, feedback_texts) == {"fa"}
    assert left(store, request_table) == set("abcdf") == {one[1] for one in left(store, feedback)}
    assert count(store)["request_hits"] == 5
    assert (deleted.contents, deleted.words, deleted.requests, deleted.feedback) == (4, 5, 1, 1)
    [entry] = audit.find(store)[: len(audit.find(store)) - audited]
    assert entry.event.action == "requests.delete" and entry.event.details["requests"] == 1
    again = retention.delete_before(store, LIMITS, now=NOW)
    assert (again.contents, again.words, again.requests) == (0, 0, 0) and len(audit.find(store)) == audited + 1


def test_nothing_that_was_said_is_left_in_the_files(tmp_path: Path) -> None:
    """A canary in short and long texts (which fill pages of their own) is in no byte of the folder afterwards."""
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        canary = "canary-" + "x7" * 8
        for number in range(120):
            put(store, f"r{number}", 30 + number / 1000, text=f"{number} {canary} " * (1 + number % 7 * 40))
            put(store, f"s{number}", 1, text="innocent " * (number % 9))
        assert any(canary.encode() in path.read_bytes() for path in tmp_path.iterdir())
        assert retention.delete_before(store, LIMITS, now=NOW).files == "overwritten"
        assert len(left(store)) == 120
        assert [path.name for path in tmp_path.iterdir() if canary.encode() in path.read_bytes()] == []


def test_a_reader_keeps_the_files_and_is_told(tmp_path: Path) -> None:
    @contextmanager
    def reading(store: Store) -> Iterator[None]:
        with store.read() as connection:
            connection.execute(select(func.count()).select_from(request_table)).all()
            yield

    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        put(store, "a", 30)
        with reading(store):
            assert retention.delete_before(store, LIMITS, now=NOW).files == "in_use"
        assert retention.delete_before(store, LIMITS, now=NOW).files == "overwritten"


def test_postgresql_frees_the_space(store: Store) -> None:
    put(store, "a", 30)
    expected = "overwritten" if store.engine.dialect.name == "sqlite" else "freed"
    assert retention.delete_before(store, LIMITS, now=NOW).files == expected
