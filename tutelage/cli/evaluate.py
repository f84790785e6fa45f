"""`tutelage evaluate`: models on tasks with known answers."""

from pathlib import Path
from typing import Annotated

import typer

from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl, Threads
from tutelage.cli.terminal import print_table

group = typer.Typer(help="Evaluate models.", no_args_is_help=True)


@group.callback()
def callback() -> None:
    """Evaluate models."""


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="evaluate")


@group.command(
    "run", epilog="Example: tutelage evaluate run runs/sft/model default --tasks tasks.jsonl --out scores.json"
)
def run(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL", help="Directories, or registered names.", show_default=False)
    ],
    tasks: Annotated[Path, typer.Option("--tasks", metavar="FILE", help="One item per JSON line.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where all scores go, as JSON.")] = Path(
        "scores.json"
    ),
    database: DatabaseUrl = DEFAULT_DATABASE,
    threads: Threads = 0,
) -> None:
    """Score models on tasks: multiple choice by mean log-probability per token, or exact match of a greedy line.

    An item holds task, item (its own name), prompt and answer; with choices, one of which is the answer, it is multiple
    choice. A text is exactly prompt + choice, so a choice opens with the space that belongs before it.
    """
    from tutelage.evaluate import tasks as benchmark
    from tutelage.evaluate.tasks import files
    from tutelage.pipeline.sources import find_model
    from tutelage.sample import computing_with

    asked = files.read(tasks)
    found = {name: find_model(name, database) for name in models}
    with computing_with(threads or None):
        scores = benchmark.run(asked, found, seed=0)
    files.write(out, scores, found, tasks)
    rows = [
        (task, model, one.mean, f"[{one.low:.3f}, {one.high:.3f}]" if one.n > 1 else "", one.n)
        for task, by_model in files.figures(scores).items()
        for model, one in by_model.items()
    ]
    print_table(("task", "model", "score", "95 % interval", "items"), rows)
    print(f"Scores: {out}")
