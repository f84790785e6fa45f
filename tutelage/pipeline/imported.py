"""The stages that stand on people's labels from elsewhere: the same trainings, on a real base model."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from tutelage.errors import SettingsError
from tutelage.feedback import export, importers, instructions
from tutelage.files import append_jsonl, sha256_of
from tutelage.pipeline import checking, gathering, releasing, seen, training
from tutelage.pipeline.bases import corpus, find_base, reward_base
from tutelage.pipeline.recipe import ImportSettings, Recipe, parts
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.training import Maker, model_of, open_store
from tutelage.records import Prompt, RegisteredModel, Split
from tutelage.sample import Policy
from tutelage.store import Store, prompts, registry

#: A fifth of the conversation trees is held out, before anything is trained.
SHARES: dict[Split, float] = {"train": 0.8, "validation": 0.2, "test": 0.0}
#: Held-out prompts that every model answers for people to read, and on which the baseline's epoch is chosen.
SHOWN, CHOSEN_ON = 12, 200
#: PPO samples from the prompts of demonstrations and of rankings.
STAGES: tuple[Literal["sft", "reward"], ...] = ("sft", "reward")


def imported_stages(recipe: Recipe) -> list[Stage]:
    """Return the loop on imported labels: SFT, reward model, PPO-ptx, samples, release."""
    assert recipe.imported is not None
    judge, sft = reward_base(recipe.reward_base.model, recipe), baseline(recipe) if has_baseline(recipe) else []
    models = ("base", "start", *(["baseline"] if sft else []), "ppo")
    return [
        Stage("labels", "Import people's labels", take_labels(recipe.imported), parts(recipe, "imported")),
        Stage("base", "Find the base", find_base(recipe.base.model, "base.model"), parts(recipe, "base")),
        *judge,
        Stage(
            "check",
            "Check the labels",
            checking.check_data(recipe, prompts_to_train, "human", "human"),
            parts(recipe, "start", "reward", "ppo", "sample"),
            ("base", "labels", *(stage.name for stage in judge)),
        ),
        corpus(recipe, Path(recipe.imported.directory) / recipe.imported.texts if recipe.imported.texts else None),
        Stage(
            "start",
            "SFT, the start of PPO",
            training.fine_tune(recipe, recipe.start, "human"),
            parts(recipe, "start"),
            ("base", "labels", "corpus"),
        ),
        Stage(
            "reward",
            "Train the reward model",
            training.reward_model(recipe, "human", "human"),
            parts(recipe, "reward"),
            ("start", "labels", *(stage.name for stage in judge)),
        ),
        *sft,
        Stage(
            "ppo",
            "PPO-ptx",
            training.reinforce_once(recipe, prompts_to_train),
            parts(recipe, "ppo"),
            ("start", "reward", "corpus", "labels"),
        ),
        Stage(
            "samples",
            "Sample held-out prompts",
            show_samples(recipe),
            parts(recipe, "sample", "release"),
            (*models, "labels"),
        ),
        Stage("release", "Release the model", release(recipe), parts(recipe, "release"), models),
    ]


def baseline(recipe: Recipe) -> list[Stage]:
    """Return the stages of the SFT baseline: train it, and choose its epoch by reward (paper, 3.5 and C.1)."""
    return [
        Stage(
            "sft",
            "SFT, the baseline",
            training.fine_tune(recipe, recipe.sft, "human"),
            parts(recipe, "sft"),
            ("base", "labels", *(["corpus"] if recipe.sft.pretraining_mix else [])),
        ),
        Stage(
            "baseline",
            "Choose the baseline by reward",
            training.choose_baseline(recipe, lambda _, store: heldout_prompts(store, CHOSEN_ON)),
            parts(recipe, "sample"),
            ("sft", "reward", "labels"),
        ),
    ]


def take_labels(source: ImportSettings) -> Maker:
    """Import demonstrations and rankings; a tree's rows all go to one split."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        if not source.directory:
            raise SettingsError("Name the folder of the labels: --set imported.directory=DATA_DIR.")
        folder, now = Path(source.directory), datetime.now(UTC)
        with open_store(space) as store:
            instructions.publish_defaults(store, now=now)

            def take(file: str, format: str, stage: Literal["sft", "reward"]) -> importers.Imported:
                found = importers.Source(
                    path=folder / file, format=format, name=source.source, kind="human", licence=source.licence,
                    shares=SHARES, stage=stage,
                )  # fmt: skip
                made = importers.import_labels(store, found, now=now)
                importers.write_faults(out / f"{file}.left-out.jsonl", made.faults)
                return made

            made = take(source.demonstrations, "demonstrations", "sft")
            ranked = take(source.rankings, source.format, "reward")
        left_out = len(made.faults) + len(ranked.faults)
        return {"demonstrations": made.demonstrations, "rankings": ranked.rankings, "left_out": left_out}

    return run


def prompts_to_train(_: Workspace, store: Store) -> list[str]:
    """Return the training prompts of demonstrations and rankings."""
    rows = [row.prompt for stage in STAGES for row in export.ppo(store, stage=stage)]
    return list(dict.fromkeys(rows))


def heldout_prompts(store: Store, count: int) -> list[Prompt]:
    """Return held-out prompts, the shortest first, so that every model has room to answer."""
    return sorted(prompts.usable(store, split="validation"), key=lambda prompt: (len(prompt.text), prompt.id))[:count]


def models_made(space: Workspace, recipe: Recipe) -> dict[str, Path]:
    """Return the models to show and to serve; of PPO the weights that the recipe releases."""
    found = {name: model_of(space, name) for name in ("base", "start", *(["baseline"] if has_baseline(recipe) else []))}
    return found | {"ppo": model_of(space, "ppo").parent / recipe.release.weights}


def has_baseline(recipe: Recipe) -> bool:
    """Say whether the recipe trains the SFT baseline."""
    return recipe.imported is not None and recipe.imported.baseline


def show_samples(recipe: Recipe) -> Maker:
    """Let every model answer the same held-out prompts."""

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        with open_store(space) as store:
            asked = heldout_prompts(store, SHOWN)
        rows = []
        for name, path in models_made(space, recipe).items():
            made = training.draw(Policy(name, path), asked, recipe)
            rows += [{"model": name, "prompt": p.text, "completion": c.text} for p, c in zip(asked, made, strict=True)]
        append_jsonl(out / "samples.jsonl", rows)
        return {"samples": len(rows)}

    return run


def release(recipe: Recipe) -> Maker:
    """Register every model; the API's default is PPO-ptx. People's judgements of it come later, so no gate is here."""

    def run(space: Workspace, _: Path) -> dict[str, Any]:
        now = datetime.now(UTC)
        with open_store(space) as store:
            asked = [row for stage in STAGES for row in export.ppo(store, stage=stage)]
            learned = seen.by_models(space, asked, has_baseline=has_baseline(recipe))
            for name, path in models_made(space, recipe).items():
                model = RegisteredModel(name=f"{recipe.name}-{name}", version=0, path=str(path.resolve()),
                                        sha256=sha256_of(path), run=name)  # fmt: skip
                found = learned[name]
                made = registry.register(store, model, prompt_hashes=found.prompts, label_ids=found.labels, now=now)
            refused = releasing.release(store, {}, None, made, recipe.release.gates, now=now)
        return gathering.told(space, made, refused)

    return run
