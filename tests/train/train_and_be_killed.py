"""Run by test_kill.py in a process of its own: forks a child for each line "KIND RUN_DIR" that it reads.

A kind is ppo, reward or sft, or one of them with a layout, such as ppo-adapters.

The imports, which take longer than the training, are made once. The process id of each child is printed when it begins,
and how it ended when it is asked for. Usage: python train_and_be_killed.py WORLD.
"""

import json
import os
import sys
import traceback
from pathlib import Path

import torch

from tutelage.records import RankedGroup
from tutelage.train.batching import Example
from tutelage.train.four import Parents
from tutelage.train.layout import LayoutSettings
from tutelage.train.loop import LoopSettings
from tutelage.train.ppo import KLSettings, PPOData, PPOSettings, train_ppo
from tutelage.train.reward import RewardData, RewardSettings, train_reward
from tutelage.train.sft import SFTData, SFTSettings, train_sft

PPO = PPOSettings(
    episodes=160,
    batch=32,
    minibatch=8,
    max_tokens=12,
    ptx_coef=1.0,
    ptx_rows=2,
    ptx_row_tokens=16,
    kl=KLSettings(kind="adaptive", target=0.1, horizon=1000),
    loop=LoopSettings(checkpoint_every=4, micro_tokens=256),
)
REWARD = RewardSettings(epochs=4, batch=4, loop=LoopSettings(checkpoint_every=6, evaluate_every=12, micro_tokens=256))
SFT = SFTSettings(
    epochs=10,
    batch=8,
    dropout=0.1,
    mix_row_tokens=16,
    keep_epochs=True,
    loop=LoopSettings(checkpoint_every=10, evaluate_every=20, micro_tokens=256),
)


def train(kind: str, world: Path, run_dir: Path) -> None:
    """Train, from wherever the run directory stands."""
    data = json.loads((world / "data.json").read_text())
    trainer, _, layout = kind.partition("-")
    how = {"layout": LayoutSettings.model_validate({"kind": layout or "separate", "rank": 3})}
    if trainer == "ppo":
        parents = Parents(world / "policy", world / "reward")
        train_ppo(run_dir, PPO.model_copy(update=how), PPOData(data["prompts"], data["texts"]), parents)
        return
    examples = [Example(prompt, prompt.split()[-1]) for prompt in data["prompts"]]
    if trainer == "reward":
        groups = [
            RankedGroup(prompt=prompt, completions=(prompt.split()[-1], prompt, "bad"), ranks=(0, 1, 1))
            for prompt in data["prompts"]
        ]
        rankings = RewardData(groups[:32], groups[32:], examples[:8])
        train_reward(run_dir, REWARD.model_copy(update=how), rankings, world / "policy")
    else:
        data = SFTData(examples[:32], examples[32:], data["texts"])
        train_sft(run_dir, SFT.model_copy(update=how), data, world / "policy")


def serve(world: Path) -> None:
    """Fork a child per line, tell its process id, wait for it on request, tell its exit code (negative: the signal)."""
    while line := sys.stdin.readline():
        kind, run_dir = line.split()
        child = os.fork()
        if child == 0:
            try:
                train(kind, world, Path(run_dir))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        assert sys.stdin.readline() == "wait\n"
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve(Path(sys.argv[1]))
