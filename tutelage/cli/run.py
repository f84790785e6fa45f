"""`tutelage run`: the whole loop of a recipe; given again, it goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tutelage.cli.options import Overrides
from tutelage.cli.terminal import print_table


def register(app: typer.Typer) -> None:
    app.command("run", epilog="Example: tutelage run village --set seed=2 --set village.ppo=2000")(run)


def run(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped one.")],
    overrides: Overrides = [],  # noqa: B006  (typer makes a new list)
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where everything is kept; default runs/NAME-seedSEED.")
    ] = None,
) -> None:
    """Run a recipe from prompts to a released model.

    Stages that are made from the same settings are skipped, so the same command goes on after an interruption, and a
    changed setting runs only what depends on it.
    """
    from tutelage.cli.live import observer
    from tutelage.config import find_recipe, load
    from tutelage.pipeline.loop import stages_of
    from tutelage.pipeline.recipe import Recipe
    from tutelage.pipeline.rounds import name_of
    from tutelage.pipeline.stages import Workspace

    settings = load(Recipe, find_recipe(recipe), overrides)
    root = out or Path("runs") / f"{settings.name}-seed{settings.seed}"
    stages = stages_of(settings)
    with observer() as watching:
        space = Workspace(root, settings, watching)
        space.run(stages)
    ceilings = {stage.name: stage.ceiling for stage in stages}
    peaks = space.peaks()
    rows = [
        (
            stage.title,
            f"{seconds:.0f}",
            _over(seconds, ceilings[stage.name]),
            f"{peaks[stage.name] / 1e9:.1f}" if stage.name in peaks else "",
        )
        for stage, seconds in zip(stages, space.seconds().values(), strict=True)
    ]
    print_table(("stage", "seconds", "ceiling", "GB of memory"), rows, f"Everything is in {root}")
    if "report" in ceilings:  # only recipes that judge what they made
        print(f"Report:  {root / space.facts('report')['report']}")
    last = settings.rounds.count
    if last > 1:
        print(f"Rounds:  {root / space.facts(name_of('report', last))['report']}")
    store = f"--database sqlite:///{root / 'tutelage.db'}"
    released = space.facts(name_of("release", last))
    if released["refused"]:
        print(f"Not released: {released['refused']}")
    # A later round that was not released changes nothing: the default is still what its customers were served.
    model = "" if released["default"] or last > 1 else f" --model {released['model']}"
    print(f"Serve:   tutelage serve {store}{model}")
    if last > 1:
        print("         Its customers have keys, so calls need one: tutelage apps create, tutelage keys create")
    print(f"Label:   tutelage label {store}")


def _over(seconds: float, ceiling: float | None) -> str:
    if ceiling is None:
        return ""
    return f"{ceiling:.0f}" if seconds <= ceiling else f"{ceiling:.0f}, exceeded"
