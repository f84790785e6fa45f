"""`tutelage apps`: organisations' applications, their review, and keeping them out."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl, chosen
from tutelage.cli.terminal import print_table

if TYPE_CHECKING:
    from tutelage.store import Store
    from tutelage.store.application_forms import Conditions
    from tutelage.store.applications import Application

# As in store/application_forms.py and store/applications.py, which are not imported before they are needed.
UseCaseName = Literal[
    "generation",
    "open_qa",
    "brainstorming",
    "chat",
    "rewrite",
    "summarization",
    "classification",
    "other",
    "closed_qa",
    "extract",
]
AudienceName = Literal["own", "organisations", "public"]
Which = Annotated[str, typer.Argument(metavar="APPLICATION", help="Its id, as listed.", show_default=False)]
Why = Annotated[str, typer.Option("--reason", help="Why, in words that its customer reads.", show_default=False)]
By = Annotated[
    str,
    typer.Option("--by", metavar="NAME", help="Who decides: a reviewer or administrator by name; default nobody's."),
]

group = typer.Typer(help="Applications of customers: list, review, suspend, revoke.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="apps")


@group.command("list", epilog="Example: tutelage apps list --state in_review")
def list_command(
    state: Annotated[str, typer.Option("--state", help="Only those in this state.", show_default=False)] = "",
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """List applications, the last changed first."""
    from tutelage.store import Store, applications

    known = chosen("--state", [state] if state else [], applications.STATES)
    now = datetime.now(UTC)
    with Store.open(database, create=False) as store:
        found = applications.find(store, states=known)
    rows = [
        (one.id, one.organisation_name, one.name, one.state_at(now), one.changed.strftime("%Y-%m-%d %H:%M"))
        for one in found
    ]
    print_table(("application", "organisation", "name", "state", "changed"), rows)


@group.command(
    "create", epilog="Example: tutelage apps create Bakery Flour-talk --purpose 'Answers our bakers.' --submit"
)
def create(  # noqa: PLR0913 - one parameter per option
    organisation: Annotated[str, typer.Argument(metavar="ORGANISATION", help="Its name; a new one is made.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the application.")],
    purpose: Annotated[str, typer.Option("--purpose", help="What it does, and for whom.", show_default=False)],
    use_case: Annotated[UseCaseName, typer.Option("--use-case", help="The use case it is mostly of.")] = "other",
    audience: Annotated[AudienceName, typer.Option("--audience", help="Who reads what the model writes.")] = "own",
    end_users: Annotated[int, typer.Option("--end-users", min=1, help="For how many people it is.")] = 5,
    read_first: Annotated[
        bool, typer.Option("--read-first", help="A person reads each answer before its use.")
    ] = False,
    answer_tokens: Annotated[int, typer.Option("--answer-tokens", min=1, help="The longest answer.")] = 500,
    requests_per_day: Annotated[int, typer.Option("--requests-per-day", min=1, help="As it expects.")] = 1000,
    risks: Annotated[
        list[str],
        typer.Option(
            "--risk",
            metavar="RISK",
            help="What it touches, any number of times: advice, minors, persuasion, decisions, acts_alone, sensitive.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    submit: Annotated[bool, typer.Option("--submit", help="Send it in for review at once.")] = False,
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Add an application, which begins in the sandbox: few people, a small quota, the content filter always on."""
    from tutelage.errors import MissingError
    from tutelage.store import Store, applications, organisations
    from tutelage.store.application_forms import RISKS, Form, check_form

    form = check_form(
        Form(
            use_case=use_case,
            purpose=purpose,
            audience=audience,
            end_users=end_users,
            is_read_first=read_first,
            answer_tokens=answer_tokens,
            requests_per_day=requests_per_day,
            risks=chosen("--risk", risks, RISKS),
        )
    )
    now = datetime.now(UTC)
    with Store.open(database) as store:
        try:
            owner = organisations.get(store, organisation)
        except MissingError:
            owner = organisations.create(store, organisation, by="", now=now)
        made = applications.create(store, owner.id, name, form, by="", now=now)
        made = applications.move(store, made.id, "sandbox", by="", reason="", now=now)
        if submit:
            made = applications.move(store, made.id, "in_review", by="", reason="", now=now)
    print(
        f"{made.id} of {owner.name} is {applications.told(made.state)}. Make it a key: tutelage keys create {made.id}"
    )


@group.command("submit", epilog="Example: tutelage apps submit app-0123456789ab")
def submit(application: Which, database: DatabaseUrl = DEFAULT_DATABASE) -> None:
    """Send an application in for review; it goes on as in the sandbox meanwhile."""
    _move(database, application, "in_review", reason="")


