"""Row 4: whatever a text says, it stays a text: parameters only, bearer values included."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

import tutelage
from tests.firms import FORM, NOW, Firm
from tests.serve.scripted import in_background
from tutelage.errors import MissingError
from tutelage.store import Store, applications, end_users, keys, organisations, tables

PACKAGE = Path(tutelage.__file__).parent
ONLY_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
ATTACKS = (
    "' OR '1'='1",
    "'; DROP TABLE applications; --",
    '" OR 1=1 --',
    "x') UNION SELECT digest FROM api_keys --",
    "%' AND pg_sleep(9) --",
    "{0} %s :name ? $1",
    "\\'; ATTACH DATABASE '/tmp/x' AS y; --",
    "\0' OR 1=1",
)
TEXTS = st.sampled_from(ATTACKS) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def counts(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in tables.metadata.tables.items()
        }


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_text_is_found_as_it_was_written_and_finds_nothing_else(store: Store, attack: str) -> None:
    firm = Firm.of(store)
    before = counts(store)
    name = attack.replace("\0", "")  # which neither an address nor a command line can bring
    for call in (
        lambda: applications.get(store, name),
        lambda: applications.edit(store, name, "x", FORM, by="", now=NOW),
        lambda: applications.move(store, name, "live", by="", reason="x", now=NOW),
        lambda: applications.move(store, firm.id, "suspended", by=name, reason="x", now=NOW),
        lambda: organisations.get(store, name),
        lambda: keys.revoke(store, name, by="", now=NOW),
    ):
        with pytest.raises(MissingError):
            call()
    assert keys.of(store, name) == [] and keys.bound(store, name) is None
    assert counts(store) == before
    applications.edit(store, firm.id, attack, FORM, by=firm.customer, now=NOW)
    assert firm.now.name == " ".join(attack.split())
    assert firm.move("suspended", reason=attack).reason == attack
    assert end_users.admit(store, firm.id, end_users.hash_of(store, firm.organisation, attack), most=1, now=NOW)


@ONLY_SQLITE
def test_the_api_never_fails_over_a_text(store: Store) -> None:
    key = Firm.of(store, state="live").key().text
    before = counts(store)
    with in_background(store, now=lambda: NOW) as asked:

        @settings(max_examples=60, deadline=None, derandomize=True, database=None)
        @given(text=TEXTS)
        def check(text: str) -> None:
            raw = text.encode()
            for header in (b"Bearer " + raw, b"Bearer tut_" + raw, b"Bearer " + key.encode()[:12] + raw):
                assert asked("/v1/models", headers=[(b"authorization", header)]).status == 401
            body = {"model": text, "prompt": text, "user": text}
            answer = asked("/v1/completions", body, headers=[(b"authorization", b"Bearer " + key.encode())])
            assert answer.status == 404, answer.body

        check()
    # Calls that were refused are written down too, and nothing else is.
    assert {**counts(store), "requests": 0} == before


def written(source: str) -> Iterator[int]:
    """Find the lines where SQL is put together from anything but constants (names in capitals)."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        named = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if named in ("exec_driver_sql", "text", "execute", "executemany", "executescript"):
            first = node.args[0]
            if isinstance(first, ast.JoinedStr | ast.BinOp) or (
                isinstance(first, ast.Call) and isinstance(first.func, ast.Attribute) and first.func.attr == "format"
            ):
                used = {inner.id for inner in ast.walk(first) if isinstance(inner, ast.Name)}
                if any(name != name.upper() for name in used):
                    yield node.lineno


#: Where the names of our own tables are put in, which no parameter can be, and how often.
TABLE_NAMES = {"store/retention.py": 4}


def test_no_statement_of_ours_is_put_together_from_values() -> None:
    found = Counter(
        path.relative_to(PACKAGE).as_posix()
        for path in [*PACKAGE.rglob("store/*.py"), *PACKAGE.rglob("serve/**/*.py"), *PACKAGE.rglob("govern/**/*.py")]
        for _ in written(path.read_text(encoding="utf-8"))
    )
    assert found == TABLE_NAMES


@pytest.mark.parametrize(
    "line",
    [
        'c.exec_driver_sql(f"SELECT {name}")',
        'c.execute("SELECT " + name)',
        'text("SELECT %s" % name)',
        'text("{}".format(n))',
    ],
)
def test_a_statement_that_is_put_together_is_found(line: str) -> None:
    assert list(written(line)) == [1]
    assert list(written('c.exec_driver_sql(f"SELECT {_LOCK}")')) == []
