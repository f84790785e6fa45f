"""`tutelage keys`: API keys of applications."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl, chosen
from tutelage.cli.terminal import print_table, warn

Which = Annotated[str, typer.Argument(metavar="KEY", help="The key's id: the 8 characters after tut_.")]
Application = Annotated[str, typer.Argument(metavar="APPLICATION", help="Its id, as `tutelage apps list` shows it.")]

group = typer.Typer(help="Keys of applications: create, rotate, revoke, list.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="keys")


@group.command("create", epilog="Example: tutelage keys create app-0123456789ab --scope complete --days 90")
def create(
    application: Application,
    name: Annotated[str, typer.Option("--name", help="What it is for.")] = "made on the command line",
    scopes: Annotated[
        list[str],
        typer.Option("--scope", metavar="SCOPE", help="What it may do: complete, feedback or moderate; default all."),
    ] = [],  # noqa: B006 - typer copies it
    days: Annotated[
        int | None, typer.Option("--days", help="For how many days; default without end.", show_default=False)
    ] = None,
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Make a key and print it, this once: the database keeps only a hash under a secret of its own."""
    from tutelage.store import Store, keys

    new = keys.NewKey(name=name, scopes=chosen("--scope", scopes, keys.SCOPES) or keys.SCOPES, days=days)
    with Store.open(database, create=False) as store:
        made = keys.create(store, application, new, keys.pepper(store), by="", now=datetime.now(UTC))
    _tell(made.text)


@group.command("rotate", epilog="Example: tutelage keys rotate 0AbC1dEf --overlap-hours 24")
def rotate(
    key: Which,
    overlap_hours: Annotated[
        float, typer.Option("--overlap-hours", min=0, help="For how long the old key lives on.")
    ] = 24.0,
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Make a key like this one and print it; the old one lives on for a while, so that programs can change over."""
    from tutelage.store import Store, keys

    overlap = timedelta(hours=min(overlap_hours, 10_000))
    with Store.open(database, create=False) as store:
        made = keys.rotate(store, key, keys.pepper(store), overlap=overlap, by="", now=datetime.now(UTC))
    _tell(made.text)


@group.command("revoke", epilog="Example: tutelage keys revoke 0AbC1dEf --reason 'It was published.'")
def revoke(
    key: Which,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the log.")] = "",
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """End a key for ever: within a second, running answers included."""
    from tutelage.store import Store, keys

    with Store.open(database, create=False) as store:
        keys.revoke(store, key, by="", reason=reason, now=datetime.now(UTC))
    print(f"The key {key} is revoked.")


@group.command("list", epilog="Example: tutelage keys list app-0123456789ab")
def list_command(
    application: Annotated[str, typer.Argument(metavar="[APPLICATION]", help="Only this one's keys.")] = "",
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """List keys by their ids, the newest first; the keys themselves are kept nowhere."""
    from tutelage.store import Store, keys

    now = datetime.now(UTC)
    with Store.open(database, create=False) as store:
        found = keys.of(store, application)
    rows = [
        (one.id, one.application, one.name, " ".join(one.scopes), "live" if one.is_live(now) else "over",
         _day(one.created), _day(one.expires), _day(one.used))
        for one in found
    ]  # fmt: skip
    print_table(("key", "application", "name", "scopes", "state", "created", "ends", "used"), rows)


def _tell(text: str) -> None:
    warn("Keep this key now; it is not shown again.")
    print(text)


def _day(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%d %H:%M")
