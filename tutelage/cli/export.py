"""`tutelage export`: what may be trained on, or what measured models, as a directory that says what it is."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl, LabelerKind
from tutelage.records import Stage

# As in feedback/export.py, which is not imported before it is needed.
What = Literal["sft", "reward", "ppo", "ratings", "toxicity", "comparisons"]
ExportPurpose = Literal["train", "evaluation"]
ExportGroup = Literal["training", "heldout"]
ExportSplit = Literal["train", "validation"]


def register(app: typer.Typer) -> None:
    app.command("export", epilog="Example: tutelage export reward data/reward --kind human --split train")(export)


def export(  # noqa: PLR0913 - one parameter per option
    what: Annotated[
        What,
        typer.Argument(
            metavar="WHAT",
            help="sft (demonstrations), reward (rankings), ppo (prompts without answers), ratings, toxicity or "
            "comparisons (orders that measured models).",
            show_default=False,
        ),
    ],
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="The directory to make; one that is there is refused.", show_default=False),
    ],
    kind: LabelerKind = "human",
    split: Annotated[
        ExportSplit, typer.Option("--split", help="For training: which prompts; the test split stays here.")
    ] = "train",
    stage: Annotated[Stage, typer.Option("--stage", help="Of prompts: those set aside for this stage.")] = "ppo",
    purpose: Annotated[
        ExportPurpose, typer.Option("--purpose", help="What labels were made for; never both in one export.")
    ] = "train",
    group: Annotated[
        ExportGroup, typer.Option("--group", help="For evaluation: whose labels; training takes its own group's alone.")
    ] = "training",
    parquet: Annotated[bool, typer.Option("--parquet", help="Write rows.parquet too (extra `parquet`).")] = False,
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Write what a trainer may learn from: labels for training by training labelers, on prompts with consent.

    Ratings of single outputs can be exported for evaluation instead, and judgements of toxicity and comparisons of
    models (labelers' orders, customers' votes) for nothing else: such rows name the models, and no training export
    holds them. DIR gets rows.jsonl, manifest.json (what was asked for,
    counts, instructions, hashes) and README.md, which says the same to a person. The same store gives the same bytes.
    """
    from tutelage.feedback import dataset
    from tutelage.feedback.export import Query
    from tutelage.store import Store

    query = Query(what=what, kind=kind, split=split, stage=stage, purpose=purpose, group=group)
    with Store.open(database, create=False) as store:
        made = dataset.write(store, query, directory, with_parquet=parquet)
    print(f"{made.rows} rows for {what} in {directory}, sha256 {made.sha256}")
