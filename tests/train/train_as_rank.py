"""Run by test_ranks.py under torchrun: trains every case over the ranks, and goes on with runs that others left.

Usage: torchrun --nproc-per-node 2 train_as_rank.py WORLD RUNS. The cases also run in one process, in the test itself.
"""

import json
import random
import sys
from pathlib import Path

import torch

from tutelage.errors import SettingsError
from tutelage.files import write_json
from tutelage.records import RankedGroup
from tutelage.train import ranks
from tutelage.train.batching import Example
from tutelage.train.layout import LayoutSettings
from tutelage.train.loop import LoopSettings
from tutelage.train.optimizers import Adam
from tutelage.train.ppo import KLSettings, Parents, PPOData, PPOSettings, train_ppo
from tutelage.train.pretrain import PretrainSettings, Texts, train_pretrain
from tutelage.train.reward import RewardData, RewardSettings, train_reward
from tutelage.train.sft import SFTData, SFTSettings, train_sft

LOOP = LoopSettings(checkpoint_every=1, evaluate_every=2, micro_tokens=64)
# Adam divides by the size of a gradient: with this epsilon, rounding in one that is almost 0 stays rounding.
ADAM = Adam(lr=1e-3, eps=1e-4)
SFT = SFTSettings(epochs=1, batch=7, mix_row_tokens=16, keep_epochs=True, adam=ADAM, loop=LOOP)
DROPOUT = SFT.model_copy(update={"dropout": 0.2})
RECOMPUTED = SFT.model_copy(update={"loop": LOOP.model_copy(update={"gradient_checkpointing": True})})
WIDE = SFT.model_copy(update={"loop": LOOP.model_copy(update={"micro_tokens": 4096})})
CREW = SFT.model_copy(update={"loop": LOOP.model_copy(update={"processes": 2})})
REWARD = RewardSettings(epochs=1, batch=5, likelihood=True, adam=ADAM, loop=LOOP)
PRETRAIN = PretrainSettings(tokens=1120, row_tokens=32, batch_rows=7, adam=ADAM, loop=LOOP)
PPO = PPOSettings(
    episodes=30,
    batch=10,
    minibatch=10,
    max_tokens=6,
    ptx_coef=1.0,
    ptx_rows=3,
    ptx_row_tokens=24,
    kl=KLSettings(kind="adaptive", target=0.1, horizon=100),
    policy=ADAM,
    value=ADAM,
    loop=LOOP,
)
UPDATE = PPO.model_copy(update={"episodes": 10})
NARROW = UPDATE.model_copy(update={"loop": LOOP.model_copy(update={"precision": "bf16"})})
MUON = PRETRAIN.model_copy(update={"adam": ADAM.model_copy(update={"muon_lr": 1e-3})})

SHARED = UPDATE.model_copy(update={"layout": LayoutSettings(kind="shared_trunk")})
ADAPTED = SFT.model_copy(update={"layout": LayoutSettings(kind="adapters")})
TUNED = {"sft": SFT, "wide": WIDE, "dropout": DROPOUT, "recomputed": RECOMPUTED, "crew": CREW, "adapters": ADAPTED}


class Stop(Exception):
    """Stands for anything that ends all ranks at once."""


def stop(step, *_):
    if step == 2:
        raise Stop


def rankings(prompts):
    """Give each prompt 2 to 5 completions; fewer letters are better, and ties are common."""
    rng = random.Random(3)
    groups = []
    for prompt in prompts:
        texts = [prompt[: rng.randint(1, 9)] or "ab" for _ in range(rng.randint(2, 5))]
        groups.append(RankedGroup(prompt=prompt, completions=tuple(texts), ranks=tuple(map(len, texts))))
    return groups


def train(case, world, run_dir, progress=None):
    """Train a case, from wherever its run directory stands."""
    data = json.loads((world / "data.json").read_text())
    prompts, texts = data["prompts"], data["texts"]
    examples = [Example(prompt, prompt.split()[-1]) for prompt in prompts]
    if case in TUNED:
        data = SFTData(examples[:23], examples[30:35], texts)
        return train_sft(run_dir, TUNED[case], data, world / "policy", progress)
    if case == "reward":
        groups = rankings(prompts)
        return train_reward(
            run_dir, REWARD, RewardData(groups[:18], groups[30:37], examples[:6]), world / "policy", progress
        )
    if case in ("pretrain", "muon"):
        settings = {"pretrain": PRETRAIN, "muon": MUON}[case]
        return train_pretrain(run_dir, settings, Texts(texts[:50], texts[50:]), world / "policy", progress)
    parents = Parents(world / "policy", world / "reward")
    settings = {"update": UPDATE, "narrow": NARROW, "ppo": PPO, "shared": SHARED}[case]
    return train_ppo(run_dir, settings, PPOData(prompts, texts, prompts[:5]), parents, progress)


def train_until_stopped(case, world, run_dir):
    """Leave a case behind after two steps, with its checkpoint of the first."""
    try:
        train(case, world, run_dir, stop)
    except Stop:
        return
    raise AssertionError(f"{case} ended before it was stopped")


def refusals(world, runs):
    """Try what several ranks cannot do, and give the sentences."""
    tries = {
        "crew": lambda: train("crew", world, runs / "crew"),
        "wide": lambda: train("wide", world, runs / "wide"),
        "muon": lambda: train("muon", world, runs / "muon"),
        "different": lambda: ranks.check_same({"settings": {"seed": ranks.number()}}),
        "adapters": lambda: train("adapters", world, runs / "adapters"),
        "shared": lambda: train("shared", world, runs / "shared"),
    }
    told = {}
    for name, attempt in tries.items():
        try:
            attempt()
        except SettingsError as error:
            told[name] = str(error)
    return told


def main(world, runs):
    """Train all cases over the ranks; leave some to one process, go on with those that one process left."""
    torch.set_num_threads(1)
    ranks.join()
    for case in ("sft", "dropout", "recomputed", "reward", "pretrain", "update", "narrow", "ppo"):
        train(case, world, runs / "two" / case)
    for case in ("sft", "ppo"):
        train_until_stopped(case, world, runs / "two-one" / case)
        train(case, world, runs / "one-two" / case)
    train_until_stopped("sft", world, runs / "kept")
    for case in ("dropout", "ppo"):
        train_until_stopped(case, world, runs / "two-two" / case)
        train(case, world, runs / "two-two" / case)
    told = ranks.gather(refusals(world, runs))
    if ranks.is_first():
        write_json(runs / "refusals.json", told)
    ranks.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
