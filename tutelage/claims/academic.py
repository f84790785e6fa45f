"""Claim 4: people prefer the aligned model to models that were tuned on academic tasks (paper 4.1, FLAN and T0)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tutelage.claims.academic_data import MIXTURES, Mixture, examples
from tutelage.claims.arms import answers, asked, experiment, judged, win_rates
from tutelage.claims.claim import Claim, beside, preferred
from tutelage.claims.training import tune
from tutelage.evaluate.measures import Figures
from tutelage.pipeline.evaluation import read_outputs
from tutelage.pipeline.recipe import Recipe, parts
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.training import Maker, draw, model_of, rewards
from tutelage.pipeline.village import Village
from tutelage.sample import Policy

#: Examples for each demonstration of SFT, and the passes over them; the epoch is chosen by reward, as the paper chose.
EXAMPLES, EPOCHS = 8, 2
#: Arms of the run that stand beside the tuned ones.
ARMS = ("base", "sft", "ppo_ptx")


def stages(village: Village, recipe: Recipe) -> list[Stage]:
    """Tune the base on both mixtures, choose an epoch of each by reward, and let held-out labelers compare."""
    count = EXAMPLES * village.settings.demonstrated
    settings = recipe.sft.model_copy(update={"epochs": float(EPOCHS), "keep_epochs": True})

    def trained(mixture: Mixture) -> Maker:
        tuned = tune(recipe, settings, "base", lambda _: examples(village.world, recipe.seed, mixture, count))

        def run(space: Workspace, out: Path) -> dict[str, Any]:
            return tuned(space, out) | {"model": str(_best(space, recipe, out).relative_to(space.root))}

        return run

    def measure(space: Workspace) -> Figures:
        policies: dict[str, Policy] = {name: Policy(name, model_of(space, f"academic_{name}")) for name in MIXTURES}
        outputs = [one for one in read_outputs(space) if one.model in ARMS]
        outputs += answers(recipe, policies, asked(space, "test"))
        return win_rates(judged(space, village, outputs, "heldout", "academic").rankings, (*ARMS, *MIXTURES))

    made_from = parts(recipe, "sft", "sample") | {"examples": count, "epochs": EPOCHS}
    needs = ("base", "reward", "prompts")
    return [
        *(
            Stage(f"academic_{name}", f"Tune on academic tasks, as {name.upper()}", trained(name), made_from, needs)
            for name in MIXTURES
        ),
        Stage(
            "claim_academic",
            "Compare with models of academic tasks",
            experiment(measure),
            parts(recipe, "sample") | {"arms": ARMS},
            ("outputs", *(f"academic_{name}" for name in MIXTURES)),
        ),
    ]


def _best(space: Workspace, recipe: Recipe, out: Path) -> Path:
    """Choose an epoch by mean reward on validation prompts (paper, C.5)."""
    prompts, scores = asked(space, "validation"), {}
    for epoch in sorted((out / "run" / "epochs").iterdir()):
        made = draw(Policy(epoch.name, epoch), prompts, recipe)
        found = rewards(space, recipe, [(prompt.text, one) for prompt, one in zip(prompts, made, strict=True)])
        scores[epoch] = sum(found) / len(found)
    return max(scores, key=lambda epoch: scores[epoch])


ACADEMIC = Claim(
    name="academic",
    number=4,
    title="People prefer the aligned model to models tuned on academic tasks",
    source="paper 4.1: 78 ± 4 % against FLAN, 79 ± 4 % against T0",
    parts=(
        preferred("ppo_ptx", "flan", "PPO-ptx is preferred to the model tuned as FLAN"),
        preferred("ppo_ptx", "t0", "PPO-ptx is preferred to the model tuned as T0"),
    ),
    beside=(
        beside(preferred("sft", "flan", "SFT against the model tuned as FLAN")),
        beside(preferred("sft", "t0", "SFT against the model tuned as T0")),
        beside(preferred("flan", "base", "The model tuned as FLAN against the base")),
        beside(preferred("t0", "base", "The model tuned as T0 against the base")),
    ),
    reason="Four in ten prompts of the village are close to a benchmark's, where short right answers are liked.",
    stages=stages,
    seconds=110,
)
