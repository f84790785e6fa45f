"""`tutelage evaluate groups`: whose preferences a reward model serves, and who loses, where labelers differ."""

# ruff: noqa: PLR0913 - one parameter per option

from pathlib import Path
from typing import Annotated

import typer

from tutelage.cli.labels import Fields, Format, named_fields
from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl, Init, LabelerKind, Overrides, RunDirectory, Threads
from tutelage.cli.terminal import print_table

Groups = Annotated[
    Path | None,
    typer.Option("--groups", metavar="FILE", help="labeler and group, a row each: .jsonl or .csv.", show_default=False),
]
Concerns = Annotated[
    Path | None,
    typer.Option(
        "--concerns", metavar="FILE", help="prompt (its id) and the group that it concerns.", show_default=False
    ),
]


def register(group: typer.Typer) -> None:
    group.command(
        "groups",
        epilog="Example: tutelage evaluate groups runs/tastes --init smollm2 --data rankings.jsonl "
        "--groups groups.jsonl --kind human",
    )(groups)


def groups(
    run: RunDirectory,
    init: Init,
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
    groups: Groups = None,
    concerns: Concerns = None,
    village: Annotated[
        int | None,
        typer.Option(
            "--village", metavar="SEED", help="Let villagers of known tastes rank the store's outputs instead."
        ),
    ] = None,
    villagers: Annotated[
        list[str], typer.Option("--villagers", help="Their groups: training, opposed, brief, ample.")
    ] = ["training", "brief", "ample", "opposed"],  # noqa: B006 - typer copies it
    prompts: Annotated[int, typer.Option("--prompts", min=10, help="Prompts that villagers rank.")] = 400,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    database: DatabaseUrl = DEFAULT_DATABASE,
    kind: LabelerKind = "human",
    threads: Threads = 0,
) -> None:
    """Judge reward models of groups of labelers, under each way of joining the groups, out of fold.

    A model of all rankings is held against one in which groups count alike, one for each group, one that is told the
    group, one that favours the group that a prompt concerns, and joint verdicts of the groups' own models: who gains,
    who loses, and how much of what labelers disagree by is noise or taste. Settings: `tutelage config groups`.
    """
    from tutelage.cli.live import whole
    from tutelage.config import load
    from tutelage.errors import SettingsError
    from tutelage.evaluate import aggregation
    from tutelage.pipeline import folding, tastes
    from tutelage.pipeline.sources import check_run, find_model
    from tutelage.pipeline.villagers import rows_of_village
    from tutelage.sample import computing_with

    settings = load(tastes.GroupSettings, None, overrides)
    check_run(run, "folds")
    if (village is None) == (groups is None):
        raise SettingsError("Give one of --groups FILE, which names the groups of labelers, and --village SEED.")
    if village is not None:
        rows = rows_of_village(database, village, villagers, prompts)
    else:
        assert groups is not None
        found = (
            folding.rows_of_file(data, format, named_fields(fields), kind)
            if data
            else folding.rows_of_store(run, database, kind)
        )
        rows = tastes.grouped_rows(found, groups, concerns)
    model = find_model(init, database)
    with computing_with(threads or None), whole("Groups") as watch:
        made = tastes.evaluate(run, settings, rows, model, watch)
    print(
        f"{made.rankings} rankings of {rows.found.source}, kind {rows.found.kind}; {made.left_out} rows are left out "
        f"and {made.shortened} rankings not read whole."
    )
    for table in (
        aggregation.gain_table(made.report),
        aggregation.accuracy_table(made.report),
        aggregation.concerned_table(made.report),
        aggregation.disagreement_table(made.report.disagreement),
    ):
        if table:
            lines = [[f"{cell.text} {cell.small}".strip() for cell in row] for row in table.rows]
            print_table(table.columns, lines, table.caption)
    for sentence in aggregation.sentences(made.report):
        print(sentence)
    print(f"Page: {run / folding.PAGE}")
    print(f"Rows and figures: {run / tastes.SERVED}, {run / folding.REPORT}")
