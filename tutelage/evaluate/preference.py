"""What labelers preferred, as tables, a picture and a page: one part for each kind of labeler and each group.

People, simulated labelers and model judges are never added up, nor are groups: each part stands by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tutelage.core.statistics import bounded_mean, win_rate
from tutelage.evaluate import breakdown, plots
from tutelage.evaluate.comparison import KINDS, Comparison, Judged
from tutelage.evaluate.layout import Picture, Section
from tutelage.evaluate.measures import Figures, Path
from tutelage.evaluate.plots import Row, Scale
from tutelage.evaluate.records import ArmRating
from tutelage.evaluate.report import environment, nested, style
from tutelage.evaluate.score import QUALITY, beaten
from tutelage.evaluate.tables import Cell, Table, Write, judged_cell, title_of
from tutelage.evaluate.wording import count, number, percent
from tutelage.records import FLAGS

LABELS = {
    "preference": "Preference",
    "breakdown": "Breakdown",
    "quality": "Quality",
    "flags": "Flags",
    "labels": "Labels",
}


def figures(part: Judged, comparison: Comparison) -> Figures:
    """Score one part: `win_rate` M against B, `quality` M, and `flags` NAME M, each with its two-way interval.

    A tie counts one half. A flag's rate is over the ratings in which it was answered. What nobody judged is left out.
    """
    models = [arm.model for arm in comparison.arms]
    found: Figures = {}
    for model in models:
        for other in models:
            if model != other and (rows := beaten(part.rankings, model, other)):
                found["win_rate", model, other] = win_rate(rows.values, rows.prompts, rows.labelers)
    for model in models:
        rated = [row for row in part.ratings if row.model == model]
        if rated:
            prompts, labelers = [row.prompt_id for row in rated], [row.labeler for row in rated]
            qualities = [float(row.quality) for row in rated]
            found["quality", model] = bounded_mean(qualities, QUALITY, prompts, labelers)
    return found | _flags(part.ratings, models)


def _flags(ratings: Sequence[ArmRating], models: Sequence[str]) -> Figures:
    answers: dict[tuple[str, str], list[tuple[float, str, str]]] = defaultdict(list)
    for row in ratings:
        for flag, answer in row.flags.items():
            if answer is not None:
                answers[flag, row.model].append((float(answer), row.prompt_id, row.labeler))
    found: Figures = {}
    for flag in FLAGS:
        for model in models:
            if (flag, model) in answers:
                values, prompts, labelers = zip(*answers[flag, model], strict=True)
                found["flags", flag, model] = win_rate(values, prompts, labelers)
    return found


def preference_table(comparison: Comparison) -> Table:
    """Show how often each arm is preferred to the baseline and how it is rated, a block for each part."""
    baseline = comparison.title(comparison.baseline)
    rows = []
    for part in comparison.parts:
        found = figures(part, comparison)
        for arm in comparison.arms:
            wins = found.get(("win_rate", arm.model, comparison.baseline))
            rows.append(
                (
                    Cell(part.name),
                    Cell(arm.name),
                    Cell("baseline") if arm.model == comparison.baseline else judged_cell(wins),
                    judged_cell(found.get(("quality", arm.model)), number),
                )
            )
    return Table(
        caption=f"How often an arm is preferred to {baseline}, ties count one half, and its quality from 1 to 7; "
        "95 % intervals, clustered by prompt and by labeler",
        columns=("judged by", "arm", f"preferred to {baseline}", "quality"),
        rows=tuple(rows),
    )


def matrix(part: Judged, comparison: Comparison) -> Table:
    """Show every arm against every arm."""
    found = figures(part, comparison)
    rows = [
        (
            Cell(arm.name),
            *(
                Cell("") if arm == other else judged_cell(found.get(("win_rate", arm.model, other.model)))
                for other in comparison.arms
            ),
        )
        for arm in comparison.arms
    ]
    columns = ("preferred", *(f"to {arm.name}" for arm in comparison.arms))
    return Table(caption=f"Every arm against every arm: {part.name}", columns=columns, rows=tuple(rows))


def flag_table(part: Judged, comparison: Comparison) -> Table:
    """Show the rate of every flag that somebody answered."""
    found = figures(part, comparison)
    flags = [flag for flag in FLAGS if any(path[:2] == ("flags", flag) for path in found)]
    rows = [
        (Cell(flag.replace("_", " ")), *(judged_cell(found.get(("flags", flag, arm.model))) for arm in comparison.arms))
        for flag in flags
    ]
    caption = f"Flags, as shares of the ratings in which they were answered: {part.name}"
    return Table(caption=caption, columns=("", *(arm.name for arm in comparison.arms)), rows=tuple(rows))


def sources_table(comparison: Comparison) -> Table:
    """Show who made which labels; kinds and groups are never added up."""
    rows = [
        (
            Cell(source.what),
            Cell(KINDS[source.kind]),
            Cell(title_of(source.group)),
            Cell(count(source.labelers)),
            Cell(count(source.count)),
            Cell(source.instruction_version),
        )
        for part in comparison.parts
        for source in part.sources
    ]
    columns = ("labels", "made by", "group", "labelers", "count", "instructions")
    return Table(caption="Labels by who made them", columns=columns, rows=tuple(rows))


def preference_picture(comparison: Comparison) -> Picture | None:
    """Draw how often each arm is preferred to the baseline; None while nothing was ranked."""
    baseline = comparison.baseline
    rows = _rows(comparison, {arm.model: ("win_rate", arm.model, baseline) for arm in comparison.others}, percent)
    scale = Scale(reference=0.5, low=0.0, high=1.0, caption=f"preferred to {comparison.title(baseline)}")
    return _drawn("preference", _headline(comparison), rows, scale) if rows else None


def quality_picture(comparison: Comparison) -> Picture | None:
    """Draw the mean quality of each arm; None while nothing was rated."""
    rows = _rows(comparison, {arm.model: ("quality", arm.model) for arm in comparison.arms}, number)
    scale = Scale(reference=4.0, unit="number", low=1.0, high=7.0, caption="mean quality")
    return _drawn("quality", "Mean quality from 1 to 7", rows, scale) if rows else None


def _rows(comparison: Comparison, paths: Mapping[str, Path], write: Write) -> list[Row]:
    """Make a row of each figure that there is, part by part."""
    rows = []
    for part in comparison.parts:
        found, heading = figures(part, comparison), part.name
        for model, path in paths.items():
            if (figure := found.get(path)) is not None:
                label = comparison.title(model)
                rows.append(Row(label=label, figure=figure, numbers=write(figure), model=model, heading=heading))
                heading = ""
    return rows


def _drawn(name: str, title: str, rows: Sequence[Row], scale: Scale) -> Picture:
    alt = f"{title}. " + "; ".join(f"{row.heading} {row.label}: {row.numbers}".strip() for row in rows)
    lines = tuple((Cell(row.label), Cell(row.numbers), Cell(count(row.figure.n))) for row in rows)
    table = Table(caption=title, columns=("", "mean [95 % interval]", "n"), rows=lines)
    return Picture(title=title, svg=plots.intervals(name, rows, scale, alt), table=table)


def _headline(comparison: Comparison) -> str:
    """Say what the first part preferred, with its figures."""
    part = next(part for part in comparison.parts if part.rankings)
    found, baseline = figures(part, comparison), comparison.title(comparison.baseline)
    said = [
        f"{arm.name} {percent(figure)}"
        for arm in comparison.others
        if (figure := found.get(("win_rate", arm.model, comparison.baseline)))
    ]
    n = count(len(part.rankings))
    return f"Preferred to {baseline} by {part.name}: {', '.join(said)}, n = {n} rankings"


def standing(comparison: Comparison) -> str:
    """Say how far labeling is; figures before its end are not final."""
    there = comparison.asked - comparison.missing
    if not comparison.missing:
        return f"All {count(comparison.asked)} judgements of {count(comparison.prompts)} prompts are there."
    return (
        f"{count(there)} of {count(comparison.asked)} judgements of {count(comparison.prompts)} prompts are there; "
        "figures may still change."
    )


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Give every figure for programs."""
    return {
        "name": comparison.name,
        "arms": {arm.model: {"name": arm.name, "model": arm.note} for arm in comparison.arms},
        "baseline": comparison.baseline,
        "prompts": comparison.prompts,
        "asked": comparison.asked,
        "missing": comparison.missing,
        "equal_texts": comparison.equal,
        "too_long": comparison.left_out,
        "decoding": comparison.decoding,
        "parts": [
            {
                "kind": part.kind,
                "group": part.group,
                "labelers": len({row.labeler for row in part.rankings} | {row.labeler for row in part.ratings}),
                "rankings": len(part.rankings),
                "instructions": sorted({source.instruction_version for source in part.sources}),
                **nested(figures(part, comparison)),
                **nested(breakdown.figures(part, comparison)),
            }
            for part in comparison.parts
        ],
        "interactions": nested(breakdown.interactions(comparison)),
    }


