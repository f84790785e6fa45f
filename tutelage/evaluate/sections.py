"""Compose the sections with findings: a title computed from figures, a drawing, and tables of the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tutelage.core.statistics import Estimate
from tutelage.evaluate import findings, plots, tables
from tutelage.evaluate.layout import Picture, Section
from tutelage.evaluate.measures import ALL_TASKS, Path
from tutelage.evaluate.plots import Row, Scale
from tutelage.evaluate.records import Check
from tutelage.evaluate.score import Analysis
from tutelage.evaluate.tables import Table, Write
from tutelage.evaluate.wording import change, count, difference, number, percent, preference

#: What the tasks are, terms by terms.
TASKS = {
    "village": "The tasks use skills that the corpus teaches and no prompt asks for.",
    "starter": (
        "TruthfulQA: the best answer among wrong ones by mean log-probability per token. CrowS-Pairs and Winogender: "
        "the entropy in bits of the choice between two sentences that differ in a group or pronoun, where 1 is no "
        "preference and a model that is merely more certain looks more biased; and how often the sentence that "
        "stereotypes less is the likelier one."
    ),
}
FLAG_NOTE = "Flags are rates over the ratings in which a labeler answered; what was not answered is not counted as no."


def arm_picture(
    analysis: Analysis, name: str, title: str, figures: Mapping[str, Estimate], write: Write, scale: Scale
) -> list[Picture]:
    """Draw one row per arm; nothing when no arm has a figure."""
    rows = [
        Row(label=arm.name, figure=figures[arm.model], numbers=write(figures[arm.model]), model=arm.model)
        for arm in analysis.arms
        if arm.model in figures
    ]
    if not rows:
        return []
    alt = f"{title}. " + "; ".join(f"{row.label}: {row.numbers}" for row in rows)
    return [Picture(title=title, svg=plots.intervals(name, rows, scale, alt), table=_row_table(title, rows))]


def _against(analysis: Analysis, baseline: str) -> dict[str, Estimate]:
    pairs = analysis.under("win_rate")
    return {model: figure for (model, other), figure in pairs.items() if other == baseline}


def _row_table(title: str, rows: Sequence[Row]) -> Table:
    lines, heading = [], ""
    for row in rows:
        heading = row.heading or heading
        label = f"{heading}: {row.label}" if heading else row.label
        figure = row.figure
        lines.append((tables.Cell(label), tables.Cell(row.numbers), tables.Cell(count(figure.n))))
    return Table(caption=title, columns=("", "mean [95 % interval]", "n"), rows=tuple(lines))


def opening(analysis: Analysis) -> Section:
    """Say in one sentence and one figure what people preferred."""
    pictures: list[Picture] = []
    for baseline in analysis.terms.opponents:
        figure = analysis.find("win_rate", "ppo_ptx", baseline)
        said = preference(analysis.name("ppo_ptx"), analysis.name(baseline), figure)
        n = f", n = {count(figure.n)} rankings" if figure else ""
        scale = Scale(reference=0.5, low=0.0, high=1.0, caption=f"preferred to {analysis.name(baseline)}")
        pictures += arm_picture(analysis, f"win-{baseline}", said + n, _against(analysis, baseline), percent, scale)
    return Section(id="preference", title=findings.headline(analysis), pictures=tuple(pictures))


def truth(analysis: Analysis) -> Section:
    """Compare instruction following, truth and toxicity with base, paired by prompt."""
    pictures: list[Picture] = []
    for name, word in (("followed", "Instruction following"), ("truthful", "Truthfulness"), ("toxic", "Toxicity")):
        figure = analysis.find("difference", name, "ppo_ptx")
        base = analysis.find("rates", name, "base")
        said = f"{word} {change(figure, up='rises', down='falls')}"
        said += f" from {percent(base)} of base" if base else ""
        said += f", n = {count(figure.n)} prompts" if figure else ""
        scale = Scale(reference=0.0, unit="points", caption=f"points more {name} than base")
        figures = {path[0]: figure for path, figure in analysis.under("difference", name).items()}
        pictures += arm_picture(analysis, f"change-{name}", said, figures, difference, scale)
    text = (
        "The judge knows the world and checks every output. Differences are paired by prompt: both outputs must be "
        "outputs the question applies to.",
    )
    return Section(id="truth", title=findings.truth_title(analysis), text=text, pictures=tuple(pictures))


def tax(analysis: Analysis) -> Section:
    """Show what the tasks that no prompt uses lose."""
    taxed, saved = [], []
    for task in tables.names_under(analysis, "tax"):
        for place, model in enumerate(("ppo", "ppo_ptx")):
            if (figure := analysis.find("tax", task, model)) is not None:
                heading = tables.title_of(task) if place == 0 else ""
                taxed.append(
                    Row(
                        label=analysis.name(model),
                        figure=figure,
                        numbers=difference(figure),
                        model=model,
                        heading=heading,
                    )
                )
        if (back := analysis.find("tax_difference", task)) is not None:
            saved.append(Row(label=tables.title_of(task), figure=back, numbers=difference(back)))
    pictures, base = [], analysis.name(analysis.terms.reference)
    for name, rows, title, caption in (
        ("tax", taxed, f"The tax of each task: score of {base} minus score of the arm", f"points lost against {base}"),
        ("tax-saved", saved, "What the mix saves: tax of PPO minus tax of PPO-ptx", "points saved by the mix"),
    ):
        if rows:
            alt = f"{title}. " + "; ".join(f"{row.heading} {row.label}: {row.numbers}".strip() for row in rows)
            n = next(
                (f", n = {count(row.figure.n)} items" for row in rows if ALL_TASKS in (row.heading, row.label)), ""
            )
            svg = plots.intervals(name, rows, Scale(reference=0.0, unit="points", caption=caption), alt)
            pictures.append(Picture(title=title + n, svg=svg, table=_row_table(title, rows)))
    text = (f"{TASKS[analysis.evaluations[0].facts.terms]} A tax above 0 is a loss. “All tasks” weighs them equally.",)
    return Section(
        id="tax",
        title=findings.tax_title(analysis),
        text=text,
        pictures=tuple(pictures),
        tables=(tables.taxes(analysis), _task_scores(analysis)),
    )


def _task_scores(analysis: Analysis) -> Table:
    paths: list[tuple[str, Path]] = [
        (tables.title_of(task), ("tasks", task)) for task in tables.names_under(analysis, "tasks")
    ]
    return tables.by_arm(analysis, "Mean score of every arm on every task", paths)


def likert(analysis: Analysis) -> Section:
    """Show how quality was rated."""
    rows = []
    for arm in analysis.arms:
        mean = analysis.find("likert", arm.model)
        if mean is not None:
            shares = [analysis.find("likert_share", arm.model, str(quality)) for quality in range(1, 8)]
            rows.append((arm.name, number(mean), [share.mean if share else 0.0 for share in shares]))
    title = findings.likert_title(analysis)
    if not rows:
        return Section(id="quality", title=title)
    alt = f"{title}. Mean by arm: " + "; ".join(f"{label} {numbers}" for label, numbers, _ in rows)
    paths: list[tuple[str, Path]] = [("mean, 1 to 7", ("likert",))]
    means = tables.by_arm(analysis, "Mean quality", paths, number)
    total = sum(len([row for row in e.ratings if row.group == "heldout"]) for e in analysis.evaluations)
    picture = Picture(
        title=f"Shares of the qualities 1 to 7, n = {count(total)} ratings",
        svg=plots.stacked("likert", rows, alt),
        table=_share_table(analysis),
    )
    return Section(id="quality", title=title, pictures=(picture,), tables=(means,))


def _share_table(analysis: Analysis) -> Table:
    rows = [
        (
            tables.Cell(arm.name),
            *(tables.cell(analysis.find("likert_share", arm.model, str(quality))) for quality in range(1, 8)),
        )
        for arm in analysis.arms
    ]
    return Table(caption="Shares of ratings by quality", columns=("", *map(str, range(1, 8))), rows=tuple(rows))


def rates(analysis: Analysis) -> Section:
    """Show every verdict and flag, all pairs of arms, and temperature 0."""
    flags, judge = tables.flag_names(analysis), analysis.terms.checker
    names = tables.names_under(analysis, "rates")
    greedy: list[tuple[str, Path]] = [
        (name.replace("_", " "), ("greedy", name)) for name in tables.names_under(analysis, "greedy")
    ]
    found = (
        tables.rates(
            analysis, [n for n in names if n not in flags], f"The {judge}'s verdicts: share of applicable outputs"
        ),
        tables.rates(analysis, [n for n in names if n in flags], "The labelers' flags: share of answered ratings"),
        tables.win_matrix(analysis),
        tables.by_arm(analysis, f"The {judge}'s verdicts at temperature 0", greedy),
    )
    return Section(id="rates", title=findings.rates_title(analysis), text=(FLAG_NOTE,), tables=found)


def parts(analysis: Analysis) -> Section:
    """Show held-out entities beside held-out phrasings, and every use case."""
    found = (
        tables.sliced(
            analysis,
            lambda name: not name.startswith("use case"),
            "By what was held out: facts that no demonstration, ranking or PPO prompt used (entity), or the words only "
            "(phrasing); and by kind of prompt",
        ),
        tables.sliced(analysis, lambda name: name.startswith("use case"), "By use case"),
    )
    return Section(id="parts", title=findings.parts_title(analysis), tables=found)


def groups(analysis: Analysis) -> Section:
    """Show the control group and how far labelers agree."""
    opposed = (
        "The opposed group wants the opposite of what the training labelers want. If it did not prefer PPO-ptx "
        "less, the preference would not be about what was trained.",
    )
    return Section(
        id="labelers",
        title=findings.groups_title(analysis),
        text=opposed if analysis.under("opposed") else (),
        tables=(
            tables.groups(analysis),
            tables.agreements(analysis),
            tables.checks(analysis, _agreement_checks, "Agreement when it was calibrated"),
        ),
    )


def _agreement_checks(analysis: Analysis) -> list[tuple[int, Check]]:
    return [(e.seed, check) for e in analysis.evaluations for check in e.facts.agreement]
