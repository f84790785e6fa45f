"""`tutelage evaluate run`: models on tasks with known answers."""

# ruff: noqa: PLR0913 - one parameter per option

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl, Threads
from tutelage.cli.terminal import print_table

# As in evaluate/tasks/subject.py, which is not imported before it is needed.
Form = Literal["text", "chat"]


def register(group: typer.Typer) -> None:
    group.command(
        "run",
        epilog="Example: tutelage evaluate run runs/sft/model default --task truthfulqa-mc --task crows-pairs "
        "--data DATA_DIR --out evaluations/sft",
    )(run)


def run(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL", help="Directories, or registered names.", show_default=False)
    ],
    task: Annotated[
        list[str],
        typer.Option(
            "--task",
            metavar="NAME",
            help="winogender, crows-pairs, realtoxicityprompts, truthfulqa, truthfulqa-mc, drop, quac, squad2, "
            "hellaswag, rte, sst2, wsc, translation, cnn-dm or tldr. May be given several times.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    data: Annotated[
        str,
        typer.Option(
            "--data", metavar="DIR|FILE|hub:...", help="A file of its rows for each task, or the one file of one task."
        ),
    ] = "",
    own: Annotated[
        Path | None, typer.Option("--tasks", metavar="FILE", help="Items of your own, one per JSON line.")
    ] = None,
    examples: Annotated[
        str,
        typer.Option("--examples", metavar="DIR|FILE|hub:...", help="Solved examples that are not beside the data."),
    ] = "",
    prompt: Annotated[
        list[str], typer.Option("--prompt", metavar="NAME", help="A prompt of the task, such as respectful; else all.")
    ] = [],  # noqa: B006 - typer copies it
    shots: Annotated[
        int | None, typer.Option("--shots", min=0, help="Solved examples before each item; else the paper's number.")
    ] = None,
    items: Annotated[int, typer.Option("--items", min=0, help="Items at most, always the same; 0 is all.")] = 0,
    judge: Annotated[
        list[str],
        typer.Option(
            "--judge",
            metavar="WHAT=KIND:PLACE",
            help="Who says true, informative, refused or toxicity: archive:FILE, model:DIR, program:COMMAND or "
            "labelled:FILE.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    form: Annotated[
        Form, typer.Option("--form", help="Continue the prompt as a text, or answer it as a turn.")
    ] = "text",
    seed: Annotated[int, typer.Option("--seed", help="Other seeds show other solved examples.")] = 0,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where records, figures and page go.")] = Path(
        "evaluation"
    ),
    database: DatabaseUrl = DEFAULT_DATABASE,
    threads: Threads = 0,
) -> None:
    """Ask models the paper's academic tasks, or items of your own, and show each figure with its interval and items.

    Every answer is a record in DIR/records.jsonl, keyed by hashes of weights, tokenizer, template, decoding and task:
    stopped, the command goes on where it was, and two checkpoints never share a record. DIR/report.html shows the
    figures, DIR/report.json has them for programs. An item of your own holds task, item (its name), prompt and answer;
    with choices, one of which is the answer, it is multiple choice. A text is exactly prompt + choice.
    """
    from rich.console import Console
    from rich.progress import Progress

    from tutelage.evaluate.tasks.page import group_name, metric_words, write_of
    from tutelage.pipeline import benchmarks
    from tutelage.pipeline.sources import find_model
    from tutelage.sample import computing_with

    order = benchmarks.Order(
        tasks=tuple(task),
        data=data,
        examples=examples,
        prompts=tuple(prompt),
        shots=shots,
        items=items,
        seed=seed,
        form=form,
        judges=tuple(judge),
        own=own,
    )
    asked = list(dict.fromkeys(models))
    found = dict(zip(benchmarks.short_names(asked), (find_model(name, database) for name in asked), strict=True))
    console = Console(stderr=True)
    bar = Progress(console=console, transient=True, disable=not console.is_terminal)
    with bar, computing_with(threads or None):
        shown = bar.add_task("Asking", total=None)
        made = benchmarks.evaluate(
            order,
            found,
            out,
            lambda model, name, done, total: bar.update(
                shown, description=f"{name}: {model}", completed=done, total=total
            ),
        )
    rows = [
        (one.task.name, group_name(group.key), metric_words(metric), write_of(metric)(figure), figure.n)
        for one in made.results
        for group in one.groups
        for metric, figure in group.figures.items()
    ]
    print_table(("task", "model", "metric", "mean [95 % interval]", "items"), rows)
    print(f"Report: {made.page}")
