"""`tutelage db`: the database behind the store."""

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