@group.command("review", epilog="Example: tutelage apps review app-0123456789ab --approve --reason 'Clear and small.'")
def review(  # noqa: PLR0913 - one parameter per option
    application: Which,
    approve: Annotated[bool, typer.Option("--approve", help="Let it go live, or give it other conditions.")] = False,
    request_changes: Annotated[bool, typer.Option("--request-changes", help="Ask its customer for changes.")] = False,
    reason: Why = "",
    by: By = "",
    requests: Annotated[int, typer.Option("--requests-per-minute", min=1, help="A condition.")] = 60,
    tokens: Annotated[int, typer.Option("--tokens-per-minute", min=1, help="A condition.")] = 60_000,
    tokens_per_day: Annotated[int, typer.Option("--tokens-per-day", min=1, help="A condition.")] = 2_000_000,
    filter_mode: Annotated[
        Literal["block", "annotate"], typer.Option("--filter", help="Hold back what is filtered, or only mark it.")
    ] = "block",
    models: Annotated[
        list[str], typer.Option("--model", metavar="NAME", help="A model it may name; default every alias.")
    ] = [],  # noqa: B006 - typer copies it
    data_use: Annotated[
        Literal["none", "training"], typer.Option("--data-use", help="The most that its customer may offer.")
    ] = "training",
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="For how many days; default without end.", show_default=False)
    ] = None,
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Show what a customer says about an application and what to ask, or decide about it."""
    from tutelage.errors import SettingsError
    from tutelage.store import Store, applications
    from tutelage.store.application_forms import Conditions, Limits

    if approve and request_changes:
        raise SettingsError("Give --approve or --request-changes, not both.")
    if not (approve or request_changes):
        with Store.open(database, create=False) as store:
            _show(store, applications.get(store, application))
        return
    conditions = Conditions(
        limits=Limits(requests_per_minute=requests, tokens_per_minute=tokens, tokens_per_day=tokens_per_day),
        filter_mode=filter_mode,
        models=tuple(dict.fromkeys(models)),
        data_use=data_use,
        expires=None if days is None else datetime.now(UTC) + timedelta(days=days),
    )
    if approve:
        _move(database, application, "live", by=by, reason=reason, conditions=conditions)
    else:
        _move(database, application, "changes_requested", by=by, reason=reason)


@group.command("suspend", epilog="Example: tutelage apps suspend app-0123456789ab --reason 'It sends spam.'")
def suspend(
    application: Which,
    reason: Why,
    by: By = "",
    lift: Annotated[bool, typer.Option("--lift", help="Let it work again instead, as it was before.")] = False,
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Stop serving an application: within a second, running answers included. Its customer reads why."""
    from tutelage.store import Store, applications

    if not lift:
        _move(database, application, "suspended", by=by, reason=reason)
        return
    with Store.open(database, create=False) as store:
        was_live = applications.get(store, application).conditions is not None
    _move(database, application, "live" if was_live else "sandbox", by=by, reason=reason)


@group.command("revoke", epilog="Example: tutelage apps revoke app-0123456789ab --by Rita --reason 'It sends spam.'")
def revoke(application: Which, reason: Why, by: By = "", database: DatabaseUrl = DEFAULT_DATABASE) -> None:
    """End an application for ever. Two people do it: the first asks, the second confirms by the same command."""
    from tutelage.store import Store, applications

    with Store.open(database, create=False) as store:
        if applications.get(store, application).revocation_by is None:
            now = datetime.now(UTC)
            applications.ask_revocation(store, application, by=staff(store, by), reason=reason, now=now)
            print(f"{application} is to be revoked; another person confirms it with the same command and --by.")
            return
    _move(database, application, "revoked", by=by, reason=reason)


@group.command("admin", epilog="Example: tutelage apps admin --address https://api.example.org")
def admin(
    address: Annotated[
        str, typer.Option("--address", metavar="URL", help="Where people reach the server, without a path.")
    ] = "http://127.0.0.1:8000",
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """Print a link by which the first administrator comes in, once, within seven days; earlier ones end.

    When somebody is an administrator already, that person invites the others.
    """
    from tutelage.errors import ConflictError
    from tutelage.store import Store, accounts
    from tutelage.web.entry import LINK

    with Store.open(database, create=False) as store:
        token = accounts.invite_first_admin(store, now=datetime.now(UTC))
    if not token:
        raise ConflictError("There is an administrator already; they invite everybody else.")
    print(f"{address.rstrip('/')}{LINK}{token}")


def _move(
    database: str,
    application: str,
    to: Literal["in_review", "live", "sandbox", "changes_requested", "suspended", "revoked"],
    *,
    by: str = "",
    reason: str,
    conditions: "Conditions | None" = None,
) -> None:
    from tutelage.store import Store, applications

    with Store.open(database, create=False) as store:
        who, now = staff(store, by), datetime.now(UTC)
        moved = applications.move(store, application, to, by=who, reason=reason, conditions=conditions, now=now)
    print(f"{moved.id} is {applications.told(moved.state)}.")


def staff(store: "Store", name: str) -> str:
    """Return the id of a person by name, "" for whoever is at the command line."""
    from tutelage.errors import MissingError
    from tutelage.store import accounts

    if not name:
        return ""
    for person in accounts.all_people(store, accounts.STAFF):
        if accounts.key_of(person.name) == accounts.key_of(name):
            return person.id
    raise MissingError(f"No reviewer or administrator is called {name!r}; leave --by out, or invite them.")


def _show(store: "Store", application: "Application") -> None:
    from dataclasses import asdict

    from tutelage.govern.review import checklist, tier
    from tutelage.store import applications

    now = datetime.now(UTC)
    print(f"{application.id}: {application.name} of {application.organisation_name}")
    print(f"State: {applications.told(application.state_at(now))}. {application.reason}".rstrip())
    said = {name: ", ".join(value) if name == "risks" else value for name, value in asdict(application.form).items()}
    print_table(("form", "says"), list(said.items()))
    print(f"To be read with care: {tier(application.form)}")
    for question in checklist(application.form):
        print(f"- {question}")
    steps = [(one.created.strftime("%Y-%m-%d %H:%M"), one.before, one.after, one.by, one.reason) for one in
             applications.history(store, application.id)]  # fmt: skip
    print_table(("at", "from", "to", "by", "reason"), steps)
