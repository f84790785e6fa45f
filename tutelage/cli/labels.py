"""`tutelage labels`: how far the queue is, labels that people made elsewhere, and labelers who withdraw."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl, Overrides
from tutelage.cli.terminal import print_table
from tutelage.cli.withdrawal import DEFAULT_RUNS, Runs, tell
from tutelage.records import Stage

group = typer.Typer(help="See how labeling goes, import labels, and withdraw a labeler.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="labels")


@group.command("progress", epilog="Example: tutelage labels progress")
def progress(database: DatabaseUrl = DEFAULT_DATABASE) -> None:
    """Show how many tasks were filed for labelers, and how many of them have all their labels."""
    from tutelage.feedback import work
    from tutelage.store import Store

    with Store.open(database, create=False) as store:
        found = work.progress(store)
    rows = [(one.kind, one.purpose, one.group, one.tasks, one.closed, one.tasks - one.closed) for one in found]
    print_table(("task", "purpose", "group", "filed", "done", "open"), rows)


@group.command("chosen", epilog="Example: tutelage labels chosen")
def chosen(database: DatabaseUrl = DEFAULT_DATABASE) -> None:
    """Show by which rule the prompts of ranking tasks were chosen, by use case.

    Those chosen at random are a fair sample of all prompts; uncertain ones and those of a quota are not.
    """
    from tutelage.store import Store, choices

    with Store.open(database, create=False) as store:
        found = choices.counts(store)
    rows = [(one.reason, one.use_case, one.chosen, one.tasks, one.closed) for one in found]
    print_table(("rule", "use case", "chosen", "tasks", "done"), rows)


@group.command("import", epilog="Example: tutelage labels import oasst_ranked.jsonl --format oasst --stage reward")
def import_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Demonstrations or rankings.", show_default=False)],
    format: Annotated[str, typer.Option("--format", help="How the file's fields are named.")] = "oasst",
    stage: Annotated[Stage, typer.Option("--stage", help="Set new prompts aside for this stage.")] = "",
    database: DatabaseUrl = DEFAULT_DATABASE,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
) -> None:
    """Import demonstrations or rankings, one per JSON line; whole conversation trees go to one split.

    A demonstration has id, tree, prompt and completion; a ranking has id, tree, prompt and completions, a list of two
    or more objects with id, text and rank (0 is best, equal ranks are ties). Settings: train, validation and test, the
    shares of trees in each split. A malformed line is named, and then nothing is imported.
    """
    from tutelage.config import load
    from tutelage.feedback.importers import Source, import_labels
    from tutelage.prompts.intake import Shares
    from tutelage.store import Store

    shares = load(Shares, None, overrides).as_dict()
    source = Source(path=file, format=format, shares=shares, stage=stage)
    with Store.open(database) as store:
        made = import_labels(store, source, now=datetime.now(UTC))
    print(f"{made.rows} {made.what} of {file}; {made.quarantined} prompts with personal data are kept out of training.")
    print_table(("split", made.what), list(made.prompts.items()))


@group.command("withdraw", epilog="Example: tutelage labels withdraw p-0123456789ab")
def withdraw(
    labeler: Annotated[
        str, typer.Argument(metavar="LABELER", help="The pseudonym on the page People.", show_default=False)
    ],
    runs: Runs = DEFAULT_RUNS,
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Take back a labeler's labels, texts and prompts, for ever, and list the models and runs that learned from them.

    They leave every later export and every figure; rows stay in the store. Open work goes to others, and the person is
    signed out. Given again, it changes nothing and prints the list again.
    """
    from tutelage.feedback import withdrawal
    from tutelage.pipeline.seen import Seen
    from tutelage.store import Store, users, withdrawals

    with Store.open(database, create=False) as store:
        found = withdrawal.withdraw_labeler(store, labeler, by="", now=datetime.now(UTC))
        written = users.prompt_hashes(store, store.user_hash(labeler))
        gone = Seen(written, withdrawals.label_ids(store, labeler))
    tell(found, gone, runs)
