"""Access tokens on both databases: known by their hash alone, counted, ended, logged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from tests.feedback.people import someone
from tutelage.errors import DataError, MissingError
from tutelage.store import Store, accounts, audit, tokens
from tutelage.store.token_tables import tokens as table

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def make(store: Store, person: str, name: str = "a program", days: int = 30) -> str:
    return tokens.make(store, person, name, days=days, now=NOW)


def test_a_token_is_found_by_all_of_it_and_kept_as_a_hash(store: Store) -> None:
    anna = someone(store, "labeler", "Anna")
    token = make(store, anna.id, "  my   script ")
    found = tokens.find(store, token, now=NOW)
    assert found and (found.person, found.token.name, found.token.used) == (anna, "my script", None)
    assert found.token.id == token.split("_")[1]
    for other in ("", token[:-1], token + "0", found.token.id, token.upper()):
        assert tokens.find(store, other, now=NOW) is None
    with store.read() as connection:
        (row,) = connection.execute(select(table)).all()
    assert token not in row and token.split("_")[2] not in str(row)
    assert all(token not in str(entry) for entry in audit.find(store))


def test_the_last_use_is_kept_by_the_minute(store: Store) -> None:
    anna = someone(store, "labeler", "Anna")
    token = make(store, anna.id)
    for seconds in (0, 30, 90):
        tokens.find(store, token, now=NOW + timedelta(seconds=seconds))
    (listed,) = tokens.of(store, anna.id, now=NOW)
    assert listed.used == NOW + timedelta(seconds=90)


def test_a_token_ends_at_its_hour(store: Store) -> None:
    anna = someone(store, "labeler", "Anna")
    token = make(store, anna.id, days=1)
    assert tokens.find(store, token, now=NOW + timedelta(hours=23, minutes=59))
    assert tokens.find(store, token, now=NOW + timedelta(days=1)) is None
    assert tokens.of(store, anna.id, now=NOW + timedelta(days=1)) == []


def test_one_person_revokes_the_own_tokens_only(store: Store) -> None:
    anna, ben = someone(store, "labeler", "Anna"), someone(store, "lead", "Ben")
    token = make(store, anna.id)
    (made,) = tokens.of(store, anna.id, now=NOW)
    with pytest.raises(MissingError):
        tokens.revoke(store, ben.id, made.id, by=ben.id, now=NOW)
    tokens.revoke(store, anna.id, made.id, by=anna.id, now=NOW)
    assert tokens.find(store, token, now=NOW) is None
    with pytest.raises(MissingError):
        tokens.revoke(store, anna.id, made.id, by=anna.id, now=NOW)
    assert [entry.event.action for entry in audit.find(store)][:2] == ["token.revoke", "token.make"]
    audit.verify(store)


def test_one_person_has_twenty_tokens_at_most(store: Store) -> None:
    anna = someone(store, "labeler", "Anna")
    for _ in range(20):
        make(store, anna.id)
    with pytest.raises(DataError, match="20 tokens already"):
        make(store, anna.id)
    tokens.revoke(store, anna.id, tokens.of(store, anna.id, now=NOW)[0].id, by=anna.id, now=NOW)
    make(store, anna.id)


def test_nobody_who_is_suspended_makes_one(store: Store) -> None:
    anna = someone(store, "labeler", "Anna")
    token = make(store, anna.id)
    accounts.set_active(store, anna.id, False, by="", now=NOW)
    assert tokens.find(store, token, now=NOW) is None
    with pytest.raises(DataError, match="suspended"):
        make(store, anna.id)


@pytest.mark.parametrize(("name", "days"), [("", 1), (" \n", 1), ("x" * 81, 1), ("x", 0), ("x", 367), ("x", -1)])
def test_a_name_and_an_end_are_needed(store: Store, name: str, days: int) -> None:
    anna = someone(store, "labeler", "Anna")
    with pytest.raises(DataError):
        make(store, anna.id, name, days)
    assert tokens.of(store, anna.id, now=NOW) == []
