"""The whole loop, stage by stage, as the paper tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tutelage.evaluate import report
from tutelage.files import write_json
from tutelage.pipeline import evaluation, gathering, training
from tutelage.pipeline.arms import gather_arms, outputs_of_arms, release_arms
from tutelage.pipeline.bases import corpus, find_base
from tutelage.pipeline.checking import check_trainings
from tutelage.pipeline.chosen import chosen, ppo_prompts, validation_prompts
from tutelage.pipeline.human import human_stages
from tutelage.pipeline.imported import imported_stages
from tutelage.pipeline.judging import write_judge
from tutelage.pipeline.recipe import Recipe, parts
from tutelage.pipeline.round_results import result_stages
from tutelage.pipeline.rounds import round_stages
from tutelage.pipeline.source import judge_arms, rank
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.starting import Starter, answer_itself, check_run, sample_start, take_prompts, tune_on_itself
from tutelage.pipeline.training import Maker, model_of, open_store
from tutelage.pipeline.village import Village, demonstrate, take_in, write_corpus
from tutelage.sample import Policy
from tutelage.starter.rows import EDITION


def village_stages(recipe: Recipe) -> list[Stage]:
    """Return the loop on the embedded world: from nothing to a judged and released model."""
    village = Village(recipe)
    source: dict[str, Any] = {"village": recipe.village.model_dump() if recipe.village else {}, "seed": recipe.seed}

    stages = [
        Stage("corpus", "Write the corpus", write_corpus(village, recipe), source | {"primer": recipe.base.primer}),
        Stage("prompts", "Take in prompts", take_in(village, recipe), source | parts(recipe, "intake")),
        Stage("demonstrations", "Labelers demonstrate", demonstrate(village), source, ("prompts",), 90),
        Stage("base", "Pretrain the base", training.pretrain(recipe), parts(recipe, "base"), ("corpus",), 200),
        Stage(
            "start",
            "SFT, the start of PPO",
            training.fine_tune(recipe, recipe.start, "simulated"),
            parts(recipe, "start"),
            ("base", "demonstrations", "corpus"),
        ),
        Stage(
            "sft",
            "SFT, the baseline",
            training.fine_tune(recipe, recipe.sft, "simulated"),
            parts(recipe, "sft"),
            ("base", "demonstrations", "corpus"),
            60,
        ),
        Stage(
            "prompted_base",
            "Choose a few-shot prefix",
            evaluation.prompt_the_base(village, recipe),
            parts(recipe),
            ("base", "prompts"),
        ),
        Stage(
            "samples",
            "Sample for ranking",
            sample_policies(recipe),
            parts(recipe, "sample"),
            ("start", "sft", "prompted_base", "prompts"),
        ),
        Stage("rankings", "Labelers rank", rank(village, recipe), source, ("samples",)),
        Stage(
            "reward",
            "Train the reward model",
            training.reward_model(recipe, "simulated", "simulated"),
            parts(recipe, "reward"),
            ("start", "rankings"),
            60,
        ),
        Stage(
            "baseline",
            "Choose the baseline by reward",
            training.choose_baseline(recipe, validation_prompts),
            parts(recipe),
            ("sft", "reward", "prompts"),
        ),
        Stage(
            "headroom",
            "Check the headroom",
            evaluation.headroom(village, recipe),
            parts(recipe),
            ("baseline", "reward", "prompts"),
        ),
        Stage(
            "ppo",
            "PPO and PPO-ptx",
            training.reinforce(recipe, ppo_prompts, write_judge(village)),
            parts(recipe, "ppo"),
            ("start", "reward", "base", "corpus", "prompts", "headroom"),
            240,
        ),
        Stage(
            "outputs",
            "Sample every arm",
            evaluation.outputs_of_arms(village, recipe),
            parts(recipe, "release"),
            ("ppo", "baseline", "prompted_base", "prompts"),
        ),
        Stage("people", "Held-out labelers judge", judge_arms(village, evaluation.read_outputs), source, ("outputs",)),
        Stage(
            "taxes",
            "Measure the tax",
            evaluation.score_taxes(village, recipe),
            source,
            ("ppo", "baseline", "base", "prompted_base"),
            120,
        ),
    ]
    needs = tuple(stage.name for stage in stages)
    return [
        *stages,
        Stage("evaluation", "Gather the evaluation", gathering.gather(village, recipe, stages), parts(recipe), needs),
        Stage("report", "Write the report", write_report, parts(recipe), ("evaluation",)),
        Stage(
            "release",
            "Release the model",
            gathering.release(recipe),
            parts(recipe, "release"),
            ("ppo", "baseline", "base", "reward", "prompts", "evaluation"),
        ),
        *(
            stage
            for number in range(2, recipe.rounds.count + 1)
            for stage in (*round_stages(village, recipe, number), *result_stages(village, recipe, number))
        ),
    ]


def starter_stages(recipe: Recipe) -> list[Stage]:
    """Return the loop on a model that exists and the starter set: from a package to a judged and released model."""
    starter = Starter(recipe)
    settings, people = starter.settings, human_stages(recipe, starter.settings)

    def of(*names: str) -> dict[str, Any]:
        """What a stage is made from of the source, so that a setting changes no stage that does not read it."""
        return {"edition": EDITION, "seed": recipe.seed, **{name: getattr(settings, name) for name in names}}

    stages = [
        Stage("base", "Bring the model", find_base(recipe.base.model, "base.model"), parts(recipe, "base")),
        Stage(
            "prompts",
            "Take in prompts",
            take_prompts(starter, recipe),
            of("ranked", "validation", "test") | parts(recipe, "intake"),
        ),
        Stage(
            "check",
            "Check models, data and settings",
            check_run(recipe),
            parts(recipe, "start", "reward", "ppo", "sample"),
            ("base", "prompts"),
        ),
        corpus(recipe, Path(settings.texts) if settings.texts else None),
        Stage(
            "start",
            "SFT, the start of PPO",
            training.fine_tune(recipe, recipe.start, "model"),
            parts(recipe, "start"),
            ("base", "prompts", "corpus"),
        ),
        Stage(
            "answers",
            "Let the model answer for itself",
            answer_itself(recipe),
            parts(recipe, "sample"),
            ("base", "prompts"),
        ),
        Stage(
            "start_self",
            "SFT on its own answers, a control",
            tune_on_itself(recipe),
            parts(recipe, "start"),
            ("base", "answers", "corpus", "start"),
        ),
        Stage(
            "samples",
            "Sample for ranking",
            sample_start(recipe),
            parts(recipe, "sample"),
            ("start", "prompts"),
        ),
        Stage(
            "rankings",
            "Labelers rank",
            rank(starter, recipe, overlap=settings.training_overlap),
            of("training_labelers", "training_overlap"),
            ("samples", "prompts"),
        ),
        Stage(
            "reward",
            "Train the reward model",
            training.reward_model(recipe, "simulated", "model"),
            parts(recipe, "reward"),
            ("start", "rankings"),
        ),
        *(
            Stage(
                name,
                title,
                training.reinforce_once(recipe, ppo_prompts, mixed=name == "ppo_ptx"),
                parts(recipe, "ppo", "sample"),
                ("start", "reward", "corpus", "prompts"),
            )
            for name, title in (("ppo_ptx", "PPO-ptx"), ("ppo", "PPO, without the mix"))
        ),
        Stage(
            "outputs",
            "Sample every arm",
            outputs_of_arms(starter, recipe),
            of("samples") | parts(recipe, "release", "sample"),
            ("base", "start", "start_self", "ppo", "ppo_ptx", "prompts"),
        ),
        Stage(
            "judged",
            "Held-out labelers judge",
            judge_arms(starter, evaluation.read_outputs),
            of("heldout_labelers", "overlap"),
            ("outputs",),
        ),
        *people,
    ]
    needs = tuple(stage.name for stage in stages)
    return [
        *stages,
        Stage("evaluation", "Gather the evaluation", gather_arms(starter, recipe, stages), parts(recipe), needs),
        Stage("report", "Write the report", write_report, parts(recipe), ("evaluation",)),
        Stage(
            "release",
            "Release the model",
            release_arms(recipe),
            parts(recipe, "release"),
            ("base", "start", "reward", "ppo", "ppo_ptx", "evaluation"),
        ),
    ]


def stages_of(recipe: Recipe) -> list[Stage]:
    """Return the stages of a recipe; settings that a training would refuse are refused before the first of them."""
    check_trainings(recipe)
    if recipe.village is not None:
        return village_stages(recipe)
    return starter_stages(recipe) if recipe.starter is not None else imported_stages(recipe)


def sample_policies(recipe: Recipe) -> Maker:
    """Sample from the start of PPO, an early epoch of the baseline, its last one, and the prompted base."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        epochs = sorted((space.directory("sft") / "run" / "epochs").iterdir())
        frame = space.facts("prompted_base")["frame"]
        # A stage's directory is named by what it was made from, and an output's id by its policy's name.
        start, sft, base = (space.directory(stage).name for stage in ("start", "sft", "base"))
        policies = [
            Policy(start, model_of(space, "start")),
            Policy(f"{sft}-last", epochs[-1]),
            Policy(f"{sft}-early", epochs[len(epochs) // 3]),
            Policy(f"{base}-prompted", model_of(space, "base"), frame),
        ]
        with open_store(space) as store:
            prompts = chosen(space, store, "reward") + chosen(space, store, "validation")[: recipe.sample.validation]
        made = training.sample_for_ranking(space, recipe, prompts, policies)
        write_json(out / "completions.json", made)
        return {"completions": len(made)}

    return run


def write_report(space: Workspace, out: Path) -> dict[str, Any]:
    """Build the report of this run alone."""
    report.build([space.root / space.facts("evaluation")["evaluation"]], out)
    return {"report": str((out / "report.html").relative_to(space.root))}
