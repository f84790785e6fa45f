"""Calls with an idempotency key: one holder at a time, one answer, for a day, on either database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from tests.store.test_retention import LIMITS
from tutelage.store import Store, repeats, retention
from tutelage.store.repeats import KEPT, Call, Found
from tutelage.store.request_tables import repeats as table

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CALL = Call(id="k1", body="b1")


def claim(store: Store, call: Call = CALL, holder: str = "one", at: datetime = NOW, seconds: float = 30) -> Found:
    return repeats.claim(store, call, holder=holder, now=at, until=at + seconds * SECOND)


def test_one_answers_and_the_others_are_told_what_was_answered(store: Store) -> None:
    assert claim(store) == Found("ours")
    assert claim(store, holder="two") == claim(store) == Found("running")
    assert claim(store, Call(id="k1", body="b2"), holder="two") == Found("another")
    assert claim(store, Call(id="k2", body="b1"), holder="two") == Found("ours")
    assert not repeats.finish(store, "k1", holder="two", answer="not mine to give")
    assert repeats.finish(store, "k1", holder="one", answer='{"a": "日本\\u0000"}')
    assert claim(store, holder="two") == Found("answered", '{"a": "日本\\u0000"}')
    assert claim(store, Call(id="k1", body="b2")) == Found("another")
    repeats.release(store, "k1", holder="one")  # what has an answer is not given up
    assert claim(store).state == "answered"


def test_what_is_given_up_or_whose_holder_died_is_answered_anew(store: Store) -> None:
    claim(store)
    repeats.release(store, "k1", holder="two")
    assert claim(store, holder="two").state == "running"
    repeats.release(store, "k1", holder="one")
    assert claim(store, Call(id="k1", body="b2"), holder="two") == Found("ours")
    repeats.release(store, "k1", holder="two")
    claim(store)
    assert claim(store, holder="two", at=NOW + 29 * SECOND).state == "running"
    repeats.prolong(store, ["k0"], holder="one", until=NOW + 60 * SECOND)
    repeats.prolong(store, ["k1"], holder="two", until=NOW + 60 * SECOND)
    assert claim(store, holder="two", at=NOW + 30 * SECOND) == Found("ours")
    assert not repeats.finish(store, "k1", holder="one", answer="too late")
    repeats.prolong(store, ["k1"], holder="two", until=NOW + 90 * SECOND)
    assert claim(store, at=NOW + 89 * SECOND).state == "running"


def test_after_a_day_a_key_is_new_and_its_words_are_deleted(store: Store) -> None:
    claim(store)
    repeats.finish(store, "k1", holder="one", answer="words")
    assert claim(store, at=NOW + KEPT - SECOND).state == "answered"
    deleted = retention.delete_before(store, LIMITS, now=NOW + KEPT - SECOND)
    assert deleted.answers == 0
    claim(store, Call(id="k2", body="b1"), at=NOW + KEPT)
    deleted = retention.delete_before(store, LIMITS, now=NOW + KEPT)
    assert deleted.answers == 1
    with store.read() as connection:
        assert list(connection.scalars(select(table.c.id))) == ["k2"]
    claim(store, at=NOW)
    assert claim(store, Call(id="k1", body="b2"), at=NOW + KEPT) == Found("ours")  # nobody has deleted it yet


@pytest.mark.parametrize("seconds", [30, 0], ids=["held", "over"])
def test_of_many_at_once_one_has_it(store: Store, seconds: int) -> None:
    many = 24
    if seconds == 0:  # all want the place of one that died
        claim(store, holder="dead", seconds=1)
    together = threading.Barrier(many)

    def call(number: int) -> str:
        together.wait()
        return claim(store, holder=str(number), at=NOW + 2 * SECOND).state

    with ThreadPoolExecutor(many) as pool:
        found = list(pool.map(call, range(many)))
    assert sorted(found) == ["ours"] + ["running"] * (many - 1)
