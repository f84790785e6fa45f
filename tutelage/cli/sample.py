"""`tutelage sample`: completions for ranking."""

from typing import Annotated

import typer

from tutelage.cli.options import DatabaseUrl, Overrides
from tutelage.cli.terminal import warn


def register(app: typer.Typer) -> None:
    app.command("sample", epilog="Example: tutelage sample sft@1 sft@2 --stage reward --set per_prompt=3")(sample)


def sample(
    models: Annotated[list[str], typer.Argument(metavar="MODEL", help="Policies, by alias or registered name.")],
    database: DatabaseUrl = "sqlite:///tutelage.db",
    split: Annotated[str, typer.Option("--split", help="Only prompts of this split: train, validation or test.")] = "",
    stage: Annotated[
        str, typer.Option("--stage", help="Only prompts set aside for this stage: sft, reward, ppo or evaluation.")
    ] = "",
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    threads: Annotated[int, typer.Option("--threads", min=0, help="Threads; 0 takes torch's choice.")] = 0,
) -> None:
    """Draw completions for the prompts of the store, several per prompt and policy, to be ranked.

    Settings: per_prompt, temperature, top_p, max_tokens, seed, template, precision.

    What is there already is not drawn again.
    """
    from pathlib import Path
    from typing import cast, get_args

    from rich.console import Console
    from rich.progress import Progress

    from tutelage.config import load
    from tutelage.errors import DataError, SettingsError
    from tutelage.records import Split, Stage
    from tutelage.sample import Policy, SamplingSettings
    from tutelage.sample import sample as draw
    from tutelage.store import Store, prompts, registry

    for name, value, known in (("--split", split, get_args(Split)), ("--stage", stage, get_args(Stage))):
        if value and value not in known:
            raise SettingsError(f"{name} is {value!r}; choose one of {', '.join(filter(None, known))}.")
    settings = load(SamplingSettings, None, overrides)
    with Store.open(database, create=False) as store:
        found = [registry.get(store, name) for name in models]
        policies = [Policy(f"{model.name}@{model.version}", Path(model.path)) for model in found]
        wanted = prompts.usable(
            store, split=cast(Split, split) if split else None, stage=cast(Stage, stage) if stage else None
        )
        if not wanted:
            raise DataError("The store has no usable prompt of this kind; import prompts with `tutelage prompts`.")
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("Sampling", total=None)
            report = draw(
                store,
                wanted,
                policies,
                settings,
                threads=threads or None,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    print(f"{report.made} completions made, {report.present} were there.")
    for policy, ids in report.too_long.items():
        warn(f"{policy}: {len(ids)} prompts are too long for its context and were left out, {ids[0]} first.")
