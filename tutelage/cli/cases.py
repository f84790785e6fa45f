"""`tutelage apps cases|appeals`: what the misuse monitor wants looked at, and what customers say against measures."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from tutelage.cli.apps import By, group, staff
from tutelage.cli.options import DEFAULT_DATABASE, DatabaseUrl
from tutelage.cli.terminal import print_table

# As in store/cases.py, which is not imported before it is needed.
CodeName = Literal["abuse", "customer_error", "allowed_use", "filter_error", "rule_error", "test", "nothing_found"]
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="Its number, as listed; without one, all that wait.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `tutelage apps`."""
    example = "Example: tutelage apps cases 12 --dismiss --code filter_error --by Rita"
    group.command("cases", epilog=example)(decide_case)
    example = "Example: tutelage apps appeals 3 --overturn --reason 'It was a test.' --by Omar"
    group.command("appeals", epilog=example)(decide_appeal)


def decide_case(  # noqa: PLR0913 - one parameter per option
    number: Number = 0,
    confirm: Annotated[bool, typer.Option("--confirm", help="It is misuse.")] = False,
    dismiss: Annotated[bool, typer.Option("--dismiss", help="It is none.")] = False,
    code: Annotated[CodeName, typer.Option("--code", help="Why.")] = "abuse",
    note: Annotated[str, typer.Option("--note", help="What the next reviewer should know.")] = "",
    by: By = "",
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """List what the monitor wants looked at, those due first first, or decide one case.

    A dismissed case weighs nothing any more; lifting what was done about it is `tutelage apps suspend --lift`.
    """
    from tutelage.errors import SettingsError
    from tutelage.store import Store, cases

    if confirm and dismiss:
        raise SettingsError("A case is confirmed or dismissed, not both; choose one of --confirm and --dismiss.")
    if number and not (confirm or dismiss):
        raise SettingsError(f"Say what case {number} is: --confirm or --dismiss, with --code.")
    with Store.open(database, create=False) as store:
        if number:
            verdict: cases.Verdict = "confirmed" if confirm else "dismissed"
            now = datetime.now(UTC)
            cases.decide(store, number, verdict, code=code, note=note, by=staff(store, by), now=now)
            print(f"Case {number} is {verdict}.")
            return
        found = cases.waiting(store)
    rows = [
        (
            one.number,
            one.application_name,
            one.found.application_id,
            one.found.signal or "spot check",
            one.found.measure,
            one.deadline.strftime("%Y-%m-%d %H:%M"),
            one.found.summary,
        )
        for one in found
    ]
    print_table(("case", "application", "id", "signal", "done", "due", "why"), rows)


def decide_appeal(
    number: Number = 0,
    overturn: Annotated[bool, typer.Option("--overturn", help="The measure was wrong.")] = False,
    uphold: Annotated[bool, typer.Option("--uphold", help="The measure was right.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why, in words that the customer reads.")] = "",
    by: By = "",
    database: DatabaseUrl = DEFAULT_DATABASE,
) -> None:
    """List what customers say against measures, or decide one appeal; who took the measure may not."""
    from tutelage.errors import SettingsError
    from tutelage.store import Store, appeals

    if bool(number) != (overturn != uphold):
        raise SettingsError("Decide an appeal by its number with one of --overturn and --uphold, or list them.")
    with Store.open(database, create=False) as store:
        if number:
            decision: appeals.Decision = "overturned" if overturn else "upheld"
            now = datetime.now(UTC)
            appeals.decide(store, number, decision, reason=reason, by=staff(store, by), now=now)
            print(f"Appeal {number} is {decision}.")
            return
        found = appeals.waiting(store)
    rows = [(one.number, one.application_name, one.application_id, one.against or "-", one.text) for one in found]
    print_table(("appeal", "application", "id", "against", "text"), rows)
