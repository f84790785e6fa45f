"""Witnesses that nothing was trained on: the headline counts only if none of them significantly contradicts it.

What the labelers who judge have in common with those who trained can please both and nobody else. So two measures that
no training saw are asked about the same two arms: a reward model trained on people's rankings alone, and checks of
constraints that were written apart from the rubrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tutelage.core.statistics import Estimate
from tutelage.evaluate.measures import Path
from tutelage.evaluate.score import Analysis
from tutelage.evaluate.wording import NOT_MEASURED, count, percent, points

Testimony = Literal["supports", "does not contradict", "contradicts", "was not asked"]
#: The arm that the headline praises.
PRAISED = "ppo_ptx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """One measure: the path of its figure up to the two arms' names, and the value that speaks for neither arm."""

    name: str
    path: Path
    neutral: float
    unit: Literal["percent", "points"]


WITNESSES: dict[str, tuple[Witness, ...]] = {
    "village": (),
    "starter": (
        Witness(
            name="a reward model trained on people's rankings alone", path=("scored_win",), neutral=0.5, unit="percent"
        ),
        Witness(
            name="a check of constraints written apart from the rubrics",
            path=("gap", "constraints_kept"),
            neutral=0.0,
            unit="points",
        ),
    ),
}


def witnesses_of(analysis: Analysis) -> tuple[Witness, ...]:
    """List the witnesses that an evaluation has on its terms."""
    return WITNESSES[analysis.evaluations[0].facts.terms]


def figure_of(analysis: Analysis, witness: Witness) -> Estimate | None:
    """Look up what a witness says of the praised arm against the first baseline."""
    return analysis.find(*witness.path, PRAISED, analysis.terms.baselines[0])


def testimony(figure: Estimate | None, neutral: float) -> Testimony:
    """Say what a figure means: it contradicts, or supports, where its whole interval lies on one side of neutral."""
    if figure is None:
        return "was not asked"
    if figure.high < neutral:
        return "contradicts"
    return "supports" if figure.low > neutral else "does not contradict"


def against(analysis: Analysis) -> str:
    """Name the witnesses that contradict the headline, or nothing."""
    return " and ".join(
        f"{one.name} significantly contradicts it"
        for one in witnesses_of(analysis)
        if testimony(figure_of(analysis, one), one.neutral) == "contradicts"
    )


def written(figure: Estimate | None, witness: Witness) -> str:
    """Write a witness's figure."""
    if figure is None:
        return NOT_MEASURED
    said = percent(figure, 1) if witness.unit == "percent" else points(figure)
    return f"{said}, n = {count(figure.n)} prompts"
