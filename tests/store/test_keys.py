"""API keys on both databases: known by their digest under a pepper alone, bound, scoped, rotated, ended, logged."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from tests.firms import NOW, Firm
from tutelage.errors import ConflictError, DataError, MissingError, RefusedError, SettingsError
from tutelage.store import Store, audit, counters, keys, organisations, tables
from tutelage.store.application_tables import api_keys
from tutelage.store.keys import PEPPER_VARIABLE, NewKey

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PEPPER = "a pepper of the tests, long enough"


@pytest.fixture(autouse=True)
def pepper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PEPPER_VARIABLE, PEPPER)


def test_a_key_is_known_by_its_digest_and_kept_nowhere(store: Store) -> None:
    firm = Firm.of(store)
    before = counters.value(store)
    made = firm.key(name="  my   script ", scopes=("moderate", "complete"))
    assert re.fullmatch(r"tut_[0-9A-Za-z]{8}_[0-9A-Za-z]{32}", made.text)
    assert (made.key.id, made.key.name, made.key.scopes) == (made.text[4:12], "my script", ("complete", "moderate"))
    assert counters.value(store) == before + 1
    bound = keys.bound(store, made.key.id)
    assert bound and bound.application.id == firm.id and keys.is_right(made.text, bound.digest, keys.pepper(store))
    for wrong in (made.text[:-1] + "_", made.text.swapcase(), "", made.key.id):
        assert not keys.is_right(wrong, bound.digest, keys.pepper(store))
    assert not keys.is_right(made.text, bound.digest, b"another pepper of some length, too")
    with store.read() as connection:
        (row,) = connection.execute(select(api_keys)).all()
    assert made.text[13:] not in str(row) and all(made.text[13:] not in str(one) for one in audit.find(store))
    assert keys.bound(store, "00000000") is None


@pytest.mark.parametrize(
    "text",
    ["", "tut_", "x" * 45, "tut_aaaaaaaa_" + "é" * 32, "tut_aaaaaaaa_" + "a" * 31, "tut_aaaaaaaa_" + "a" * 32 + "\n"],
)
def test_what_has_not_the_form_of_a_key_names_none(text: str) -> None:
    assert keys.id_of(text) is None


def test_a_key_ends_at_its_hour_and_when_it_is_revoked(store: Store) -> None:
    firm = Firm.of(store)
    key = firm.key(days=1).key
    assert key.is_live(NOW + DAY - HOUR) and not key.is_live(NOW + DAY)
    before = counters.value(store)
    ended = keys.revoke(store, key.id, by=firm.customer, reason="published", now=NOW)
    assert ended.ended == NOW and not ended.is_live(NOW) and counters.value(store) == before + 1
    assert keys.revoke(store, key.id, by="", now=NOW + HOUR).ended == NOW
    assert counters.value(store) == before + 1
    (told, *_) = audit.find(store, subject=key.id)
    assert (told.event.action, told.event.actor, told.event.details) == (
        "key.revoke",
        firm.customer,
        {"reason": "published"},
    )


def test_a_rotated_key_lives_on_for_a_while(store: Store) -> None:
    firm = Firm.of(store)
    old = firm.key(scopes=("complete",), days=30).key
    made = keys.rotate(store, old.id, keys.pepper(store), overlap=HOUR, by=firm.customer, now=NOW + DAY)
    assert (made.key.replaces, made.key.scopes, made.key.expires) == (old.id, ("complete",), NOW + 31 * DAY)
    listed = {one.id: one for one in keys.of(store, firm.id)}
    assert listed[old.id].expires == NOW + DAY + HOUR and listed[old.id].is_live(NOW + DAY)
    with pytest.raises(ConflictError, match="over already"):
        keys.rotate(store, old.id, keys.pepper(store), overlap=HOUR, by=firm.customer, now=NOW + 2 * DAY)
    last = keys.rotate(store, made.key.id, keys.pepper(store), overlap=30 * DAY, by="", now=NOW + 20 * DAY)
    assert {one.id: one for one in keys.of(store)}[made.key.id].expires == NOW + 31 * DAY
    with pytest.raises(DataError, match="30 days"):
        keys.rotate(store, last.key.id, keys.pepper(store), overlap=31 * DAY, by="", now=NOW + 20 * DAY)


def test_only_its_own_people_make_keys_and_staff_ends_them(store: Store) -> None:
    firm, other = Firm.of(store), Firm.of(store, "Dairy")
    key, new, secret = firm.key().key, NewKey(name="x"), keys.pepper(store)
    with pytest.raises(MissingError):
        keys.create(store, firm.id, new, secret, by=other.customer, now=NOW)
    with pytest.raises(MissingError):
        keys.revoke(store, key.id, by=other.customer, now=NOW)
    with pytest.raises(RefusedError):
        keys.create(store, firm.id, new, secret, by=firm.reviewer, now=NOW)
    with pytest.raises(MissingError, match="no such key"):
        keys.revoke(store, "nothing", by="", now=NOW)
    assert keys.revoke(store, key.id, by="monitor", now=NOW).ended


def test_only_an_application_that_is_served_gets_keys(store: Store) -> None:
    firm = Firm.of(store, state="draft")
    with pytest.raises(ConflictError, match="is draft"):
        firm.key()
    firm.move("sandbox", by=firm.customer)
    assert firm.key()
    firm.move("suspended")
    with pytest.raises(ConflictError, match="is suspended"):
        firm.key()
    firm.move("sandbox")
    organisations.set_active(store, firm.organisation, False, by="", reason="x", now=NOW)
    with pytest.raises(ConflictError, match="with its organisation"):
        firm.key()


def test_keys_are_few_and_have_a_meaning(store: Store) -> None:
    firm = Firm.of(store)
    bad = [{"name": " "}, {"scopes": ()}, {"scopes": ("everything",)}, {"days": 0}, {"days": 3661}]
    for wish in bad:
        with pytest.raises(DataError):
            firm.key(**wish)
    for _ in range(keys.MOST):
        first = firm.key().key
    with pytest.raises(DataError, match="has 20 keys"):
        firm.key()
    keys.revoke(store, first.id, by=firm.customer, now=NOW)
    assert firm.key()


def test_the_last_use_is_kept_by_the_minute(store: Store) -> None:
    key = Firm.of(store).key().key
    for seconds in (0, 30, 90):
        keys.was_used(store, key.id, now=NOW + timedelta(seconds=seconds))
    (listed,) = keys.of(store)
    assert listed.used == NOW + timedelta(seconds=90)


def test_another_pepper_is_refused_and_a_short_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys.pepper(store) == PEPPER.encode() == keys.pepper(store)
    monkeypatch.setenv(PEPPER_VARIABLE, "another pepper of the tests, as long")
    with pytest.raises(SettingsError, match="made with another secret"):
        keys.pepper(store)
    monkeypatch.setenv(PEPPER_VARIABLE, "short")
    with pytest.raises(SettingsError, match="has 5 characters"):
        keys.pepper(store)


def test_without_the_environment_sqlite_has_a_file_and_postgresql_refuses(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PEPPER_VARIABLE)
    if store.engine.dialect.name == "postgresql":
        with pytest.raises(SettingsError, match=f"set {PEPPER_VARIABLE}"):
            keys.pepper(store)
        return
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(keys.pepper(store))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    path = keys.pepper_file(store)
    assert len(found) == 8 and set(found) == {path.read_bytes()} and len(found[0]) == 64
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent == Path(str(store.engine.url.database)).parent
    assert not list(path.parent.glob("*.part"))
    path.write_text("half")
    with pytest.raises(SettingsError, match="not whole"):
        keys.pepper(store)
    path.unlink()
    with pytest.raises(SettingsError, match="made with another secret"):
        keys.pepper(store)
    with store.write() as connection:
        connection.execute(delete(tables.facts).where(tables.facts.c.name == "key_pepper"))
    path.unlink()
    path.mkdir()
    with pytest.raises(SettingsError, match="cannot be used"):
        keys.pepper(store)
