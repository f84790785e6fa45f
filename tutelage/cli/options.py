"""Options that several commands share, so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

#: `--set ppo.beta=0.05`, any number of times.
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Override one setting of the recipe, as in --set ppo.beta=0.05. May be given several times.",
        show_default=False,
    ),
]
RunsRoot = Annotated[Path, typer.Option("--root", metavar="DIR", help="The folder that holds the runs.")]
DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="TUTELAGE_DATABASE",
        help="Where the store is: sqlite:///FILE or postgresql://USER@HOST/NAME.",
    ),
]
