"""`tutelage report`: what an evaluation found, as one page for people and as JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tutelage.cli.options import RunsRoot
from tutelage.cli.terminal import print_table

if TYPE_CHECKING:
    from tutelage.evaluate.score import Analysis

DEFAULT_ROOT = Path("runs")
#: What `tutelage claims` leaves in a run's directory (tutelage.claims.found).
CLAIMS = "claims.json"


def register(app: typer.Typer) -> None:
    app.command("report", epilog="Example: tutelage report runs/village-seed1 runs/village-seed2 --out report")(report)


def report(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN", help="Evaluated runs, one per seed; all under --root when none is named."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Where the page goes; by default beside the evaluation.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON and write nothing.")] = False,
    root: RunsRoot = DEFAULT_ROOT,
    claims: Annotated[
        Path | None,
        typer.Option(
            "--claims",
            metavar="FILE",
            help="Where the page of the claims goes that `tutelage claims` tested, its pictures beside it; by default "
            "claims.md beside the report.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Pool evaluated runs by seed and write report.html and report.json.

    Every figure has its 95 % interval and n. Claims that did not hold are listed first. Where `tutelage claims` tested
    claims on the runs, their seeds are put together too.
    """
    from tutelage.errors import MissingError
    from tutelage.evaluate import report as reports

    places = directories or reports.evaluated(root)
    if not places:
        raise MissingError(f"No run under {root} holds an evaluation: `tutelage run RECIPE` makes one, or name a run.")
    if as_json:
        typer.echo(json.dumps(reports.as_json(reports.load(places)), ensure_ascii=False, allow_nan=False, indent=2))
        return
    if out is None:
        out = places[0] / "report" if len(places) == 1 else root / "report"
    analysis = reports.load(places)
    page = reports.write(analysis, out)
    _summary(analysis)
    typer.echo(f"Report: {page}")
    _claims(places, claims, out)


def _claims(places: list[Path], page: Path | None, out: Path) -> None:
    """Write the page of tested claims, if there are any."""
    from tutelage.errors import MissingError

    if not any((place / CLAIMS).is_file() for place in places):
        if page is not None:
            raise MissingError("No claim was tested on these runs: `tutelage claims` tests them in the village.")
        return
    from tutelage.claims import page as pages
    from tutelage.claims.found import tested
    from tutelage.claims.registry import CLAIMS as ALL

    typer.echo(f"Claims: {pages.write(page or out / 'claims.md', ALL, tested(places))}")


def _summary(analysis: Analysis) -> None:
    from tutelage.evaluate import expectations, findings
    from tutelage.evaluate.tables import HEADLINES

    rows = [
        (label, write(figure), figure.n)
        for label, path, write in HEADLINES[analysis.evaluations[0].facts.terms]
        if (figure := analysis.find(*path)) is not None
    ]
    print_table(("figure", "mean [95 % interval]", "n"), rows, title=findings.provenance(analysis))
    claims = expectations.claims(analysis)
    missed = [(claim.expected, claim.measured) for claim in claims if claim.outcome == "did not hold"]
    if missed:
        print_table(("did not hold", "measured"), missed)
    typer.echo(expectations.outcome(claims))
