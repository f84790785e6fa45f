import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from tutelage.errors import DatabaseAwayError, SettingsError, UnavailableError, UserError
from tutelage.store import Store, migrate, tables, upgrade

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def test_an_empty_database_is_created_and_opened_again(database: str) -> None:
    with Store.open(database) as first, Store.open(database) as second:
        assert first.user_hash("anna") == second.user_hash("anna") != first.user_hash("ben")


def test_two_databases_hash_the_same_user_differently(database: str, tmp_path: Path) -> None:
    with Store.open(database) as one, Store.open(f"sqlite:///{tmp_path / 'other.db'}") as other:
        assert one.user_hash("anna") != other.user_hash("anna")


def test_a_given_salt_makes_hashes_repeatable_and_another_one_is_refused(database: str, tmp_path: Path) -> None:
    with Store.open(database, salt="village") as one, Store.open(str(tmp_path / "x.db"), salt="village") as other:
        assert one.user_hash("anna") == other.user_hash("anna")
    with pytest.raises(UserError, match="another salt"):
        Store.open(database, salt="city")


def test_digest_of_parts_depends_on_where_they_are_cut(store: Store) -> None:
    assert store.digest("ab", "c") != store.digest("a", "bc")


def test_migrations_leave_exactly_the_declared_tables(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
        assert set(tables.metadata.tables) < set(inspect(connection).get_table_names())


def test_a_newer_database_is_refused_with_a_sentence(database: str) -> None:
    with Store.open(database) as store, store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for action in (Store.open, upgrade):
        with pytest.raises(UserError, match=r"newer version \(9999\); update tutelage"):
            action(database)


def test_a_database_of_another_program_is_left_alone(database: str) -> None:
    with Store.open(database) as store, store.write() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(UserError, match="another program"):
        Store.open(database)


def test_upgrade_creates_an_empty_database_and_is_harmless_when_repeated(database: str) -> None:
    upgrade(database)
    upgrade(database)
    Store.open(database).close()


def test_an_exception_rolls_everything_back(store: Store) -> None:
    with pytest.raises(KeyError), store.write() as connection:
        connection.execute(tables.withdrawals.insert(), {"user": "u", "created": NOW})
        raise KeyError("stop")
    with store.read() as connection:
        assert connection.execute(tables.withdrawals.select()).all() == []


def test_any_text_and_time_come_back_as_they_went_in(store: Store) -> None:
    texts = ["", "a\0b", "\uf0f0", "\uf0f00\0e", "naïve 漢字 🙂\n\t", "\uf0f0e"]
    with store.write() as connection:
        connection.execute(
            tables.instruction_versions.insert(),
            [{"version": str(n), "task": "t", "text": t, "sha256": "", "created": NOW} for n, t in enumerate(texts)],
        )
        rows = connection.execute(tables.instruction_versions.select().order_by("version")).all()
    assert [row.text for row in rows] == texts
    assert {row.created for row in rows} == {NOW}


def test_half_a_character_is_refused(store: Store) -> None:
    row = {"version": "1", "task": "t", "text": "half \ud83d", "sha256": "", "created": NOW}
    with pytest.raises(Exception, match="half of a character at position 5"), store.write() as connection:
        connection.execute(tables.instruction_versions.insert(), row)


def test_a_store_is_awaited_until_its_database_is_there(database: str) -> None:
    """A server's process may start while its database is away."""
    with Store.open(database) as made:
        salted = made.user_hash("anna")
    missing = "postgresql://127.0.0.1:1/none" if database.startswith("postgresql") else f"{database}-none"
    with Store.awaited(missing) as away:
        for use in (away.read, away.write):
            with pytest.raises(DatabaseAwayError), use():
                pass
        with pytest.raises(DatabaseAwayError):
            away.user_hash("anna")
    with Store.awaited(database) as there:
        assert there.user_hash("anna") == salted
        with there.read() as connection:
            assert connection.execute(tables.facts.select()).one().name == "salt"


def test_a_naive_time_is_a_bug(store: Store) -> None:
    with pytest.raises(Exception, match="naive"), store.write() as connection:
        connection.execute(tables.withdrawals.insert(), {"user": "u", "created": NOW.replace(tzinfo=None)})


def test_foreign_keys_are_enforced(store: Store) -> None:
    with pytest.raises(Exception, match="(?i)foreign key"), store.write() as connection:
        connection.execute(
            tables.task_completions.insert(), {"task_id": "none", "position": 0, "completion_id": "none"}
        )


def test_threads_that_open_an_empty_database_together_create_it_once(database: str) -> None:
    hashes: list[str] = []

    def work() -> None:
        with Store.open(database) as store:
            hashes.append(store.user_hash("anna"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hashes) == 8 and len(set(hashes)) == 1


def test_read_then_write_is_never_lost(database: str) -> None:
    """Eight threads add 25 each to one number; without the write lock at the start, increments would vanish."""
    with Store.open(database) as store:
        with store.write() as connection:
            connection.execute(tables.facts.insert(), {"name": "n", "value": "0"})

        def work() -> None:
            for _ in range(25):
                with store.write() as connection:
                    query = tables.facts.select().where(tables.facts.c.name == "n").with_for_update()
                    value = int(connection.execute(query).one().value)
                    update = tables.facts.update().where(tables.facts.c.name == "n")
                    connection.execute(update.values(value=str(value + 1)))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with store.read() as connection:
            assert connection.execute(tables.facts.select().where(tables.facts.c.name == "n")).one().value == "200"


def test_an_unreachable_server_is_a_sentence_without_the_password() -> None:
    with pytest.raises(UnavailableError, match="cannot be used") as caught:
        Store.open("postgresql://anna:secret@127.0.0.1:1/nothing")
    assert "secret" not in str(caught.value) and "127.0.0.1" in str(caught.value)


def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="does not exist; create it"):
        Store.open(f"sqlite:///{tmp_path / 'no' / 'store.db'}")


def test_a_folder_in_place_of_the_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="unable to open database file"):
        Store.open(f"sqlite:///{tmp_path}")