def render(comparison: Comparison) -> str:
    """Write the page."""
    preferred, quality = preference_picture(comparison), quality_picture(comparison)
    sections = [
        Section(
            id="preference",
            title=f"Preferred to {comparison.title(comparison.baseline)}",
            pictures=(preferred,) if preferred else (),
            tables=(preference_table(comparison), *(matrix(part, comparison) for part in comparison.parts)),
        ),
        Section(id="breakdown", title="All pairs, lengths, prompts and groups", tables=breakdown.tables(comparison)),
        Section(id="quality", title="Each output by itself, from 1 to 7", pictures=(quality,) if quality else ()),
        Section(
            id="flags",
            title="What labelers marked",
            tables=tuple(flag_table(part, comparison) for part in comparison.parts),
        ),
        Section(id="labels", title="Who judged", tables=(sources_table(comparison),)),
    ]
    page = environment().get_template("preference.html")
    return page.render(
        title=preferred.title if preferred else comparison.name,
        name=comparison.name,
        style=style(),
        standing=standing(comparison),
        sections=[section for section in sections if section],
        labels=LABELS,
        method=method(comparison),
    )


def method(comparison: Comparison) -> list[str]:
    """Say how the figures were made."""
    decoding = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in comparison.decoding.items())
    return [
        "Labelers rated each output of a prompt by itself and then ranked all of them, under names that say nothing "
        "of the arms and in an order of chance of their own, which is stored.",
        "Win rates count the share of rankings in which an arm stands above another, a tie as one half. Intervals are "
        "95 %, for new prompts and new labelers: clustered by both, with Satterthwaite's degrees of freedom, and for "
        "shares and quality score intervals; with one labeler they speak of that one only.",
        "Fitted rates are those of Bradley and Terry, a tie as one half, and of a logistic regression on tanh of the "
        "difference in length, read at equal length. They are left out where they have no finite value.",
        "What a study detects is the true difference that it finds in 80 % of cases: 1.43 times half the interval.",
        f"Equal texts of a prompt are shown once, and the arms that wrote them are tied: {count(comparison.equal)} "
        f"pairs of outputs. {count(comparison.left_out)} prompts were too long for an arm and left out for all.",
        "A flag that was not answered is missing and never no. Kinds of labelers and groups are never added up.",
        f"Each arm wrote one output per prompt: {decoding}.",
    ]


def drawing(comparison: Comparison) -> str | None:
    """Give the picture as a file of its own; None while nothing was ranked."""
    found = preference_picture(comparison)
    return plots.standalone(found.svg, str(style())) if found else None
