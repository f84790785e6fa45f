"""`tutelage db`: backup, restore and upgrade as somebody at the command line does them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.firms import NOW
from tutelage.store import Store, audit, organisations

DATABASE = "sqlite:///tutelage.db"


def test_a_backup_is_taken_and_restored(tutelage: Callable[..., str], refused: Callable[..., str]) -> None:
    assert "There is no database" in refused("db", "backup", "one")
    with Store.open(DATABASE) as store:
        organisations.create(store, "Bakery", by="", now=NOW)
        end = audit.verify(store)
    said = tutelage("db", "backup", "one")
    assert re.match(r"one holds \d+ rows of \d+ tables of revision \d{4}\.\n", said)
    assert f"ends with row 1, {end.hash}; note that elsewhere" in said
    assert "is there already" in refused("db", "backup", "one")
    assert "nothing is overwritten" in refused("db", "restore", "one")
    assert "is no backup" in refused("db", "restore", "two", "--database", "sqlite:///new.db")
    restored = tutelage("db", "restore", "one", "--database", "sqlite:///new.db")
    assert "Let a worker run" in restored and "repeat the withdrawals" in restored
    with Store.open("sqlite:///new.db", create=False) as store:
        assert audit.verify(store) == end and [one.name for one in organisations.find(store)] == ["Bakery"]
    assert tutelage("db", "upgrade", "--database", "sqlite:///new.db") == "The tables are those of this version.\n"
    assert sorted(path.name for path in Path("one").iterdir()) == ["manifest.json", "store.db"]
