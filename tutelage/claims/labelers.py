"""Claim 6: labelers who made no training data prefer the aligned model as much as those who did."""

from __future__ import annotations

from tutelage.claims.arms import experiment, judged, win_rates
from tutelage.claims.claim import Claim, Part
from tutelage.claims.verdicts import Rule
from tutelage.evaluate.measures import Figures
from tutelage.evaluate.score import beaten, gap
from tutelage.pipeline.evaluation import read_outputs
from tutelage.pipeline.recipe import Recipe, parts
from tutelage.pipeline.source import judgements
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.training import open_store
from tutelage.pipeline.village import Village

#: The arms that both groups compare, and how much less held-out labelers may prefer the aligned model.
ARMS, MARGIN = ("base", "prompted_base", "sft", "ppo_ptx"), 0.05


def stages(village: Village, recipe: Recipe) -> list[Stage]:
    """Let the labelers who made the training data judge the same outputs, under the same instructions."""

    def measure(space: Workspace) -> Figures:
        outputs = read_outputs(space)
        trained = judged(space, village, [one for one in outputs if one.model in ARMS], "training", "labelers").rankings
        with open_store(space) as store:
            rankings, _, _ = judgements(village, store, outputs)
        heldout = [one for one in rankings if one.group == "heldout"]
        return win_rates(trained, ARMS, "training_win") | {
            ("group_gap", "ppo_ptx", other): gap(beaten(heldout, "ppo_ptx", other), beaten(trained, "ppo_ptx", other))
            for other in ("base", "prompted_base", "sft")
        }

    made_from = parts(recipe) | {"arms": ARMS}
    title = "The labelers who trained judge as well"
    return [Stage("claim_labelers", title, experiment(measure), made_from, ("outputs", "people"))]


def _part(other: str, name: str) -> Part:
    return Part(
        says=f"Held-out minus training labelers, PPO-ptx preferred to {name}",
        figure=("group_gap", "ppo_ptx", other),
        rule=Rule(above=-MARGIN),
        unit="points",
    )


LABELERS = Claim(
    name="labelers",
    number=6,
    title="Labelers who made no training data agree",
    source="paper 4.1: held-out labelers prefer InstructGPT at about the same rate",
    parts=(_part("base", "the base"), _part("prompted_base", "the prompted base"), _part("sft", "SFT")),
    beside=(
        Part(says="PPO-ptx preferred to SFT by training labelers", figure=("training_win", "ppo_ptx", "sft")),
        Part(says="PPO-ptx preferred to SFT by held-out labelers", figure=("win_rate", "ppo_ptx", "sft")),
    ),
    reason="Held-out labelers of the village have other tastes in length and warmth, which training labels reward.",
    stages=stages,
    seconds=10,
)
