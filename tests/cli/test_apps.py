"""`tutelage apps` and `tutelage keys`: the way from an organisation's name to a key, a review, and an end."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from tests.cli.conftest import table
from tests.firms import staff
from tutelage.store import Store, accounts, applications, audit, keys
from tutelage.store.account_tables import invitations

PURPOSE = ("--purpose", "Answers our bakers about flour.")
DATABASE = "sqlite:///tutelage.db"


def test_from_a_name_to_a_live_application_and_its_end(
    tutelage: Callable[..., str], refused: Callable[..., str]
) -> None:
    made = tutelage("apps", "create", "Bakery", "Flour talk", *PURPOSE, "--risk", "minors", "--read-first")
    id = re.findall(r"app-[0-9a-f]{12}", made)[0]
    assert made == f"{id} of Bakery is sandbox. Make it a key: tutelage keys create {id}\n"
    key = tutelage("keys", "create", id, "--name", "script", "--scope", "complete", "--days", "90").splitlines()[-1]
    with Store.open(DATABASE) as store:
        staff(store, "Rita"), staff(store, "Omar", "admin")
        bound = keys.bound(store, key[4:12])
        assert bound and keys.is_right(key, bound.digest, keys.pepper(store)) and bound.key.scopes == ("complete",)
    assert "cannot become live from there" in refused("apps", "review", id, "--approve", "--reason", "x")
    assert tutelage("apps", "submit", id) == f"{id} is in review.\n"
    shown = tutelage("apps", "review", id)
    assert "To be read with care: high" in shown and "- People under age" in shown and "risks\tminors" in shown
    assert "Say why" in refused("apps", "review", id, "--approve")
    assert "not both" in refused("apps", "review", id, "--approve", "--request-changes")
    tutelage("apps", "review", id, "--request-changes", "--by", "Rita", "--reason", "Who reads it?")
    tutelage("apps", "submit", id)
    conditions = ("--tokens-per-day", "500", "--filter", "annotate", "--model", "default", "--days", "9")
    assert tutelage("apps", "review", id, "--approve", "--reason", "Clear.", *conditions) == f"{id} is live.\n"
    with Store.open(DATABASE) as store:
        found = applications.get(store, id)
        assert found.conditions and found.conditions.models == ("default",) and found.limits.tokens_per_day == 500
        assert found.conditions.filter_mode == "annotate" and found.conditions.expires
    assert tutelage("apps", "suspend", id, "--reason", "Spam.") == f"{id} is suspended.\n"
    assert table(tutelage("apps", "list", "--state", "suspended"))[1][:4] == [id, "Bakery", "Flour talk", "suspended"]
    assert tutelage("apps", "suspend", id, "--lift", "--reason", "A false alarm.") == f"{id} is live.\n"
    why = ("--reason", "Spam again.")
    assert "another person confirms" in tutelage("apps", "revoke", id, "--by", "rita", *why)
    assert "another person confirms" in refused("apps", "revoke", id, "--by", "Rita", *why)
    assert "called 'Nobody'" in refused("apps", "revoke", id, "--by", "Nobody", *why)
    assert tutelage("apps", "revoke", id, "--by", "Omar", *why) == f"{id} is revoked.\n"
    assert "is revoked" in refused("keys", "create", id)
    assert len(table(tutelage("apps", "list"))) == 2 and len(table(tutelage("apps", "list", "--state", "live"))) == 1
    assert "choose from draft" in refused("apps", "list", "--state", "good")
    with Store.open(DATABASE) as store:
        assert audit.verify(store).rows


def test_keys_are_rotated_revoked_and_listed_by_their_ids(
    tutelage: Callable[..., str], refused: Callable[..., str]
) -> None:
    assert "There is no database" in refused("keys", "list")
    id = re.findall(r"app-[0-9a-f]{12}", tutelage("apps", "create", "Bakery", "Bread", *PURPOSE, "--submit"))[0]
    old = tutelage("keys", "create", id).splitlines()[-1]
    new = tutelage("keys", "rotate", old[4:12], "--overlap-hours", "0").splitlines()[-1]
    assert tutelage("keys", "revoke", new[4:12], "--reason", "published") == f"The key {new[4:12]} is revoked.\n"
    listed = tutelage("keys", "list", id)
    assert {row[0]: row[4] for row in table(listed)[1:]} == {old[4:12]: "over", new[4:12]: "over"}
    assert old[13:] not in listed and new[13:] not in listed
    assert "no such key" in refused("keys", "revoke", "nothing")
    assert "no such application" in refused("keys", "create", "nothing")
    assert "choose from complete" in refused("keys", "create", id, "--scope", "everything")
    assert "20 to 4000 characters" in refused("apps", "create", "Bakery", "x", "--purpose", "short")


def test_the_first_administrator_comes_in_by_a_link_that_works_once(
    tutelage: Callable[..., str], refused: Callable[..., str]
) -> None:
    assert "There is no database" in refused("apps", "admin")
    Store.open(DATABASE).close()
    old, new = (tutelage("apps", "admin", "--address", "https://api.example.org/").strip() for _ in range(2))
    assert new.startswith("https://api.example.org/enter/") and old != new
    now = datetime.now(UTC)
    with Store.open(DATABASE) as store:
        assert accounts.invitation(store, old.rpartition("/")[2], now=now) is None
        assert accounts.invitation(store, new.rpartition("/")[2], now=now + timedelta(days=8)) is None
        with store.read() as connection:
            assert new.rpartition("/")[2] not in repr(connection.execute(select(invitations)).all())
        person = accounts.enter(store, new.rpartition("/")[2], "Ada", "no hash", now=now)
        assert person.role == "admin" and accounts.invitation(store, new.rpartition("/")[2], now=now) is None
    assert "There is an administrator already" in refused("apps", "admin")
