"""What a recipe will take on some GPUs, stage by stage, before anything is run."""

from __future__ import annotations

from dataclasses import replace

from tutelage.errors import SettingsError
from tutelage.models.sizes import Size, size_of_directory, size_of_shape
from tutelage.pipeline.bases import directory_of
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.training import ppo_settings
from tutelage.starter import rows
from tutelage.train.operations import Machine
from tutelage.train.plan import (
    MOST,
    SPARE,
    Sizes,
    StagePlan,
    Volume,
    pretrain_stage,
    reward_stage,
    sft_stage,
)
from tutelage.train.ppo_plan import ppo_stage


def planned(recipe: Recipe, machine: Machine) -> list[StagePlan]:
    """Plan every stage that trains a model, in the order of the loop."""
    sizes, volume = sizes_of(recipe), volume_of(recipe)
    _check_processes(recipe, machine.gpus)
    start = sft_stage("start", "SFT, the start of PPO", recipe.start, sizes.policy, volume, machine)
    baseline = sft_stage("sft", "SFT, the baseline", recipe.sft, sizes.policy, volume, machine)
    has_baseline = recipe.village is not None or (recipe.imported is not None and recipe.imported.baseline)
    trains_base = recipe.village is not None
    shows_base = trains_base or volume.reported_pretraining > 0
    pretraining, ppo = recipe.base.pretrain, ppo_settings(recipe)
    itself = sft_stage("start_self", "SFT on its own answers, a control", recipe.start, sizes.policy, volume, machine)
    without = replace(ppo_stage(ppo.model_copy(update={"ptx_coef": 0.0}), sizes, volume, machine), name="ppo_plain")
    return [
        *([pretrain_stage(pretraining, sizes.policy, volume, machine, runs=trains_base)] if shows_base else []),
        start,
        *([itself] if recipe.starter is not None else []),
        *([baseline] if has_baseline else []),
        reward_stage(recipe.reward, sizes.reward, volume, machine),
        ppo_stage(ppo, sizes, volume, machine),
        *([without] if recipe.starter is not None else []),
    ]


def sizes_of(recipe: Recipe) -> Sizes:
    """Size the recipe's models: by their files where they are here, else by the shapes that it names."""
    policy = _size(recipe.base.model) or size_of_shape(recipe.base.shape, recipe.base.vocabulary)
    judge = _size(recipe.reward_base.model)
    if judge is None and recipe.reward_base.shape is not None:
        judge = size_of_shape(recipe.reward_base.shape, recipe.base.vocabulary)
    return Sizes(policy=policy, reward=judge or policy, likelihood=recipe.reward.likelihood)


def volume_of(recipe: Recipe) -> Volume:
    """Return how much data there will be; a village and the starter set know their own counts."""
    if recipe.village is not None:
        counts = {"demonstrations": recipe.village.demonstrated, "rankings": recipe.village.ranked}
        return recipe.volume.model_copy(update=counts)
    if recipe.starter is not None:
        train = [row for row in rows.load() if row.split == "train"]
        counts = {"demonstrations": sum(bool(row.demonstration) for row in train),
                  "rankings": recipe.starter.ranked or len(train)}  # fmt: skip
        return recipe.volume.model_copy(update=counts)
    return recipe.volume


def fits(stages: list[StagePlan], machine: Machine) -> bool:
    """Say whether every stage finds room, with something to spare."""
    return all(stage.memory <= (1 - SPARE) * machine.memory for stage in stages)


def fewest(recipe: Recipe, machine: Machine) -> int | None:
    """Find the smallest number of such GPUs on which the recipe fits; None where no number does."""

    def enough(gpus: int) -> bool:
        asked = replace(machine, gpus=gpus)
        return fits(planned(recipe, asked), asked)

    most = most_gpus(recipe)
    low, high = 0, 1
    while not enough(high):
        if high >= most:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def most_gpus(recipe: Recipe) -> int:
    """Give how many GPUs a recipe can use: one where models share weights."""
    return 1 if _shared(recipe) else MOST


def _shared(recipe: Recipe) -> list[str]:
    """Name the layouts in which models share weights or train a part of them, as settings."""
    layouts = {name: getattr(recipe, name).layout.kind for name in ("start", "sft", "reward", "ppo")}
    return [f"{name}.layout.kind = {kind}" for name, kind in layouts.items() if kind != "separate"]


def _check_processes(recipe: Recipe, gpus: int) -> None:
    """Refuse what the trainings would refuse; a recipe itself refuses layouts that do not fit each other."""
    shared = _shared(recipe)
    if shared and gpus > 1:
        raise SettingsError(f"{shared[0]} trains in one process; plan it with --gpus 1, or choose separate.")


def _size(model: str) -> Size | None:
    """Size a model that is here, by directory or by its name under `models/`."""
    path = directory_of(model)
    return size_of_directory(path) if model and path.is_dir() else None
