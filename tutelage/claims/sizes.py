"""From the post: quality from 1 to 7 by model size, for the base, the prompted base, SFT and PPO-ptx."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tutelage.claims.arms import answers, asked, experiment, judged
from tutelage.claims.claim import Claim, Part
from tutelage.claims.training import narrower, reinforce, tune, with_shape
from tutelage.claims.verdicts import Rule
from tutelage.core.statistics import bounded_mean
from tutelage.evaluate.measures import Figures, averaged, paired
from tutelage.evaluate.records import ArmRating
from tutelage.evaluate.score import QUALITY
from tutelage.pipeline.evaluation import read_outputs
from tutelage.pipeline.recipe import Recipe, parts
from tutelage.pipeline.source import judgements
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.training import demonstrations, model_of, open_store, pretrain
from tutelage.pipeline.village import Village
from tutelage.sample import Policy
from tutelage.train.batching import Example

#: The sizes below the run's own, by the share of its heads that they have; and the share of test prompts asked.
SIZES, SHARE = {"small": 0.5, "medium": 0.75}, 0.5
ALL = (*SIZES, "full")
ARMS = {"base": "the base", "prompted_base": "the prompted base", "sft": "SFT", "ppo_ptx": "PPO-ptx"}


def stages(village: Village, recipe: Recipe) -> list[Stage]:
    """Make every arm at each size, with one reward model for all, as the paper did, and let labelers rate them."""
    made = [stage for size, share in SIZES.items() for stage in _models(recipe, size, share)]
    starts = {size: f"start_{size}" for size in SIZES}
    trained = reinforce(recipe, starts, lambda _, settings: settings)

    def measure(space: Workspace) -> Figures:
        policies = {f"{arm}/{size}": one for size in SIZES for arm, one in _policies(space, size).items()}
        prompts = asked(space, "test")
        prompts = prompts[: round(SHARE * len(prompts))]
        outputs = answers(recipe, policies, prompts)
        ratings = list(judged(space, village, outputs, "heldout", "sizes").ratings)
        with open_store(space) as store:
            _, own, _ = judgements(village, store, read_outputs(space))
        known = {prompt.id for prompt in prompts}
        ratings += [
            replace(row, model=f"{row.model}/full") for row in own if row.group == "heldout" and row.prompt_id in known
        ]
        return _qualities(ratings)

    needs = tuple(f"{kind}_{size}" for kind in ("base", "sft") for size in SIZES)
    return [
        *made,
        Stage(
            "sizes_ppo",
            "PPO-ptx at two smaller sizes",
            trained,
            parts(recipe, "ppo"),
            (*starts.values(), "reward", "corpus", "ppo"),
        ),
        Stage(
            "claim_sizes",
            "Rate the arms of three sizes",
            experiment(measure),
            parts(recipe, "sample", "release") | {"share": SHARE},
            ("people", "outputs", "prompted_base", "sizes_ppo", *needs),
        ),
    ]


def _models(recipe: Recipe, size: str, share: float) -> list[Stage]:
    """Make the base of a size, the start of PPO and SFT."""
    heads = max(1, round(share * recipe.base.shape.heads))
    small = with_shape(recipe, narrower(recipe.base.shape, heads))
    base = f"base_{size}"

    def examples(space: Workspace) -> Sequence[Example]:
        with open_store(space) as store:
            return demonstrations(store, "simulated", "train")

    return [
        Stage(base, f"Pretrain a {size} base", pretrain(small), parts(small, "base"), ("corpus",)),
        *(
            Stage(
                f"{name}_{size}",
                f"{title} of the {size} base",
                tune(small, settings.model_copy(update={"keep_epochs": False}), base, examples),
                parts(small, name),
                (base, "demonstrations", "corpus"),
            )
            for name, title, settings in (("start", "SFT, the start of PPO", small.start), ("sft", "SFT", small.sft))
        ),
    ]


def _policies(space: Workspace, size: str) -> dict[str, Policy]:
    base = model_of(space, f"base_{size}")
    return {
        "base": Policy("base", base),
        "prompted_base": Policy("prompted_base", base, space.facts("prompted_base")["frame"]),
        "sft": Policy("sft", model_of(space, f"sft_{size}")),
        "ppo_ptx": Policy("ppo_ptx", space.root / space.facts("sizes_ppo")[size]),
    }


def _qualities(ratings: Sequence[ArmRating]) -> Figures:
    """Give the mean quality of each arm at each size, and the difference of every two of a size, paired by prompt."""
    figures: Figures = {}
    values = averaged(("", row.model, row.prompt_id, float(row.quality)) for row in ratings)
    for size in ALL:
        for arm in ARMS:
            rows = [row for row in ratings if row.model == f"{arm}/{size}"]
            qualities = [float(row.quality) for row in rows]
            labelers = [row.labeler for row in rows]
            figures["quality", arm, size] = bounded_mean(qualities, QUALITY, [row.prompt_id for row in rows], labelers)
            for other in ARMS:
                gap = paired(values["", f"{arm}/{size}"], values["", f"{other}/{size}"])
                if arm != other and gap:
                    figures["quality_gap", arm, other, size] = gap
    return figures


def _gap(arm: str, other: str, size: str) -> Part:
    return Part(
        says=f"Quality at the {size} size, {ARMS[arm]} minus {ARMS[other]}",
        figure=("quality_gap", arm, other, size),
        rule=Rule(above=0.0),
        unit="number",
    )


LIKERT = Claim(
    name="sizes",
    title="At each of three sizes people rate the aligned model above SFT and SFT above the base",
    source="the post: quality from 1 to 7 at 1.3B, 6B and 175B",
    parts=tuple(_gap(arm, other, size) for size in ALL for arm, other in (("ppo_ptx", "sft"), ("sft", "base"))),
    beside=tuple(
        Part(says=f"Quality of {name} at the {size} size", figure=("quality", arm, size), unit="number")
        for size in ALL
        for arm, name in ARMS.items()
    ),
    reason=(
        "The three sizes are within a factor of four, the smaller ones share the run's reward model and few-shot "
        "prefix, and their SFT is the last epoch where the run chooses one."
    ),
    stages=stages,
    seconds=760,
)
