"""The whole loop, stage by stage, as the paper tells it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tutelage.evaluate import report
from tutelage.feedback import instructions, work
from tutelage.feedback.work import Task as WorkTask
from tutelage.files import content_hash, read_json, write_json
from tutelage.pipeline import evaluation, gathering, training
from tutelage.pipeline.checking import check_trainings
from tutelage.pipeline.judging import write_judge
from tutelage.pipeline.labeling import work_through
from tutelage.pipeline.recipe import Recipe, parts
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.training import Maker, model_of, open_store
from tutelage.pipeline.village import Village, chosen, demonstrate, take_in, write_corpus
from tutelage.records import Prompt
from tutelage.sample import Policy
from tutelage.store import Store, completions


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
            training.reward_model(recipe, "simulated"),
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
        Stage("people", "Held-out labelers judge", evaluation.judge_with_people(village, recipe), source, ("outputs",)),
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
            ("ppo", "baseline", "base", "reward", "prompts"),
        ),
    ]


def stages_of(recipe: Recipe) -> list[Stage]:
    """Return the stages of a recipe; settings that a training would refuse are refused before the first of them."""
    check_trainings(recipe)
    if recipe.village is not None:
        return village_stages(recipe)
    from tutelage.pipeline.imported import imported_stages

    return imported_stages(recipe)


def validation_prompts(space: Workspace, store: Store) -> list[Prompt]:
    """Return the prompts that models are chosen on."""
    return chosen(space, store, "validation")


def ppo_prompts(space: Workspace, store: Store) -> list[str]:
    """Return the texts that PPO samples from: its own prompts and the ranked ones."""
    return [prompt.text for group in ("ppo", "reward") for prompt in chosen(space, store, group)]


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


def rank(village: Village, recipe: Recipe) -> Maker:
    """Let training labelers rate and rank what was sampled."""

    def run(space: Workspace, _: Path) -> dict[str, Any]:
        with open_store(space) as store:
            asked = chosen(space, store, "reward") + chosen(space, store, "validation")[: recipe.sample.validation]
            made = completions.of_prompts(store, [prompt.id for prompt in asked])
            sampled = read_json(space.directory("samples") / "completions.json")
            # Outputs of changed settings are ranked anew, apart from what the store still has of the old ones.
            batch, current = f"rank/{content_hash(sampled)[:10]}/", set(sampled)
            tasks = [
                WorkTask(id=f"{batch}{prompt.id}", kind="rank", purpose="train", prompt_id=prompt.id,
                         instruction_version=instructions.COMPARISON,
                         completion_ids=tuple(one.id for one in made[prompt.id] if one.id in current))
                for prompt in asked
            ]  # fmt: skip
            work.file_tasks(store, tasks, now=datetime.now(UTC))
            done = work_through(store, village.labelers("training"), "training",
                                lambda n: space.observer.advance(n, len(tasks), {}))  # fmt: skip
        return {"rankings": done, "tasks": batch}

    return run


def write_report(space: Workspace, out: Path) -> dict[str, Any]:
    """Build the report of this run alone."""
    report.build([space.root / space.facts("evaluation")["evaluation"]], out)
    return {"report": str((out / "report.html").relative_to(space.root))}
