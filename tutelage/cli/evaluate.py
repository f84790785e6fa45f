"""`tutelage evaluate`: models on tasks with known answers, and before labelers."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tutelage.cli import benchmarks, groups, scoring
from tutelage.cli.labels import Fields, Format, named_fields
from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl, Init, LabelColumns, Overrides, RunDirectory, Threads
from tutelage.cli.terminal import print_table, warn
from tutelage.records import Kind

# As in evaluate/folds.py, which is not imported before it is needed.
Against = Literal["longer", "shorter"]

group = typer.Typer(help="Evaluate models.", no_args_is_help=True)


@group.callback()
def callback() -> None:
    """Evaluate models."""


# First in the help, as it was done first.
benchmarks.register(group)


def register(app: typer.Typer) -> None:
    scoring.register(group)
    groups.register(group)
    app.add_typer(group, name="evaluate")


@group.command("people", epilog="Example: tutelage evaluate people people.toml --set labels.overlap=2")
def people(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="A TOML file of the evaluation.", show_default=False)
    ],
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    database: DatabaseUrl = DEFAULT_DATABASE,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where everything is kept; default runs/NAME.")
    ] = None,
    threads: Threads = 0,
) -> None:
    """Let labelers compare models blind: draw outputs, file the tasks, and show what is preferred.

    Given again, it goes on: it shows how many judgements are there, and once there are any, the table of preferences
    with a page, a picture and JSON. `tutelage config people` prints the recipe's settings.
    """
    from rich.console import Console
    from rich.progress import Progress

    from tutelage.config import load
    from tutelage.evaluate import preference
    from tutelage.pipeline import asking
    from tutelage.sample import computing_with
    from tutelage.store import Store
    from tutelage.web.site import utc_now

    settings = load(asking.PeopleRecipe, recipe, overrides)
    directory, console = out or Path("runs") / settings.name, Console(stderr=True)
    bar = Progress(console=console, transient=True, disable=not console.is_terminal)
    with Store.open(database, create=False) as store, bar, computing_with(threads or None):
        task = bar.add_task("Sampling", total=None)
        found = asking.evaluate(
            store,
            settings,
            directory,
            lambda done, total: bar.update(task, completed=done, total=total),
            warn,
            now=utc_now(),
        )
    print(preference.standing(found))
    if found.parts:
        for table in (preference.preference_table(found), *(preference.flag_table(one, found) for one in found.parts)):
            rows = [[f"{cell.text} {cell.small}" for cell in row] for row in table.rows]
            print_table([head or "flag" for head in table.columns], rows, table.caption)
    print(f"Report: {directory / 'report.html'}")


@group.command(
    "reward",
    epilog="Example: tutelage evaluate reward runs/hh --init smollm2 --data pairs.jsonl --format pairs --kind human",
)
def reward(  # noqa: PLR0913 - one parameter per option
    run: RunDirectory,
    init: Init,
    kind: Annotated[Kind, typer.Option("--kind", help="Who made the labels, as you know it.", show_default=False)],
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="FILE|hub:OWNER/NAME/FILE",
            help="Rankings; without it those of the store.",
            show_default=False,
        ),
    ] = "",
    format: Annotated[Format, typer.Option("--format", help="How a row of FILE holds a label.")] = "ranked",
    fields: Fields = [],  # noqa: B006 - typer copies it
    against: Annotated[Against, typer.Option("--against", help="The length rule to be held against.")] = "longer",
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    database: DatabaseUrl = DEFAULT_DATABASE,
    threads: Threads = 0,
) -> None:
    """Judge reward models out of fold: each fold of the rankings is scored by one that learned from the others.

    FILE is what `tutelage labels import` takes; nothing of it comes into the store. The share of pairs in the order of
    the labels is held against a length rule, pair by pair, and against how far labelers agree. With by=labeler, models
    are judged by labelers they learned from and by new ones. RUN keeps the page (report.html), every pair (pairs.jsonl,
    without texts), the figures (report.json) and rows that cannot be used (left-out.jsonl). Given again, it goes on
    behind the last whole fold. Settings: `tutelage config folds`.
    """
    from tutelage.cli.live import whole
    from tutelage.config import load
    from tutelage.evaluate import foldpage
    from tutelage.pipeline import folding
    from tutelage.pipeline.sources import check_run, find_model
    from tutelage.sample import computing_with
    from tutelage.train.folds import FoldSettings

    settings = load(FoldSettings, None, overrides)
    check_run(run, "folds")
    if data:
        rows = folding.rows_of_file(data, format, named_fields(fields), kind)
    else:
        rows = folding.rows_of_store(run, database, kind)
    model = find_model(init, database)
    with computing_with(threads or None), whole("Folds") as watch:
        made = folding.evaluate(run, settings, rows, model, against, watch)
    found = made.report
    print(
        f"{made.rankings} rankings of {rows.source}, kind {kind}, {found.groups} {found.by}s; {made.left_out} rows are "
        f"left out and {made.shortened} rankings not read whole."
    )
    table = foldpage.fold_table(found)
    print_table(table.columns, [[cell.text for cell in row] for row in table.rows])
    for line in (foldpage.headline(found), *foldpage.said(found), foldpage.calibration_title(found.calibration)):
        print(line.removesuffix(".") + ".")
    print(f"Page: {run / folding.PAGE}")
    print(f"Pairs and figures: {run / folding.PAIRS}, {run / folding.REPORT}")


@group.command(
    "contamination", epilog="Example: tutelage evaluate contamination demonstrations.jsonl benchmark.jsonl --words 8"
)
def contamination(
    first: Annotated[Path, typer.Argument(metavar="A", help="What is learned from.", show_default=False)],
    second: Annotated[Path, typer.Argument(metavar="B", help="What is judged on.", show_default=False)],
    words: Annotated[int, typer.Option("--words", min=1, help="Words in a row that count as shared.")] = 8,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Rows to show at most.")] = 20,
) -> None:
    """Find rows of A that share a run of words with B; the status is 1 if there is one, and 0 if there is none.

    A and B are files of JSON lines, or folders of such files. All texts of a row count, at any depth, but for its id.
    """
    from tutelage.evaluate.contamination import compare

    found = compare(first, second, words)
    if found.shared:
        rows = [(one.place, one.other, one.words) for one in found.shared[:limit]]
        print_table(("row of A", "row of B", "shared words"), rows)
    print(
        f"{len(found.shared)} of {found.rows} rows of {first} ({found.share:.2%}) share {words} words in a row with "
        f"one of the {found.others} rows of {second}."
    )
    if found.shared:
        raise typer.Exit(1)


@group.command(
    "filter",
    epilog="Example: tutelage evaluate filter runs/filter/model --data texts.jsonl --label hate=n_hate/n_raters",
)
def filter_command(  # noqa: PLR0913 - one parameter per option
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The filter: a directory, or a registered name.")],
    data: Annotated[Path, typer.Option("--data", metavar="FILE", help="The file it learned from, or another.")],
    label: LabelColumns = [],  # noqa: B006 - typer copies it
    exclusive: Annotated[
        bool, typer.Option("--exclusive", help="Each person gave one label to a text, so shares add up.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where all figures go, as JSON.")] = Path(
        "filter.json"
    ),
    database: DatabaseUrl = DEFAULT_DATABASE,
    threads: Threads = 0,
) -> None:
    """Measure a content filter on the tenth of a file's texts that no training of ours takes.

    Beside it stand a word list and a linear model, both made from the training share. Shown are the area under the
    curve, precision, recall and false alarms at 1/2 for each category and for any, words hidden by their spelling,
    harmless sentences about groups of people, streams cut in several ways, and time. No text is printed or written.
    """
    from tutelage.files import write_json
    from tutelage.pipeline import filtering, labelled
    from tutelage.pipeline.sources import find_model
    from tutelage.sample import computing_with

    path = find_model(model, database)
    parts = labelled.parted(labelled.read(data, [labelled.column(one) for one in label]))
    with computing_with(threads or None):
        found = filtering.evaluate(path, parts, is_exclusive=exclusive)
    write_json(out, found.as_json())
    for table in filtering.tables(found):
        print_table(table.columns, table.rows, table.title)
    print(f"Figures: {out}")
