"""`tutelage prompts`: what users sent, taken in by the rules of intake."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl, Overrides
from tutelage.cli.terminal import print_table
from tutelage.cli.withdrawal import DEFAULT_RUNS, Runs, learned, left_out, tell
from tutelage.records import Split, Stage

if TYPE_CHECKING:
    from tutelage.prompts.intake import IntakeReport, IntakeSettings
    from tutelage.store import Store

group = typer.Typer(help="Take in prompts, list and count them, and withdraw a user.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="prompts")


@group.command("import", epilog="Example: tutelage prompts import sent.jsonl --set per_user=100")
def import_command(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|starter|traffic",
            help="One prompt per JSON line, the shipped starter set, or what customers sent to the API.",
            show_default=False,
        ),
    ],
    database: DatabaseUrl = DEFAULT_DATABASE,
    stage: Annotated[
        Stage | None,
        typer.Option("--stage", help="What traffic is set aside for; by default reward.", show_default=False),
    ] = None,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
) -> None:
    """Take in prompts: near-duplicates, cap per user, split by user, personal data, consent; report on each rule.

    A line holds id, text, source (customer, labeler, imported) and user, and may hold consent (the version of the
    notice that the user agreed to; without one a prompt is kept but never used), stage (sft, reward, ppo, evaluation),
    use_case, model and endpoint. A malformed line is named, and then nothing is imported. The starter set brings its
    own split and its demonstrations, which are labels of the kind model: a language model wrote them.

    Of traffic, only requests come in that were sent under a notice for training, that nobody withdrew, and in which
    the filter found nothing severe. Their corrections and rankings become labels of the kind customer. Given again, the
    command takes in what came since.
    """
    from tutelage.config import load
    from tutelage.errors import SettingsError
    from tutelage.pipeline import starter
    from tutelage.prompts.intake import IntakeSettings, intake_file
    from tutelage.store import Store

    settings = load(IntakeSettings, None, overrides)
    now = datetime.now(UTC)
    if file == "traffic":
        with Store.open(database, create=False) as store:
            _import_traffic(store, settings, stage or "reward", now)
        return
    if stage is not None:
        raise SettingsError("--stage is for traffic; the lines of a file name the stage of each prompt.")
    with Store.open(database) as store:
        if file == "starter":
            report = starter.take_in(store, settings, now=now)
        else:
            report = intake_file(store, Path(file), settings, now=now)
    _print_report(report, f"{report.rows} prompts of {file}")


def _import_traffic(store: "Store", settings: "IntakeSettings", stage: Stage, now: datetime) -> None:
    from tutelage.pipeline.traffic import take_in

    taken = take_in(store, settings, stage=stage, now=now)
    if taken.report is not None:
        _print_report(taken.report, f"{taken.report.rows} prompts that customers sent")
    labels = f"{taken.demonstrations} corrections, {taken.rankings} rankings and {taken.votes} votes of customers"
    news = "Nothing new may be learned from." if taken.report is None else ""
    print(f"{news} {labels} came in; {taken.passed_over} prompts ask nothing and were passed over.".strip())


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
    request: Annotated[
        str,
        typer.Option(
            "--request", metavar="ID", help="What became of a request: which models saw it.", show_default=False
        ),
    ] = "",
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """List the prompts that may be used: kept, with consent, and without personal data that was found.

    With --request (the id of an answer, or of a prompt that came with it), say which model answered it, what intake
    made of its prompts, and which models and runs learned from them.
    """
    from tutelage.store import Store, prompts

    with Store.open(database, create=False) as store:
        if request:
            _trace(store, request, runs)
            return
        found = prompts.usable(store, split=split, stage=stage)
    columns = ("id", "source", "split", "stage", "use case", "text")
    print_table(columns, [(p.id, p.source, p.split, p.stage, p.use_case, p.text) for p in found[:limit]])


def _trace(store: "Store", request: str, runs: Path) -> None:
    """Print which models saw a request."""
    from tutelage.errors import MissingError
    from tutelage.pipeline.seen import Seen
    from tutelage.store import prompts, registry, requests, traffic

    sent, row = traffic.of_request(store, request), requests.get(store, request)
    if row is None and not sent:
        raise MissingError(f"There is no request {request!r}; its time in the log is over, or it never came here.")
    answered = {one.request_id: one.model for one in sent} | ({row.id: row.model} if row else {})
    for name, model in answered.items():
        print(f"{name} was answered by {model or 'no model'}" + (f" ({row.action})." if row else "."))
    if not sent:
        print("None of its prompts was taken in, so no model learned from it.")
        return
    found, marks = (
        prompts.get(store, [one.prompt_id for one in sent]),
        prompts.marks(store, [one.prompt_id for one in sent]),
    )
    usable = {one.id for one in prompts.usable_of(store, found)}
    rows = [(id, marks[id].status, one.split, one.stage, "yes" if id in usable else "no") for id, one in found.items()]
    print_table(("prompt", "intake", "split", "stage", "usable"), rows)
    hashes = traffic.hashes(store, request=request)
    saw = {version: len(seen) for version, seen in registry.trained_on(store, hashes).items()}
    told = learned(saw, Seen(hashes), runs)
    if told:
        print_table(("model or run", "learned from"), told)
    else:
        print(f"No registered model and no run under {runs} learned from it.")


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
        str,
        typer.Argument(metavar="[USER]", help="The name that prompts came under, or its hash.", show_default=False),
    ] = "",
    organisation: Annotated[
        str,
        typer.Option("--organisation", metavar="ID", help="The organisation whose requests named the user."),
    ] = "",
    application: Annotated[
        str, typer.Option("--application", metavar="ID", help="All that an application sent, and no user.")
    ] = "",
    runs: Runs = DEFAULT_RUNS,
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Take back a user's consent, for ever, and list the models and runs that learned from the user's prompts.

    The prompts, and the labels on them, leave every later export; prompts that come in later are never used. Given
    again, it changes nothing and prints the list again. An application agrees to nothing from then on, until it agrees
    to a notice anew.
    """
    from tutelage.errors import SettingsError
    from tutelage.feedback import withdrawal
    from tutelage.govern import consent
    from tutelage.pipeline.seen import Seen
    from tutelage.store import Store, users

    if bool(user) == bool(application) or (application and organisation):
        raise SettingsError("Name a USER, with --organisation for one of the API, or an --application alone.")
    now = datetime.now(UTC)
    with Store.open(database, create=False) as store:
        if application or organisation:
            gone = (
                consent.withdraw_application(store, application, by="", now=now)
                if application
                else consent.withdraw_end_user(store, organisation, user, by="", now=now)
            )
            who = application or f"{user} of {organisation}"
            tell(who, [f"{len(gone.hashes)} prompts"], gone.models, Seen(set(gone.hashes)), runs)
            return
        found = withdrawal.withdraw_user(store, user, by="", now=now)
        seen = Seen(users.prompt_hashes(store, found.who))
    tell(found.who, left_out(found), found.models, seen, runs)


@group.command("notice", epilog="Example: tutelage prompts notice data-use-2 notice.txt")
def notice(
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="The name of a new version.")] = "",
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Its text: a paragraph a line, in UTF-8.", show_default=False),
    ] = None,
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Print the notice that customers agree to, or publish a new version: all are asked again then.

    Until a customer agrees to the new version, nothing that the customer's applications send trains anything.
    """
    from tutelage.errors import SettingsError
    from tutelage.files import numbered_lines
    from tutelage.govern import consent
    from tutelage.store import Store, notices

    if bool(version) != (file is not None):
        raise SettingsError("Give a VERSION and a FILE to publish, or neither to read the notice.")
    now = datetime.now(UTC)
    with Store.open(database, create=False) as store:
        if file is not None:
            text = "\n\n".join(line for _, line in numbered_lines(file))
            notices.publish(store, version, text, by="", now=now)
        shown = consent.notice(store, now=now)
    print(f"{shown.version} of {shown.created.date()}\n\n{shown.text.strip()}")
