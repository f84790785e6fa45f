"""Claim 13: alignment costs little beside pretraining; counted for the run, and reckoned for the paper's 175B."""

from __future__ import annotations

from tutelage.claims.arms import experiment
from tutelage.claims.claim import Claim, Part
from tutelage.claims.figures import exactly
from tutelage.claims.verdicts import Rule
from tutelage.evaluate.measures import Figures
from tutelage.pipeline.planning import planned
from tutelage.pipeline.recipe import Recipe, read_recipe
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.village import Village
from tutelage.train.operations import Machine

#: The post: less than 2 % of what pretraining took.
SHARE = 0.02
#: Operations do not depend on the machine; a plan needs one all the same: an H100.
MACHINE = Machine(
    gpus=8, memory=80e9, flops=989e12, bandwidth=3350e9, interconnect=50e9, utilisation=0.4, overhead=3e-4
)


def reckoned() -> Figures:
    """Reckon the trainings of the paper's largest model, as `tutelage plan paper-175b` does."""
    stages = {stage.name: stage for stage in planned(read_recipe("paper-175b"), MACHINE)}
    base = stages.pop("pretrain")
    told = stages["sft"].reported + stages["ppo"].reported
    return {
        ("compute", "175b"): exactly(sum(stage.operations for stage in stages.values()) / base.operations),
        ("compute", "175b reported"): exactly(told / base.reported),
    }


def stages(_: Village, __: Recipe) -> list[Stage]:
    """Reckon; nothing is trained."""

    def measure(_: Workspace) -> Figures:
        return reckoned()

    return [Stage("claim_compute", "Reckon the compute of 175B", experiment(measure), {"recipe": _recipe()})]


def _recipe() -> str:
    return read_recipe("paper-175b").model_dump_json()


THIS_RUN = Claim(
    name="compute",
    number=13,
    title="Alignment costs little beside pretraining: this run",
    source="the post: less than 2 % of the compute of pretraining",
    parts=(
        Part(
            says="Operations of SFT, reward model and PPO-ptx as a share of the base's",
            figure=("compute", "share"),
            rule=Rule(below=SHARE),
            unseen=("compute", "share"),
        ),
    ),
    reason=(
        "Expected to fail at this size: the share falls with the text that the base reads, and this one reads four "
        "million tokens where GPT-3 read 300 billion, while PPO needs its hundreds of steps at every size."
    ),
)
AT_175B = Claim(
    name="compute-175b",
    number=13,
    title="Alignment costs little beside pretraining: reckoned for 175B",
    source="paper 5.1: 4.9 and 60 petaflop/s-days of 3,640",
    parts=(
        Part(
            says="Operations of the paper's recipe, as `tutelage plan paper-175b` reckons them",
            figure=("compute", "175b"),
            rule=Rule(below=SHARE),
        ),
    ),
    beside=(Part(says="As the paper reports them", figure=("compute", "175b reported")),),
    reason="The recipe's own figures decide; nothing is drawn.",
    stages=stages,
    seconds=2,
)
