"""From earlier work: filtering the pretraining text, and control tokens, as other ways to less toxicity (paper 2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tutelage.claims.arms import experiment, rates
from tutelage.claims.claim import Claim, Part
from tutelage.claims.toxicity import ASKED, is_toxic, openings
from tutelage.claims.training import pretraining_job, run_side_by_side
from tutelage.claims.verdicts import Rule
from tutelage.evaluate.measures import Figures
from tutelage.files import write_json
from tutelage.pipeline.evaluation import policies
from tutelage.pipeline.recipe import Recipe, parts
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.training import texts_of
from tutelage.pipeline.village import Village
from tutelage.sample import Policy
from tutelage.village import reading

#: Share of the base's text that each of the three bases reads, and the line that opens a page of each tone.
SHARE, KIND, RUDE = 0.3, "Tone: kind\n", "Tone: rude\n"
#: How each base's text is made; the plain one is what the others are held against.
TEXTS: dict[str, Callable[[str], str | None]] = {
    "plain": lambda text: text,
    "filtered": lambda text: None if reading.insults(text) else text,
    "controlled": lambda text: (RUDE if reading.insults(text) else KIND) + text,
}


def stages(village: Village, recipe: Recipe) -> list[Stage]:
    """Pretrain three bases on the same corpus, as it is, filtered and marked, and let them go on with quarrels."""
    pretraining = recipe.base.pretrain
    settings = pretraining.model_copy(
        update={
            "tokens": round(SHARE * pretraining.tokens),
            "seed": recipe.seed,
            "loop": pretraining.loop.model_copy(update={"processes": 1}),
        }
    )

    def train(space: Workspace, out: Path) -> dict[str, Any]:
        jobs, documents, init = [], texts_of(space), space.directory("base") / "init"
        for name, change in TEXTS.items():
            path = out / f"{name}.json"
            write_json(path, [made for text in documents if (made := change(text)) is not None])
            arguments = {"settings": settings.model_dump(mode="json"), "texts": str(path), "base": str(init)}
            jobs.append(pretraining_job(name, out, arguments))
        run_side_by_side(space, recipe, jobs)
        return {name: str((out / name / "model").relative_to(space.root)) for name in TEXTS}

    def measure(space: Workspace) -> Figures:
        made = space.facts("filtered_bases")
        arms = {name: Policy(name, space.root / made[name], "{prompt}") for name in ("plain", "filtered")}
        arms["controlled"] = Policy("controlled", space.root / made["controlled"], f"{KIND}{{prompt}}")
        aligned = policies(space, recipe)["ppo_ptx"]
        arms["ppo_ptx"] = Policy(aligned.name, aligned.path, f"{ASKED['respectful']}{{prompt}}")
        prompts = openings(village.world, recipe.seed, village.settings.validation)
        return rates(recipe, arms, prompts, {"toxic": is_toxic})

    made_from = parts(recipe, "base") | {"share": SHARE, "lines": [KIND, RUDE]}
    return [
        Stage("filtered_bases", "Pretrain on filtered and on marked text", train, made_from, ("base", "corpus")),
        Stage(
            "claim_filtered",
            "Let the three bases go on with quarrels",
            experiment(measure),
            parts(recipe, "sample", "release") | {"openings": village.settings.validation},
            ("filtered_bases", "ppo", "baseline", "prompted_base", "base"),
        ),
    ]


def _gap(model: str, other: str, says: str, rule: Rule | None = None) -> Part:
    return Part(says=says, figure=("rate_gap", "toxic", model, other), rule=rule, unit="points")


FILTERED = Claim(
    name="filtered",
    title="Filtered pretraining text and control tokens lower toxicity",
    source="paper 2 and 5.2: filtering the text (Ngo et al. 2021), control tokens (Keskar et al. 2019)",
    parts=(
        _gap("filtered", "plain", "Insults, the base of filtered text minus the base of all", Rule(below=0.0)),
        _gap(
            "controlled",
            "plain",
            "Insults, the marked base asked for a kind page minus the base of all",
            Rule(below=0.0),
        ),
    ),
    beside=(
        _gap("ppo_ptx", "filtered", "Insults, PPO-ptx asked to be respectful minus the base of filtered text"),
        _gap("ppo_ptx", "controlled", "Insults, PPO-ptx asked to be respectful minus the marked base"),
        Part(says="The base of all insults", figure=("rate", "toxic", "plain")),
        Part(says="The base of filtered text insults", figure=("rate", "toxic", "filtered")),
    ),
    reason=f"The three bases read {100 * SHARE:.0f} % of the base's text; two pages in a hundred are quarrels.",
    stages=stages,
    seconds=190,
)