def test_a_database_that_may_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    Store.open(str(path)).close()
    # Root may write any file, so SQLite itself is told that it may not.
    with Store.open(f"sqlite:///file:{path}?mode=ro&uri=true") as store:
        with pytest.raises(UnavailableError, match="readonly database"), store.write() as connection:
            connection.execute(tables.facts.insert(), {"name": "n", "value": "1"})


def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are notes, not a database. " * 100)
    with pytest.raises(UnavailableError, match="not a SQLite database"):
        Store.open(str(path))


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite://", "sqlite:///:memory:", "://", "oracle+x://h"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        Store.open(url)


def test_sqlite_runs_in_wal_mode_with_foreign_keys(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store.open(str(path)) as store, store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(*) FROM facts").fetchone() == (1,)
    raw.close()


def test_a_busy_database_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store.open(str(path)) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        with store.read() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 10")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match="database is locked"), store.write():
            pass


def test_a_full_disk_is_a_sentence_and_nothing_is_lost(tmp_path: Path) -> None:
    with Store.open(str(tmp_path / "store.db")) as store:
        with store.read() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(UnavailableError, match="disk is full"), store.write() as connection:
            rows = [{"name": f"n{n}", "value": "x" * 4096} for n in range(100)]
            connection.execute(tables.facts.insert(), rows)
        with store.read() as connection:
            assert [row.name for row in connection.execute(tables.facts.select())] == ["salt"]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_lost_connection_is_a_sentence_and_the_store_goes_on_after_it(database: str) -> None:
    with Store.open(database) as store, Store.open(database) as other:
        with pytest.raises(UnavailableError, match="cannot be used"), store.write() as connection:
            backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            with other.write() as killer:
                killer.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
            connection.exec_driver_sql("SELECT 1")
        with store.write() as connection:
            connection.execute(tables.withdrawals.insert(), {"user": "u", "created": NOW})


HEAD = sorted(path.name[1:5] for path in (migrate.MIGRATIONS / "versions").glob("v*.py"))[-1]
NEXT = f"""
import sqlalchemy as sa
from alembic import op

revision = "8888"
down_revision = "{HEAD}"


def upgrade() -> None:
    op.create_table("later", sa.Column("id", sa.Integer, primary_key=True))
"""


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """Make a folder of migrations as a later release would ship it: with one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS, folder)
    (folder / "versions" / "v8888_later.py").write_text(NEXT)
    return folder


def test_an_older_database_is_upgraded_only_when_told_to(database: str, newer: Path) -> None:
    with Store.open(database, salt="kept") as store:
        with pytest.raises(
            UserError, match=rf"older version \({HEAD}\); make a backup, then run `tutelage db upgrade`"
        ):
            with store.write() as connection:
                migrate.create_or_check(connection, "shown", newer)
        with store.write() as connection:
            migrate.upgrade(connection, "shown", newer)
            migrate.create_or_check(connection, "shown", newer)
            assert "later" in inspect(connection).get_table_names()
            assert connection.execute(tables.facts.select()).one().value == "kept"
    with pytest.raises(UserError, match=r"newer version \(8888\)"):
        Store.open(database)


def test_a_migration_that_fails_leaves_the_database_as_it_was(database: str, newer: Path) -> None:
    (newer / "versions" / "v8888_later.py").write_text(NEXT + "    raise KeyError('stop')\n")
    with Store.open(database) as store:
        with pytest.raises(KeyError), store.write() as connection:
            migrate.upgrade(connection, "shown", newer)
        with store.read() as connection:
            assert "later" not in inspect(connection).get_table_names()
    Store.open(database).close()
