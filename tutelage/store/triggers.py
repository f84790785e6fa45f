"""Statements that make tables append-only inside the database, whoever writes to them."""

from collections.abc import Iterable


def append_only(dialect: str, tables: Iterable[str]) -> list[str]:
    """Return the DDL after which UPDATE and DELETE (in PostgreSQL also TRUNCATE) on `tables` fail with a sentence."""
    if dialect == "sqlite":
        return [_sqlite(table, event) for table in tables for event in ("UPDATE", "DELETE")]
    function = """
        CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'rows of % are never changed or deleted; add a new row', TG_TABLE_NAME; END $$
    """
    return [function, *(statement for table in tables for statement in _postgresql(table))]


def written_once(dialect: str, tables: Iterable[str]) -> list[str]:
    """Return the DDL after which UPDATE on `tables` fails with a sentence; DELETE is left to retention."""
    sentence = "are written once; retention deletes them when their time is over"
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_refuse_update BEFORE UPDATE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'rows of {table} {sentence}'); END"
            for table in tables
        ]
    function = f"""
        CREATE OR REPLACE FUNCTION refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'rows of % {sentence}', TG_TABLE_NAME; END $$
    """
    made = (
        f"CREATE TRIGGER {table}_refuse_update BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_update()"
        for table in tables
    )
    return [function, *made]


def _sqlite(table: str, event: str) -> str:
    return (
        f"CREATE TRIGGER {table}_refuse_{event.lower()} BEFORE {event} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are never changed or deleted; add a new row'); END"
    )


def _postgresql(table: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]


def fixed_group(dialect: str) -> list[str]:
    """Return the DDL after which a labeler's group and kind stay: they decide what a label may be used for."""
    sentence = "a labeler keeps the group and kind it began with; register a new labeler"
    changed = 'OLD."group" <> NEW."group" OR OLD.kind <> NEW.kind'
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER labelers_fixed_group BEFORE UPDATE ON labelers WHEN {changed} "
            f"BEGIN SELECT RAISE(ABORT, '{sentence}'); END"
        ]
    return [
        "CREATE FUNCTION refuse_group() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{sentence}'; END $$",
        f"CREATE TRIGGER labelers_fixed_group BEFORE UPDATE ON labelers FOR EACH ROW WHEN ({changed}) "
        "EXECUTE FUNCTION refuse_group()",
    ]
