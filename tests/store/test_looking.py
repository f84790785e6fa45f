"""A look at a database tells its state, on both kinds, and changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.databases import database, store
from tests.firms import Firm
from tutelage.records import RegisteredModel
from tutelage.store import Store, keys, looking, registry

__all__ = ["database", "store"]
NOW = datetime.now(UTC)


def test_an_empty_database_is_looked_at_and_stays_empty(database: str) -> None:
    if database.startswith("sqlite"):
        assert "is made when it is first used" in looking.look(database).told
        database = database.replace("store.db", "touched.db")
        open(database.removeprefix("sqlite:///"), "w").close()
    for _ in range(2):
        found = looking.look(database)
        assert found.told.endswith("answers, empty") and (found.remedy, found.has_keys) == ("", None)


def test_a_database_tells_its_revision_its_clock_and_what_it_names(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.startswith("postgresql"):
        monkeypatch.setenv(keys.PEPPER_VARIABLE, "a secret of the tests that is long enough")
    assert looking.look(database).has_keys is False and looking.look(database).model == ""
    firm = Firm.of(store)
    firm.key()
    new = RegisteredModel(name="m", version=0, path="models/m/1", sha256="ab" * 32, run="test")
    registry.point(store, "default", registry.register(store, new, prompt_hashes=(), now=NOW), now=NOW)
    found = looking.look(database)
    assert found.has_keys and found.model == "models/m/1" and " answers, revision 00" in found.told
    assert (found.pepper_file is None) == database.startswith("postgresql")
    if database.startswith("postgresql"):
        assert found.time and abs(found.time - datetime.now(UTC)) < timedelta(minutes=5)
    else:
        assert found.time and found.time.tzinfo


@pytest.mark.parametrize(
    ("number", "told"), [("9999", "of a newer version (9999)"), ("0001", "of an older version (0001)")]
)
def test_tables_of_another_version_have_a_remedy(store: Store, database: str, number: str, told: str) -> None:
    with store.write() as connection:
        before = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": number})
    found = looking.look(database)
    assert told in found.told and found.remedy and found.has_keys is None
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": before})


def test_tables_of_another_program_are_told(database: str) -> None:
    with Store.open(database) as store, store.write() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    assert "tables of another program" in looking.look(database).told
