"""A claim: who says it, what is measured, the margin that each figure must keep, and what must be made for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from tutelage.claims.verdicts import Rule, Verdict, judge, together
from tutelage.evaluate.measures import Figures, Path
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.stages import Stage
from tutelage.pipeline.village import Village

#: How a figure is written: a share, a difference of shares, or a plain number.
Unit = Literal["percent", "points", "number"]
#: Arms that runs of real models have too.
REAL = {"base", "prompted_base", "sft", "ppo", "ppo_ptx"}
#: Makes the stages that a claim needs beyond those of the village's own run; what several need, each of them names.
Stages = Callable[[Village, Recipe], list[Stage]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One figure of a claim and the rule for it; without a rule it only stands beside.

    `figure` is the path of the figure in the village; `unseen` is that of the figure which takes its place in the runs
    of a real model, where nobody knows the truth.
    """

    says: str
    figure: Path
    rule: Rule | None = None
    unit: Unit = "percent"
    unseen: Path = ()

    def verdict(self, figures: Figures) -> Verdict:
        """Judge the part."""
        assert self.rule is not None, f"{self.says!r} stands beside and has no verdict"
        return judge(figures.get(self.figure), self.rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim with its hypothesis, written down before it is tested.

    `number` is its place in the post's list, 0 for claims of earlier work and limits. Unless the `conditions` hold, the
    test means nothing; what stands `beside` explains and judges nothing. `reason` says what in the village may keep
    the claim from holding, and is printed where it does not. `seconds` is what its own stages should take on two cores,
    and `is_long` leaves a claim out of runs that do not name it.
    """

    name: str
    title: str
    source: str
    parts: tuple[Part, ...]
    reason: str
    conditions: tuple[Part, ...] = ()
    beside: tuple[Part, ...] = ()
    number: int = 0
    stages: Stages | None = None
    seconds: int = 0
    is_long: bool = False

    @property
    def measured(self) -> tuple[Part, ...]:
        """List everything that is measured."""
        return (*self.conditions, *self.parts, *self.beside)

    def verdict(self, figures: Figures) -> Verdict:
        """Judge the claim by its figures."""
        return together(
            [part.verdict(figures) for part in self.parts], [part.verdict(figures) for part in self.conditions]
        )


def of_real_runs(claim: Claim) -> Claim | None:
    """Return what the runs of a real model can test of a claim; None where that is nothing."""
    parts = tuple(replace(part, figure=part.unseen) for part in claim.parts if part.unseen)
    beside = tuple(replace(part, figure=part.unseen) for part in claim.beside if part.unseen)
    return replace(claim, parts=parts, beside=beside, conditions=(), stages=None) if parts else None


def preferred(model: str, baseline: str, says: str) -> Part:
    """Claim that held-out labelers prefer a model to a baseline: the whole win rate lies above one half."""
    path = ("win_rate", model, baseline)
    return Part(says=says, figure=path, rule=Rule(above=0.5), unseen=path if {model, baseline} <= REAL else ())


def beside(part: Part) -> Part:
    """Let a part stand beside a claim, without a verdict."""
    return replace(part, rule=None)
