"""The paper's recipes hold the paper's numbers: each is compared with a table that was typed from the paper."""

from __future__ import annotations

import re
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tutelage.config import shipped_recipes
from tutelage.core.schedules import constant_with_warmup
from tutelage.pipeline.recipe import Recipe, read_recipe, read_section
from tutelage.runs import flatten

SIZES = ("1.3b", "6b", "175b")
#: Setting: what the paper prints for every size (sections 3.2 to 3.5, C to C.4).
SAME: dict[str, Any] = {
    "intake.per_user": 200,
    "base.shape.context": 2048,
    "start.epochs": 2,
    "start.pretraining_mix": 0.1,
    "start.final": 0.1,
    "start.longest_prompt": 1024,
    "sft.epochs": 16,
    "sft.dropout": 0.2,
    "sft.pretraining_mix": 0,
    "sft.warmup": 0,
    "sft.final": 0.1,
    "sft.longest_prompt": 1024,
    "sample.max_tokens": 1024,
    "sample.least": 4,
    "sample.most": 9,
    "reward.epochs": 1,
    "reward.batch": 64,
    "reward.final": 0.1,
    "reward.longest_prompt": 1024,
    "reward.adam.lr": 0.000009,
    "ppo.episodes": 256000,
    "ppo.batch": 512,
    "ppo.minibatch": 64,
    "ppo.clip": 0.2,
    "ppo.ptx_coef": 27.8,
    "ppo.ema_decay": 0.992,
    "ppo.kl.kind": "fixed",
    "ppo.kl.beta": 0.02,
    "ppo.advantages.gamma": 1,
    "imported.baseline": True,
    "sft.keep_epochs": True,
    "release.weights": "ema",
    "volume.demonstrations": 12725,
    "volume.rankings": 33207,
}
#: Setting: what the paper prints for 1.3B, 6B and 175B (C.1, C.3, C.4).
BY_SIZE: dict[str, tuple[Any, Any, Any]] = {
    "start.adam.lr": (0.000005, 0.0000104, 0.00000245),
    "start.batch": (32, 32, 8),
    "sft.adam.lr": (0.00000965, 0.00000965, 0.00000503),
    "sft.batch": (32, 32, 8),
    "ppo.value.lr": (0.000009, 0.000009, 0.000005),
    # Brown et al. 2020, Table 2.1.
    "base.shape.layers": (24, 32, 96),
    "base.shape.hidden": (2048, 4096, 12288),
    "base.pretrain.adam.lr": (0.0002, 0.00012, 0.00006),
}
#: Not in the paper: off.
OFF: dict[str, Any] = {
    "start.warmup": 0,
    "reward.warmup": 0,
    "reward.likelihood": False,
    "ppo.advantages.whiten_rewards": False,
    "ppo.advantages.missing_end_penalty": 0,
    "ppo.advantages.score_clip": 0,
    "base.pretrain.adam.muon_lr": 0,
}
#: Chosen by openai/lm-human-preferences, where the paper is silent.
ELSEWHERE: dict[str, Any] = {
    "reward.head": "random",
    "ppo.advantages.lam": 0.95,
    "ppo.advantages.whiten": True,
    "ppo.value_clip": 0.2,
}
OPTIMIZERS = ("start.adam", "sft.adam", "reward.adam", "ppo.policy", "ppo.value")


def settings(size: str) -> dict[str, Any]:
    return flatten(read_recipe(f"paper-{size}").model_dump(mode="json"))


@pytest.mark.parametrize("size", SIZES)
def test_every_number_is_the_papers(size: str) -> None:
    wanted = SAME | OFF | ELSEWHERE | {name: values[SIZES.index(size)] for name, values in BY_SIZE.items()}
    for optimizer in OPTIMIZERS:
        wanted |= {f"{optimizer}.beta1": 0.9, f"{optimizer}.beta2": 0.95, f"{optimizer}.muon_lr": 0}
    found = settings(size)
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize("size", SIZES)
def test_the_schedule_is_the_papers(size: str) -> None:
    """500 rollout batches of eight steps; the rate rises over ten of them; eight pretraining rows an episode."""
    ppo = read_section("ppo", f"paper-{size}")
    steps = ppo.episodes // ppo.minibatch
    assert (ppo.episodes // ppo.batch, ppo.batch // ppo.minibatch, steps) == (500, 8, 4000)
    rate = partial(constant_with_warmup, warmup=round(ppo.warmup * steps))
    assert [rate(0), rate(40), rate(80), rate(3999)] == pytest.approx([0.1, 0.55, 1, 1])
    assert rate(79) < 1
    assert ppo.ptx_rows / ppo.minibatch == 8
    assert ppo.ema_start_left ** (1 / steps) > 0.992
    # What leaves room for a response is a prompt of at most 1,024 tokens.
    assert ppo.max_tokens == 1024 == read_recipe(f"paper-{size}").base.shape.context - 1024
    assert 2.55e-6 <= ppo.policy.lr <= 2.55e-5


@pytest.mark.parametrize("size", SIZES)
def test_every_number_names_its_source(size: str) -> None:
    text = (shipped_recipes() / f"paper-{size}.toml").read_text(encoding="utf-8")
    unsourced = []
    for line in text.splitlines():
        if re.match(r"\w+ = [\d.]|\w+ = (true|false)", line) and not re.search(r"  # .*\S", line):
            unsourced.append(line)
    # The seed, and the widths whose table is named above them.
    assert {line.split(" =")[0] for line in unsourced} <= {
        "seed",
        "hidden",
        "layers",
        "heads",
        "kv_heads",
        "feedforward",
    }


def test_sizes_differ_in_nothing_but_what_the_papers_do() -> None:
    trees = [settings(size) for size in SIZES]
    differing = {name for name in trees[0] if len({str(tree[name]) for tree in trees}) > 1}
    allowed = {*BY_SIZE, "name", "ppo.policy.lr", "base.pretrain.batch_rows", "base.shape.heads", "base.shape.kv_heads"}
    allowed |= {"base.shape.feedforward", *(name for name in trees[0] if name.startswith("volume.reported"))}
    # These two change memory and speed, never the update.
    memory = ("loop.micro_tokens", "loop.gradient_checkpointing")
    allowed |= {name for name in trees[0] if name.endswith(memory)}
    assert differing <= allowed


def test_recipes_name_every_setting_they_change() -> None:
    """What the table checks stands in the files and is not a default that could move under them."""
    for size in SIZES:
        tree = flatten(tomllib.loads((shipped_recipes() / f"paper-{size}.toml").read_text(encoding="utf-8")))
        missing = {*SAME, *BY_SIZE, *OFF, *ELSEWHERE} - set(tree)
        assert missing <= {"sample.least", "sample.most", "base.pretrain.adam.muon_lr"}


def test_a_setting_of_the_baseline_leaves_the_others_at_the_papers() -> None:
    baseline = read_recipe("imported", ["sft.adam.lr=1e-5"]).sft
    assert (baseline.epochs, baseline.dropout, baseline.pretraining_mix, baseline.keep_epochs) == (16, 0.2, 0, True)


def test_the_village_cannot_take_a_reward_model_of_another_base(tmp_path: Path) -> None:
    from tutelage.config import load
    from tutelage.errors import SettingsError

    path = tmp_path / "r.toml"
    path.write_text('[village]\n[reward_base]\nmodel = "other"\n')
    with pytest.raises(SettingsError, match=r"leave reward_base\.model out"):
        load(Recipe, path)
