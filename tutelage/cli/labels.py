"""`tutelage labels`: how far the queue is, model judges, labels that people made elsewhere, labelers who withdraw."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl, Overrides
from tutelage.cli.terminal import print_table
from tutelage.cli.withdrawal import DEFAULT_RUNS, Runs, left_out, tell
from tutelage.records import Kind, Stage

# As in feedback/shapes.py, which is not imported before it is needed.
Format = Literal["demonstrations", "ranked", "pairs", "trees", "messages"]
Fields = Annotated[
    list[str], typer.Option("--field", metavar="NAME=COLUMN", help="A field that the file calls otherwise.")
]

group = typer.Typer(
    help="See how labeling goes, let a model judge, import labels, and withdraw a labeler.", no_args_is_help=True
)


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


@group.command(
    "import",
    epilog="Example: tutelage labels import pairs.jsonl --format pairs --kind human --source hh --licence MIT",
)
def import_command(  # noqa: PLR0913 - one parameter per option
    file: Annotated[
        str,
        typer.Argument(metavar="FILE|hub:OWNER/NAME/FILE", help="Demonstrations or rankings.", show_default=False),
    ],
    format: Annotated[Format, typer.Option("--format", help="How a row holds a label.", show_default=False)],
    kind: Annotated[Kind, typer.Option("--kind", help="Who made the labels, as you know it.", show_default=False)],
    source: Annotated[str, typer.Option("--source", help="What to call where they come from.", show_default=False)],
    licence: Annotated[
        str, typer.Option("--licence", help="Under which they were published; kept with them.", show_default=False)
    ],
    fields: Fields = [],  # noqa: B006 - typer copies it
    left_out: Annotated[
        Path | None,
        typer.Option("--left-out", metavar="FILE", help="Where bad rows are listed; default NAME.left-out.jsonl."),
    ] = None,
    stage: Annotated[Stage, typer.Option("--stage", help="Set new prompts aside for this stage.")] = "",
    database: DatabaseUrl = DEFAULT_DATABASE,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
) -> None:
    """Import labels that were made elsewhere: JSON lines, CSV or Parquet, from a file or from the hub.

    demonstrations: prompt, completion. ranked: prompt and completions, texts with ranks beside them or objects with
    text and rank (0 is best, equal ranks are ties). pairs: prompt, chosen and rejected, or no prompt where both begin
    with the same dialogue. trees and messages: conversations as Open-Assistant publishes them. Texts may be lists of
    messages. id, tree (the conversation) and labeler are kept where a row has them.

    Rows that cannot be used are listed with line and reason; the others come in together or not at all, and nothing
    twice. A conversation goes to one split. Settings: train, validation and test, the shares of conversations.
    """
    from rich.console import Console
    from rich.progress import Progress

    from tutelage.config import load
    from tutelage.feedback import hub
    from tutelage.feedback.importers import Source, import_labels, write_faults
    from tutelage.prompts.intake import Shares
    from tutelage.store import Store

    shares = load(Shares, None, overrides).as_dict()
    console = Console(stderr=True)
    bar = Progress(console=console, transient=True, disable=not console.is_terminal)
    with hub.local(file) as (path, origin):
        found = Source(
            path=path, format=format, name=source, kind=kind, licence=licence, shares=shares, stage=stage,
            fields=named_fields(fields), origin=origin,
        )  # fmt: skip
        with Store.open(database) as store, bar:
            task = bar.add_task("Looking for personal data", total=None)
            made = import_labels(
                store,
                found,
                now=datetime.now(UTC),
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    total, noun = made.demonstrations + made.rankings, "demonstrations" if made.demonstrations else "rankings"
    print(f"{total} {noun} of {file}, source {source}, kind {kind}: {made.new} new, {total - made.new} there before.")
    print(f"{made.quarantined} of them have prompts with personal data and are kept out of training.")
    if made.faults:
        listed = left_out or Path(f"{path.name}.left-out.jsonl")
        write_faults(listed, made.faults)
        print(f"{len(made.faults)} rows are left out and listed in {listed}.")
    print_table(("split", "labels"), list(made.prompts.items()))


def named_fields(pairs: list[str]) -> dict[str, str]:
    """Read NAME=COLUMN options."""
    from tutelage.errors import SettingsError

    found = {}
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not (name and equals and column):
            raise SettingsError(f"--field {pair}: write NAME=COLUMN, such as chosen=better.")
        found[name] = column
    return found


@group.command("judge", epilog="Example: tutelage labels judge judge.toml --limit 20")
def judge(
    recipe: Annotated[
        Path, typer.Argument(metavar="JUDGE", help="TOML that names endpoint and model.", show_default=False)
    ],
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Stop after so many tasks.")] = None,
    database: DatabaseUrl = DEFAULT_DATABASE,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
) -> None:
    """Let a model judge rate and rank what waits for labelers, through any OpenAI-compatible endpoint.

    Prompts and outputs are sent to that endpoint: see that whoever wrote them agreed. Labels are kept with the kind
    `model`, apart from those of people everywhere. The API key comes from the environment alone; `tutelage config
    judge` prints the settings. Stopped or failed, the same command goes on with what is left.
    """
    import os

    from tutelage.config import load
    from tutelage.labelers.endpoint import EndpointLabeler, ModelJudgeSettings
    from tutelage.pipeline.modeljudge import let_judge
    from tutelage.store import Store

    settings = load(ModelJudgeSettings, recipe, overrides)
    with Store.open(database, create=False) as store:
        with closing(EndpointLabeler(settings, os.environ.get(settings.key_variable, ""))) as labeler:
            print(f"{labeler.id} (model, {labeler.group}) sends prompts and outputs to {settings.url}")
            found = let_judge(store, labeler, lambda judged: print(judged.sentence(), flush=True), limit)
    if not found.handed_in + found.given_back:
        print(f"Nothing waits for the group {settings.group}.")


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
    tell(found.who, left_out(found), found.models, gone, runs)
