"""Create and upgrade the tables by the numbered migrations that ship with the package."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from tutelage.errors import UserError

MIGRATIONS = Path(__file__).parent / "migrations"


def create_or_check(connection: Connection, shown: str, folder: Path = MIGRATIONS) -> None:
    """Create all tables in an empty database; refuse one of another version, or one that is not ours.

    `shown` is the database's address without its password, for messages.
    """
    current = _current(connection, shown, folder)
    if current is None:
        _run(connection, folder)
    elif current != _scripts(folder).get_current_head():
        raise UserError(
            f"The database {shown} has the tables of an older version ({current}); make a backup, then run "
            "`tutelage db upgrade`."
        )


def upgrade(connection: Connection, shown: str, folder: Path = MIGRATIONS) -> None:
    """Run the migrations that are missing."""
    if _current(connection, shown, folder) != _scripts(folder).get_current_head():
        _run(connection, folder)


def revision(connection: Connection) -> str | None:
    """Return the revision of the tables, None where there are none of ours."""
    return MigrationContext.configure(connection).get_current_revision()


def is_current(connection: Connection, folder: Path = MIGRATIONS) -> bool:
    """Say whether the tables are of this version."""
    return revision(connection) == _scripts(folder).get_current_head()


def is_known(number: str, folder: Path = MIGRATIONS) -> bool:
    """Say whether this program knows a revision: its own, or an older one."""
    return number in {script.revision for script in _scripts(folder).walk_revisions()}


def _current(connection: Connection, shown: str, folder: Path) -> str | None:
    """Return the revision of the tables, None for an empty database."""
    current = revision(connection)
    if current is None:
        if inspect(connection).get_table_names():
            raise UserError(f"The database {shown} holds tables of another program; name an empty one.")
        return None
    if not is_known(current, folder):
        raise UserError(f"The database {shown} was made by a newer version ({current}); update tutelage to open it.")
    return current


def _config(folder: Path) -> Config:
    config = Config()
    # Config reads % as the start of an interpolation.
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@cache
def _scripts(folder: Path) -> ScriptDirectory:
    """Read the migrations of a folder once: reading takes longer than all else that opening a database does."""
    return ScriptDirectory.from_config(_config(folder))


def _run(connection: Connection, folder: Path) -> None:
    config = _config(folder)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
