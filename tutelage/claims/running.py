"""Test claims: run the village and what the claims add to it, and keep the figures that they are judged by.

Everything that is made is a stage of one workspace, named by the hash of its inputs: so a claim goes on where it was
stopped, and finds the base models, runs and outputs that others made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tutelage.claims import figures
from tutelage.claims.claim import Claim, of_real_runs
from tutelage.claims.found import Found
from tutelage.errors import DataError
from tutelage.evaluate import report
from tutelage.evaluate.measures import Figures
from tutelage.evaluate.records import read
from tutelage.files import content_hash
from tutelage.pipeline.loop import stages_of
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.stages import Observer, Stage, Workspace
from tutelage.pipeline.village import Village


def measure_in_village(claims: Sequence[Claim], recipe: Recipe, root: Path, observer: Observer | None = None) -> Found:
    """Run what the claims need and is not made yet, and add their figures to what the run's directory holds."""
    village = Village(recipe)
    added = {claim.name: claim.stages(village, recipe) if claim.stages else [] for claim in claims}
    stages = [*stages_of(recipe), *_once([stage for some in added.values() for stage in some])]
    space = Workspace(root, recipe, observer)
    space.run(stages)
    evaluation = read(root / space.facts("evaluation")["evaluation"])
    own = figures.figures_of([evaluation])
    made_from = content_hash(recipe.model_dump(mode="json"))
    found = Found.read_or_new(root, seed=recipe.seed, made_from=made_from)
    for claim in claims:
        told: Figures = dict(own)
        for stage in added[claim.name]:
            told |= figures.from_json(space.facts(stage.name).get("figures", ()))
        seconds = sum(space.seconds()[stage.name] for stage in added[claim.name])
        found = found.with_claim(claim, told, seconds)
    found.write(root)
    return found


def measure_on_runs(claims: Sequence[Claim], directories: Sequence[Path]) -> list[tuple[Claim, Figures]]:
    """Test what needs no ground truth on evaluated runs of a real model, seeds pooled."""
    told = figures.figures_of([read(report.locate(directory)) for directory in directories])
    able = [found for claim in claims if (found := of_real_runs(claim)) is not None]
    if not able:
        names = ", ".join(claim.name for claim in claims)
        raise DataError(f"{names} can be tested in the village alone: leave --runs out, or name another claim.")
    return [(claim, told) for claim in able]


def _once(stages: Sequence[Stage]) -> list[Stage]:
    """Keep a stage that several claims need once, where the first of them names it."""
    return list({stage.name: stage for stage in stages}.values())
