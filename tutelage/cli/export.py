"""`tutelage export`: what may be trained on, with a manifest that names every label."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl, LabelerKind
from tutelage.records import Stage

# As in feedback/export.py, which is not imported before it is needed.
What = Literal["demonstrations", "rankings", "prompts"]
ExportSplit = Literal["train", "validation"]


def register(app: typer.Typer) -> None:
    app.command("export", epilog="Example: tutelage export rankings data/rankings --kind human --split train")(export)


def export(
    what: Annotated[
        What, typer.Argument(metavar="WHAT", help="demonstrations, rankings or prompts.", show_default=False)
    ],
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where rows.jsonl and manifest.json go.", show_default=False)
    ],
    kind: LabelerKind = "human",
    split: Annotated[ExportSplit, typer.Option("--split", help="Which prompts; the test split stays here.")] = "train",
    stage: Annotated[Stage, typer.Option("--stage", help="Of prompts: those set aside for this stage.")] = "ppo",
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Write what a trainer may learn from: labels for training by training labelers, on prompts with consent.

    The manifest holds the hash of the rows, every label and prompt by id and hash, and counts of kinds and labelers.
    """
    from tutelage.feedback import export as exports
    from tutelage.store import Store

    with Store.open(database, create=False) as store:
        found = exports.select(store, what, kind=kind, split=split, stage=stage)
    exports.check_rows(found, kind)
    exports.write(found, directory)
    print(f"{found.manifest.rows} {what} in {directory}, sha256 {found.manifest.sha256}")
