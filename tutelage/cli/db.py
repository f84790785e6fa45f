"""`tutelage db`: the database behind the store."""

from pathlib import Path
from typing import Annotated

import typer

from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl

group = typer.Typer(help="Look after the database.", no_args_is_help=True)


@group.callback()
def callback() -> None:
    """Look after the database."""


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="db")


@group.command("upgrade", epilog="Example: tutelage db upgrade --database postgresql://tutelage@localhost/tutelage")
def upgrade(database: DatabaseUrl = DEFAULT_DATABASE) -> None:
    """Bring the tables of an older version up to this one; make a backup first. Up to date already changes nothing."""
    from tutelage.store import upgrade as upgrade_tables

    upgrade_tables(database)
    print("The tables are those of this version.")


@group.command("backup", epilog="Example: tutelage db backup /backups/2026-11-23 --database sqlite:///tutelage.db")
def backup(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new directory.", show_default=False)],
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Copy the database as it is at one moment into a new directory, while servers and workers go on.

    Beside the copy lies a manifest: revision, rows of each table, the end of the audit log, hashes. With SQLite the
    secret of the keys is in it too, so guard it as you guard the database. PostgreSQL needs its program pg_dump.
    """
    from datetime import UTC, datetime

    from tutelage.store import backup as backups

    made = backups.backup(database, directory, now=datetime.now(UTC))
    print(f"{directory} holds {made.rows} rows of {len(made.tables)} tables of revision {made.revision}.")
    print(f"Its audit log ends with row {made.audit_rows}, {made.audit_hash}; note that elsewhere.")


@group.command("restore", epilog="Example: tutelage db restore /backups/2026-11-23 --database sqlite:///restored.db")
def restore(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A backup.", show_default=False)],
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Fill an empty database from a backup. What is there is never overwritten, and what was changed never restored.

    The hashes of the files, the rows of each table and the chain of the audit log are compared with the manifest.
    """
    from tutelage.store import backup as backups

    made = backups.restore(directory, database)
    print(f"Restored {made.rows} rows of {len(made.tables)} tables, as they were on {made.made}.")
    print("Let a worker run before anything is exported, and repeat the withdrawals that came later.")
