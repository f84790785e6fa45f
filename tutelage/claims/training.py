"""The trainings of experiments: models tuned on other examples, bases of other shapes, PPO with other coefficients.

They are made by the trainers of the run itself, as stages of its workspace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tutelage.models.load import Shape
from tutelage.models.sizes import size_of_shape
from tutelage.pipeline.parallel import Job, run_jobs
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.stages import Workspace
from tutelage.pipeline.training import SHOWN, Maker, model_of, ppo_job, ppo_settings, share_threads, texts_of, watch
from tutelage.train.batching import Example
from tutelage.train.ppo import PPOSettings
from tutelage.train.sft import SFTData, SFTSettings, train_sft

Examples = Callable[[Workspace], Sequence[Example]]
#: Between these a larger model is so many times as wide as it has layers; those of GPT-3 are 64 to 128.
SLIMMEST, WIDEST = 40, 72


def tune(recipe: Recipe, settings: SFTSettings, init: str, examples: Examples) -> Maker:
    """Fine-tune the model that a stage made on examples."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        chosen = settings.model_copy(update={"seed": recipe.seed, "template": recipe.template})
        share_threads(recipe, chosen.loop)
        mix = texts_of(space) if chosen.pretraining_mix > 0 else []
        found = examples(space)
        model = train_sft(out / "run", chosen, SFTData(found, (), mix), model_of(space, init), watch(space))
        return {"model": str(model.relative_to(space.root)), "examples": len(found)}

    return run


def run_side_by_side(space: Workspace, recipe: Recipe, jobs: Sequence[Job]) -> None:
    """Run trainings in processes of their own, as many threads each as the recipe leaves two of them."""
    steps = {job.name: (0, 1) for job in jobs}

    def tell(name: str, row: dict[str, Any]) -> None:
        steps[name] = (row["step"], row["steps"])
        figures = {f"{name} {short}": row[metric] for short, metric in SHOWN.items() if metric in row}
        done, total = (sum(pair[at] for pair in steps.values()) for at in (0, 1))
        space.observer.advance(done, total, figures)

    run_jobs(jobs, max(1, recipe.threads // 2), tell)


def reinforce(recipe: Recipe, starts: Mapping[str, str], change: Callable[[str, PPOSettings], PPOSettings]) -> Maker:
    """Run PPO several times side by side: {name: the stage that made its start}; `change` sets what differs."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        made = space.directory("ppo")
        data = {
            "prompts": str(made / "prompts.json"),
            "texts": str(space.directory("corpus") / "texts.json"),
            "judge": str(made / "judge.json"),
        }
        jobs = []
        for name, start in starts.items():
            parents = {"policy": str(model_of(space, start)), "reward": str(model_of(space, "reward"))}
            settings = change(name, ppo_settings(recipe))
            jobs.append(ppo_job(name, out, settings, {"data": data, "parents": parents}))
        run_side_by_side(space, recipe, jobs)
        return {name: str((out / name / recipe.release.weights).relative_to(space.root)) for name in starts}

    return run


def pretraining_job(name: str, out: Path, arguments: Mapping[str, Any]) -> Job:
    """Describe the training of a base by one process."""
    return Job(name, "tutelage.pipeline.jobs:continue_base", {"run_dir": str(out / name), **arguments})


def larger(shape: Shape, vocabulary: int, times: float) -> Shape:
    """Return the smallest shape with so many times the weights, deeper and wider alike, its heads as wide as before."""
    wanted = times * size_of_shape(shape, vocabulary).weights
    width, ratio, shared = shape.hidden // shape.heads, shape.feedforward / shape.hidden, shape.heads // shape.kv_heads
    found: list[tuple[int, Shape]] = []
    for layers in range(shape.layers, 16 * shape.layers):
        for heads in range(shape.heads, 16 * shape.heads, shared):
            hidden = heads * width
            if not SLIMMEST * layers <= hidden <= WIDEST * layers:
                continue
            update = {"hidden": hidden, "layers": layers, "heads": heads, "kv_heads": heads // shared}
            grown = shape.model_copy(update=update | {"feedforward": round(ratio * hidden)})
            if (weights := weights_of(grown, vocabulary)) >= wanted:
                found.append((weights, grown))
                break
    return min(found, key=lambda pair: pair[0])[1]


def narrower(shape: Shape, heads: int) -> Shape:
    """Return a shape with fewer heads, as wide as before, and a model as much narrower."""
    hidden = shape.hidden * heads // shape.heads
    shared = shape.heads // shape.kv_heads
    kv_heads = heads // shared if heads % shared == 0 else 1
    feedforward = shape.feedforward * heads // shape.heads
    return shape.model_copy(update={"hidden": hidden, "heads": heads, "kv_heads": kv_heads, "feedforward": feedforward})


def weights_of(shape: Shape, vocabulary: int) -> int:
    """Count the weights of a shape with tied embeddings and without biases, which are few."""
    head = shape.hidden // shape.heads
    attention = shape.hidden * (2 * shape.hidden + 2 * head * shape.kv_heads)
    return shape.hidden * vocabulary + shape.layers * (attention + 3 * shape.hidden * shape.feedforward)


def with_shape(recipe: Recipe, shape: Shape) -> Recipe:
    """Return the recipe with a base of another shape."""
    return recipe.model_copy(update={"base": recipe.base.model_copy(update={"shape": shape})})
