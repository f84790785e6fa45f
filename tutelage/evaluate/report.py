"""Write the report of one or more evaluation runs: one HTML page without external assets, and the same as JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from tutelage.core.statistics import Estimate
from tutelage.errors import MissingError
from tutelage.evaluate import details, expectations, findings, sections
from tutelage.evaluate.measures import Figures
from tutelage.evaluate.records import read
from tutelage.evaluate.score import Analysis, analyse, holm, p_value
from tutelage.files import read_json, write_json, write_text

#: What each section is called in the contents.
LABELS = {
    "truth": "Truth and toxicity",
    "witnesses": "Witnesses",
    "checks": "Constraints and refusals",
    "tax": "Tax",
    "losses": "Loss on people's texts",
    "over-optimisation": "Reward and judge",
    "quality": "Quality",
    "lengths": "Lengths",
    "rates": "Rates",
    "parts": "Parts",
    "labelers": "Labelers",
    "samples": "Samples",
    "seeds": "Seeds",
    "gate": "Gate",
    "texts": "Texts",
    "labels": "Labels",
    "seconds": "Time",
    "lineage": "Lineage",
    "claims": "What fell short",
}


#: What a line must not break: a figure with its interval, a count, a hyphenated name.
UNBROKEN = r"[+−]?[\d.,]+(?:\s?%| points)? \[[^\]]*\]|n = [\d,]+|\w+-\w+"


#: Where a recipe's run says which directory each of its stages is in now.
STAGES = "stages.json"


def evaluated(root: Path) -> list[Path]:
    """Find the runs under a folder that hold an evaluation, each once."""
    stages = {path.parent.parent for path in root.glob("**/evaluation/models.json")}
    return sorted({stage.parent if (stage.parent / STAGES).is_file() else stage for stage in stages})


def build(directories: Sequence[Path], out: Path) -> Path:
    """Pool the runs by seed and write `report.html` and `report.json` into `out`; return the page's path."""
    return write(load(directories), out)


def write(analysis: Analysis, out: Path) -> Path:
    """Write the page and the figures; return the page's path."""
    write_json(out / "report.json", as_json(analysis))
    page = out / "report.html"
    write_text(page, render(analysis))
    return page


def load(directories: Sequence[Path]) -> Analysis:
    """Read and score the evaluations of runs."""
    return analyse([read(locate(directory)) for directory in directories])


def locate(directory: Path) -> Path:
    """Find the evaluation of a recipe's run or of a stage, or take the directory itself when it is one.

    A run whose settings were changed holds older evaluations too; `stages.json` names the one that was made last.
    """
    places = [directory, directory / "evaluation"]
    if (directory / STAGES).is_file():
        stages = read_json(directory / STAGES)
        places += [directory / stages["evaluation"] / "evaluation"] if "evaluation" in stages else []
    for place in places:
        if (place / "models.json").is_file():
            return place
    if not directory.is_dir():
        raise MissingError(f"There is no run {directory}: `tutelage runs list` shows the runs there are.")
    raise MissingError(f"{directory} holds no evaluation: run `tutelage run` on it again, it goes on where it stopped.")


def as_json(analysis: Analysis) -> dict[str, Any]:
    """Give every figure for programs: `win_rate`, `rates`, `tasks` and `seconds` as promised, and all the others."""
    pooled = nested(analysis.pooled)
    found = expectations.claims(analysis)
    back = {
        path[0]: p_value(figure)
        for path, figure in analysis.under("tax_difference").items()
        if path[0] in _tasks(analysis)
    }
    return {
        **{name: pooled.pop(name, {}) for name in ("win_rate", "rates", "tasks")},
        "seconds": expectations.slowest(analysis),
        "ceilings": expectations.ceilings(analysis),
        **pooled,
        "tax_difference_p": holm(back),
        "claims": [{"expected": c.expected, "measured": c.measured, "outcome": c.outcome} for c in found],
        "labels": sorted({source.kind for e in analysis.evaluations for source in e.facts.labels}),
        "seeds": {str(seed): nested(figures) for seed, figures in analysis.by_seed.items()},
    }


def _tasks(analysis: Analysis) -> set[str]:
    return {path[0] for path in analysis.under("tasks")}


def nested(figures: Figures) -> dict[str, Any]:
    """Turn {path: figure} into nested objects that end in {mean, low, high, n}; an open bound is null."""
    tree: dict[str, Any] = {}
    for path, figure in figures.items():
        branch = tree
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = plain_figure(figure)
    return tree


def plain_figure(figure: Estimate) -> Mapping[str, float | None]:
    """Turn a figure into a JSON object; an open bound is null."""
    bounds = {"low": figure.low, "high": figure.high}
    return {
        "mean": figure.mean,
        **{name: value if math.isfinite(value) else None for name, value in bounds.items()},
        "n": figure.n,
    }


def environment() -> Environment:
    """Give what renders pages."""
    made = Environment(loader=PackageLoader("tutelage.evaluate", "page"), autoescape=True, undefined=StrictUndefined)
    # Drawings are made by plots.py, which escapes every text in them; all else is escaped by the template.
    made.filters["drawing"] = Markup
    made.filters["whole"] = whole
    return made


def style() -> Markup:
    """Give the stylesheet of pages."""
    return Markup((Path(__file__).parent / "page" / "report.css").read_text(encoding="utf-8"))


def render(analysis: Analysis) -> str:
    """Write the page."""
    found = expectations.claims(analysis)
    opening = sections.opening(analysis)
    return (
        environment()
        .get_template("report.html")
        .render(
            title=findings.headline(analysis),
            style=style(),
            provenance=findings.provenance(analysis),
            opening=opening,
            sample=findings.sample(analysis),
            outcome=expectations.outcome(found),
            missed=[claim for claim in found if claim.outcome == "did not hold"],
            sections=details.everything(analysis, found),
            labels=LABELS,
            method=findings.method(analysis),
        )
    )


def whole(text: str) -> Markup:
    """Escape a sentence, and keep intervals, counts and hyphenated names from being broken over two lines."""
    return Markup(re.sub(UNBROKEN, r'<span class="whole">\g<0></span>', str(escape(text))))
