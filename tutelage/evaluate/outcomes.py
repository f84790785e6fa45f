"""Compose the sections on what programs find in real answers: witnesses, constraints and refusals, lengths, losses."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tutelage.core.statistics import Estimate
from tutelage.evaluate import tables, witnesses
from tutelage.evaluate.layout import Picture, Section
from tutelage.evaluate.measures import Path
from tutelage.evaluate.plots import Scale
from tutelage.evaluate.score import Analysis
from tutelage.evaluate.sections import arm_picture
from tutelage.evaluate.tables import Cell, Table
from tutelage.evaluate.wording import change, count, number, percent

#: The checks, and how a reader calls them. They are no labelers and no rubric.
CHECKS = {
    "constraints_kept": "Constraints that a prompt states and the answer keeps",
    "refused_rightly": "Refusals of prompts that should be refused",
    "refused_wrongly": "Refusals of prompts that should be answered",
    "refused_sensitive": "Refusals of those among them that only sound harmful",
}


def witnessed(analysis: Analysis) -> Section:
    """Show what each independent witness says of the headline."""
    found = [(one, witnesses.figure_of(analysis, one)) for one in witnesses.witnesses_of(analysis)]
    rows = [
        (
            Cell(one.name),
            Cell(witnesses.written(figure, one)),
            Cell("50 %" if one.unit == "percent" else "0 points"),
            Cell(witnesses.testimony(figure, one.neutral)),
        )
        for one, figure in found
    ]
    pair = f"{analysis.name(witnesses.PRAISED)} against {analysis.name(analysis.terms.baselines[0])}"
    paths: list[tuple[str, Path]] = [(analysis.name(model), ("scored_win", model)) for model in analysis.models]
    return Section(
        id="witnesses",
        title=_witness_title(analysis),
        text=(
            "The labelers who judge check some of what the labelers who trained check, so an arm may please both and "
            "nobody else. No training saw these witnesses. The headline counts only if none of them significantly "
            "contradicts it, that is, if no 95 % interval lies wholly on the other side.",
        ),
        tables=(
            Table(
                caption=f"What independent witnesses say: {pair}",
                columns=("witness", "measured", "speaks for neither", "outcome"),
                rows=tuple(rows),
            ),
            tables.by_arm(
                analysis,
                "How often the reward model of people's rankings scores the arm of the line above that of the column",
                paths if analysis.under("scored_win") else [],
            ),
        ),
    )


#: What one witness says, and what several do.
_SAID = {
    "supports": ("supports it", "support it"),
    "does not contradict": ("does not contradict it", "do not contradict it"),
    "was not asked": ("was not asked", "were not asked"),
}


def _witness_title(analysis: Analysis) -> str:
    against = witnesses.against(analysis)
    if against:
        return f"The headline does not count: {against}"
    found = [witnesses.testimony(witnesses.figure_of(analysis, one), one.neutral)
             for one in witnesses.witnesses_of(analysis)]  # fmt: skip
    said = [f"{found.count(kind)} {words[found.count(kind) > 1]}" for kind, words in _SAID.items() if kind in found]
    return f"Of {len(found)} independent witnesses of the headline, {', '.join(said)}"


def checked(analysis: Analysis) -> Section:
    """Show constraints kept, right refusals and needless ones, by checks written apart from the rubrics."""
    pictures: list[Picture] = []
    for name, words in CHECKS.items():
        figures = {path[0]: figure for path, figure in analysis.under("rates", name).items()}
        n = f", n = {count(max(figure.n for figure in figures.values()))} prompts" if figures else ""
        scale = Scale(reference=0.0, low=0.0, high=1.0, caption=words.lower())
        pictures += arm_picture(analysis, f"check-{name}", words + n, figures, percent, scale)
    return Section(id="checks", title=_checks_title(analysis), pictures=tuple(pictures))


def _checks_title(analysis: Analysis) -> str:
    baseline = analysis.terms.baselines[0]
    said = []
    for name, words in (("constraints_kept", "keeping constraints"), ("refused_rightly", "refusing what should be"),
                        ("refused_wrongly", "refusing what should not be")):  # fmt: skip
        figure = analysis.find("gap", name, "ppo_ptx", baseline)
        said.append(f"{words} {change(figure, up='rises', down='falls')}")
    return f"Against {analysis.name(baseline)}, {analysis.name('ppo_ptx')}: {'; '.join(said)}"


def lengths(analysis: Analysis) -> Section:
    """Show how long answers are and how many the cap cuts."""
    words = {path[0]: figure for path, figure in analysis.under("words").items()}
    if not words:
        return Section(id="lengths", title="Lengths were not measured")
    parts = [f"{analysis.name(model)} {number(words[model], 0)}" for model in analysis.terms.told if model in words]
    title = f"Words in an answer: {', '.join(parts)}"
    scale = Scale(reference=0.0, unit="number", low=0.0, high=_reach(words), caption="words in an answer")
    cut: list[tuple[str, Path]] = [("words", ("words",))]
    return Section(
        id="lengths",
        title=title,
        pictures=tuple(arm_picture(analysis, "words", title, words, lambda one: number(one, 1), scale)),
        tables=(
            tables.by_arm(analysis, "Words in an answer", cut, lambda one: number(one, 1)),
            tables.by_arm(analysis, "Answers that the length cap cut", [("cut", ("cut",))]),
        ),
    )


def _reach(figures: Mapping[str, Estimate]) -> float:
    """Give how far an axis from 0 must go to hold all figures and what is bounded of their intervals."""
    ends = [end for one in figures.values() for end in (one.mean, one.low, one.high) if math.isfinite(end)]
    return max(map(abs, ends)) or 1.0


def losses(analysis: Analysis) -> Section:
    """Show the loss on texts that people wrote and no training saw."""
    rises = {path[0]: figure for path, figure in analysis.under("loss_rise").items()}
    if not rises:
        return Section(id="losses", title="The loss on people's texts was not measured")
    title = "Loss on people's texts, against the start: " + ", ".join(
        f"{analysis.name(model)} {number(rises[model], 3)}" for model in ("ppo", "ppo_ptx") if model in rises
    )
    reach = _reach(rises)
    scale = Scale(reference=0.0, unit="number", low=-reach, high=reach, caption="nats a token above the start")
    paths: list[tuple[str, Path]] = [("loss, nats a token", ("loss",)), ("above the start", ("loss_rise",))]
    return Section(
        id="losses",
        title=title,
        text=("Texts that people wrote and no arm was trained on; the loss is a mean over texts, paired by text.",),
        pictures=tuple(arm_picture(analysis, "losses", title, rises, lambda one: number(one, 3), scale)),
        tables=(tables.by_arm(analysis, "Loss on people's texts", paths, lambda one: number(one, 3)),),
    )
