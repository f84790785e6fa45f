"""`tutelage prompts`: what users sent, taken in by the rules of intake."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl, Overrides
from tutelage.cli.terminal import print_table
from tutelage.cli.withdrawal import DEFAULT_RUNS, Runs, tell
from tutelage.records import Split, Stage

if TYPE_CHECKING:
    from tutelage.prompts.intake import IntakeReport

group = typer.Typer(help="Take in prompts, list and count them, and withdraw a user.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="prompts")


@group.command("import", epilog="Example: tutelage prompts import sent.jsonl --set per_user=100")
def import_command(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|starter", help="One prompt per JSON line, or the shipped starter set.", show_default=False
        ),
    ],
    database: DatabaseUrl = DEFAULT_DATABASE,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
) -> None:
    """Take in prompts: near-duplicates, cap per user, split by user, personal data, consent; report on each rule.

    A line holds id, text, source (customer, labeler, imported) and user, and may hold consent (the version of the
    notice that the user agreed to; without one a prompt is kept but never used), stage (sft, reward, ppo, evaluation),
    use_case, model and endpoint. A malformed line is named, and then nothing is imported. The starter set brings its
    own split and its demonstrations, which are labels of the kind model: a language model wrote them.
    """
    from tutelage.config import load
    from tutelage.pipeline import starter
    from tutelage.prompts.intake import IntakeSettings, intake_file
    from tutelage.store import Store

    settings = load(IntakeSettings, None, overrides)
    now = datetime.now(UTC)
    with Store.open(database) as store:
        if file == "starter":
            report = starter.take_in(store, settings, now=now)
        else:
            report = intake_file(store, Path(file), settings, now=now)
    _print_report(report, f"{report.rows} prompts of {file}")


@group.command("written", epilog="Example: tutelage prompts written --stage sft")
def written(
    database: DatabaseUrl = DEFAULT_DATABASE,
    stage: Annotated[Stage, typer.Option("--stage", help="What the prompts are set aside for.")] = "sft",
    overrides: Overrides = [],  # noqa: B006 - typer copies it
) -> None:
    """Take in the prompts that labelers wrote in the labeling app, by the rules of `tutelage prompts import`.

    The labeler is the user. A few-shot prompt becomes as many as it has examples, each with its labeler's response as
    its demonstration. Given again, the command takes in what was written since.
    """
    from tutelage.config import load
    from tutelage.pipeline.written import take_in
    from tutelage.prompts.intake import IntakeSettings
    from tutelage.store import Store

    settings = load(IntakeSettings, None, overrides)
    with Store.open(database, create=False) as store:
        report = take_in(store, settings, stage=stage, now=datetime.now(UTC))
    if report is None:
        print("Labelers wrote nothing since the last time.")
    else:
        _print_report(report, f"{report.rows} prompts that labelers wrote")


def _print_report(report: "IntakeReport", title: str) -> None:
    rows = [
        (rule.name, rule.before, rule.after, "; ".join(f"{name} {value:g}" for name, value in rule.proof.items()))
        for rule in report.rules
    ]
    print_table(("rule", "before", "after", "proof in the whole store"), rows, title)
    print_table(("split", "usable", "users"), [(n, report.usable[n], report.users[n]) for n in report.usable])


@group.command("list", epilog="Example: tutelage prompts list --split train --stage ppo --limit 5")
def list_command(
    database: DatabaseUrl = DEFAULT_DATABASE,
    split: Annotated[Split | None, typer.Option("--split", help="Only this split.", show_default=False)] = None,
    stage: Annotated[Stage | None, typer.Option("--stage", help="Only this stage.", show_default=False)] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Prompts to show at most.")] = 20,
) -> None:
    """List the prompts that may be used: kept, with consent, and without personal data that was found."""
    from tutelage.store import Store, prompts

    with Store.open(database, create=False) as store:
        found = prompts.usable(store, split=split, stage=stage)
    columns = ("id", "source", "split", "stage", "use case", "text")
    print_table(columns, [(p.id, p.source, p.split, p.stage, p.use_case, p.text) for p in found[:limit]])


@group.command("counts", epilog="Example: tutelage prompts counts --database sqlite:///runs/village-seed1/tutelage.db")
def counts(database: DatabaseUrl = DEFAULT_DATABASE) -> None:
    """Count all prompts, and those that may be used, by source, split and stage."""
    from tutelage.store import Store, prompts

    with Store.open(database, create=False) as store:
        found = prompts.counts(store)
    rows = [(one.source, one.split, one.stage, one.prompts, one.usable) for one in found]
    print_table(("source", "split", "stage", "prompts", "usable"), rows)


@group.command("withdraw", epilog="Example: tutelage prompts withdraw customer-7")
def withdraw(
    user: Annotated[
        str, typer.Argument(metavar="USER", help="The name that prompts came under, or its hash.", show_default=False)
    ],
    runs: Runs = DEFAULT_RUNS,
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Take back a user's consent, for ever, and list the models and runs that learned from the user's prompts.

    The prompts, and the labels on them, leave every later export; prompts that come in later are never used. Given
    again, it changes nothing and prints the list again.
    """
    from tutelage.feedback import withdrawal
    from tutelage.pipeline.seen import Seen
    from tutelage.store import Store, users

    with Store.open(database, create=False) as store:
        found = withdrawal.withdraw_user(store, user, by="", now=datetime.now(UTC))
        gone = Seen(users.prompt_hashes(store, found.who))
    tell(found, gone, runs)
