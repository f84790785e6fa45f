"""Write what was found of every claim as a page of Markdown, with the figures drawn beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tutelage.claims import found as kept
from tutelage.claims.claim import Claim, Part, Unit
from tutelage.claims.found import Found
from tutelage.claims.verdicts import VERDICTS, Rule, Verdict
from tutelage.core.statistics import Estimate
from tutelage.evaluate import plots, report
from tutelage.evaluate.measures import Figures
from tutelage.evaluate.wording import NOT_MEASURED, number, percent, plain, points, signed
from tutelage.files import write_json, write_text

#: The pictures: their name, their title, the unit of the figures in them, and the line that they are held against.
PICTURES: tuple[tuple[str, str, Unit, float], ...] = (
    ("shares", "Shares: win rates against one half", "percent", 0.5),
    ("points", "Differences, in points", "points", 0.0),
    ("numbers", "Quality from 1 to 7 and other differences", "number", 0.0),
)
#: How many claims have a verdict, in words.
WORDS: dict[Verdict, str] = {
    "holds": "held",
    "fails": "failed",
    "undecided": "undecided",
    "not tested": "not tested",
}
WHO = (
    "Everybody who judged is SIMULATED: the village's labelers, who read text and know most facts, and its judge, who "
    "knows the truth. No person took part."
)


def write(page: Path, claims: Sequence[Claim], seeds: Sequence[Found]) -> Path:
    """Write the page, its pictures and the figures of every seed beside it."""
    write_json(page.with_name(f"{page.stem}-figures.json"), [one.to_json() for one in seeds])
    for name, drawing in drawings(claims, seeds).items():
        write_text(page.with_name(f"{page.stem}-{name}.svg"), drawing)
    write_text(page, markdown(claims, seeds, page.stem))
    return page


def markdown(claims: Sequence[Claim], seeds: Sequence[Found], stem: str = "claims") -> str:
    """Write the page: the table of verdicts, the pictures, then every claim with all its figures."""
    return "\n".join([*_opening(claims, seeds, stem), *(line for one in claims for line in _section(one, seeds))])


def _opening(claims: Sequence[Claim], seeds: Sequence[Found], stem: str) -> Iterator[str]:
    numbers = ", ".join(str(one.seed) for one in seeds)
    runs = f"seed {numbers}" if len(seeds) == 1 else f"seeds {numbers}" if seeds else "no seed yet"
    yield "# The claims, tested in the village\n"
    yield "Written by `tutelage report --claims`; `make claims` tests the claims on one seed.\n"
    yield f"{WHO} Runs: {runs}. Intervals are 95 %. A claim holds when the whole interval of every figure lies within"
    yield "its margin, fails when the whole interval of one lies beyond, and is undecided between. What fails stays.\n"
    counted = [claim.verdict(kept.together(claim, seeds)) for claim in claims]
    said = ", ".join(f"{counted.count(verdict)} {WORDS[verdict]}" for verdict in VERDICTS)
    yield f"Of {len(claims)} claims: {said}.\n"
    yield "| | claim | verdict | by seed | first figure |"
    yield "|---|---|---|---|---|"
    for claim, verdict in zip(claims, counted, strict=True):
        figures = kept.together(claim, seeds)
        by_seed = ", ".join(f"{one.seed}: {claim.verdict(one.claims.get(claim.name, {}))}" for one in seeds)
        first = written(figures.get(claim.parts[0].figure), claim.parts[0].unit)
        yield f"| {claim.number or ''} | [{claim.title}](#{claim.name}) | **{verdict}** | {by_seed} | {first} |"
    yield ""
    shown = drawings(claims, seeds)
    for name, title, _, _ in PICTURES:
        if name in shown:
            yield f"![{title}]({stem}-{name}.svg)\n"


def _section(claim: Claim, seeds: Sequence[Found]) -> Iterator[str]:
    figures = kept.together(claim, seeds)
    verdict = claim.verdict(figures)
    yield f'<a id="{claim.name}"></a>'
    yield f"## {claim.title}\n"
    yield f"`tutelage claims {claim.name}` · {claim.source} · **{verdict}**\n"
    if verdict != "holds":
        yield f"{why_not(claim, figures, verdict)}\n"
    if not any(one.claims.get(claim.name) for one in seeds):
        return
    columns = ["figure", "rule", "verdict", "pooled" if len(seeds) > 1 else "measured"]
    columns += [f"seed {one.seed}" for one in seeds] if len(seeds) > 1 else []
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for part in claim.measured:
        yield f"| {' | '.join(_row(claim, part, figures, seeds))} |"
    yield ""


def _row(claim: Claim, part: Part, figures: Figures, seeds: Sequence[Found]) -> list[str]:
    figure = figures.get(part.figure)
    judged = [rule(part.rule, part.unit), part.verdict(figures)] if part.rule else ["beside", ""]
    if part in claim.conditions:
        judged[0] = f"condition: {judged[0]}"
    each = [written(one.claims.get(claim.name, {}).get(part.figure), part.unit) for one in seeds]
    n = f", n = {figure.n:,}" if figure is not None and figure.n > 1 else ""
    return [part.says, *judged, written(figure, part.unit) + n, *(each if len(seeds) > 1 else [])]


def why_not(claim: Claim, figures: Figures, verdict: Verdict) -> str:
    """Say why a claim does not hold: what was not measured, which condition is missing, or what the village lacks."""
    if verdict == "not tested":
        missing = [part.says for part in claim.conditions if part.verdict(figures) != "holds"]
        if figures and missing:
            return f"Not tested, because a condition does not hold: {'; '.join(missing)}."
        return f"Not tested in these runs: `tutelage claims {claim.name}` tests it."
    return claim.reason


def written(figure: Estimate | None, unit: Unit) -> str:
    """Write a figure in its unit; one that was counted has no interval."""
    if figure is None:
        return NOT_MEASURED
    if figure.low == figure.high:
        return f"{plain(100 * figure.mean, 1)} %" if unit == "percent" else plain(figure.mean, 2)
    return percent(figure, 1) if unit == "percent" else points(figure) if unit == "points" else number(figure)


def rule(one: Rule, unit: Unit) -> str:
    """Write a rule: `above 50 %`, `below 0 points`, `between -5 and 5 points`."""
    times, suffix = {"percent": (100, " %"), "points": (100, " points"), "number": (1, "")}[unit]

    def at(margin: float) -> str:
        return plain(margin * times, 0 if float(margin * times).is_integer() else 2)

    if one.above is not None and one.below is not None:
        return f"between {at(one.above)} and {at(one.below)}{suffix}"
    return f"above {at(one.above)}{suffix}" if one.above is not None else f"below {at(one.below or 0.0)}{suffix}"


def drawings(claims: Sequence[Claim], seeds: Sequence[Found]) -> dict[str, str]:
    """Draw the figures that verdicts rest on, one picture for each unit: files of their own."""
    made = {}
    for name, title, unit, reference in PICTURES:
        rows = [row for claim in claims for row in _bars(claim, seeds, unit)]
        if rows:
            scale = plots.Scale(reference=reference, unit=unit)
            made[name] = plots.standalone(plots.intervals(f"claims-{name}", rows, scale, title), report.style())
    return made


def _bars(claim: Claim, seeds: Sequence[Found], unit: Unit) -> Iterator[plots.Row]:
    figures, heading = kept.together(claim, seeds), f"{claim.number or ''} {claim.name}".strip()
    for part in (*claim.conditions, *claim.parts):
        figure = figures.get(part.figure)
        if part.unit == unit and figure is not None and figure.low < figure.high:
            yield plots.Row(label=part.says, figure=figure, numbers=_short(figure, unit), heading=heading)
            heading = ""


def _short(figure: Estimate, unit: Unit) -> str:
    if unit == "percent":
        return percent(figure)
    ends = (figure.mean, figure.low, figure.high)
    mean, low, high = (signed(end * 100, 1) if unit == "points" else plain(end, 2) for end in ends)
    return f"{mean} [{low}, {high}]"
