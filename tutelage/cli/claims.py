"""`tutelage claims`: test what the paper claims, with the margin and the rule written down before."""

# ruff: noqa: PLR0913 - one parameter per option

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tutelage.cli.options import Overrides
from tutelage.cli.terminal import print_table

if TYPE_CHECKING:
    from tutelage.claims.claim import Claim
    from tutelage.evaluate.measures import Figures


def register(app: typer.Typer) -> None:
    app.command("claims", epilog="Example: tutelage claims sft truthful --seed 2")(claims)


def claims(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Claims by name; all that are not long when none is named."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The seed of the village, its models and its labelers.")] = 1,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The village's run; default runs/village-seedSEED."),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            "--runs",
            metavar="DIR",
            help="Test on evaluated runs of a real model instead, one per seed: claims that need no ground truth.",
            show_default=False,
        ),
    ] = None,
    lists: Annotated[bool, typer.Option("--list", help="Print the claims, what each measures, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print verdicts and figures as JSON.")] = False,
) -> None:
    """Test claims of the paper in the village, or on runs of a real model.

    A claim holds, fails, is undecided or was not tested; the verdict follows from the intervals alone. The village's
    own run and what several claims need is made once, under runs/, and a command that was stopped goes on.
    """
    from tutelage.claims import registry

    wanted = registry.named(names or [])
    if lists:
        _list(wanted if names else registry.CLAIMS)
        return
    found = _on_runs(wanted, runs) if runs else _in_village(wanted, seed, overrides, out)
    if as_json:
        typer.echo(json.dumps([_plain(*one) for one in found], ensure_ascii=False, allow_nan=False, indent=2))
    else:
        _table(found)


def _in_village(
    wanted: tuple[Claim, ...], seed: int, overrides: list[str], out: Path | None
) -> list[tuple[Claim, Figures]]:
    from tutelage.claims.running import measure_in_village
    from tutelage.cli.live import observer
    from tutelage.config import find_recipe, load
    from tutelage.pipeline.recipe import Recipe

    recipe = load(Recipe, find_recipe("village"), [*overrides, f"seed={seed}"])
    root = out or Path("runs") / f"{recipe.name}-seed{seed}"
    with observer() as watching:
        found = measure_in_village(wanted, recipe, root, watching)
    return [(claim, found.claims[claim.name]) for claim in wanted]


def _on_runs(wanted: tuple[Claim, ...], runs: list[Path]) -> list[tuple[Claim, Figures]]:
    from tutelage.claims.running import measure_on_runs

    return measure_on_runs(wanted, runs)


def _list(wanted: tuple[Claim, ...]) -> None:
    from tutelage.claims.page import rule

    for claim in wanted:
        minutes = f"; about {claim.seconds / 60:.0f} minutes beyond the run" if claim.seconds >= 60 else ""
        typer.echo(f"{claim.name}: {claim.title} ({claim.source}{minutes})")
        for part in (*claim.conditions, *claim.parts):
            assert part.rule is not None
            role = "only if: " if part in claim.conditions else ""
            typer.echo(f"    {role}{part.says}: {rule(part.rule, part.unit)}")


def _table(found: list[tuple[Claim, Figures]]) -> None:
    from tutelage.claims.page import rule, why_not, written

    rows: list[tuple[object, ...]] = []
    for claim, figures in found:
        rows.append((claim.number or "", claim.name, claim.verdict(figures), claim.title, "", ""))
        for part in (*claim.conditions, *claim.parts):
            assert part.rule is not None
            shown = written(figures.get(part.figure), part.unit)
            rows.append(("", "", "", f"- {part.says}", rule(part.rule, part.unit), shown))
    print_table(("", "claim", "verdict", "what", "must lie", "measured"), rows)
    for claim, figures in found:
        verdict = claim.verdict(figures)
        if verdict != "holds":
            typer.echo(f"{claim.name}: {verdict}. {why_not(claim, figures, verdict)}")


def _plain(claim: Claim, figures: Figures) -> dict[str, Any]:
    from tutelage.claims.figures import to_json

    parts = [
        {
            "says": part.says,
            "role": "condition" if part in claim.conditions else "part" if part in claim.parts else "beside",
            "above": part.rule.above if part.rule else None,
            "below": part.rule.below if part.rule else None,
            "verdict": part.verdict(figures) if part.rule else None,
            "figure": next(iter(to_json({part.figure: figures[part.figure]})), None)
            if part.figure in figures
            else None,
        }
        for part in claim.measured
    ]
    return {"claim": claim.name, "title": claim.title, "verdict": claim.verdict(figures), "parts": parts}
