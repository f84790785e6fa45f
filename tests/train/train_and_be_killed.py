"""Run by test_kill.py in a process of its own: train PPO-ptx or SFT on the world of conftest.py.

Usage: python train_and_be_killed.py ppo|sft WORLD RUN_DIR. Prints "training" when the work begins.
"""

import json
import sys
from pathlib import Path

import torch

from tutelage.train.batching import Example
from tutelage.train.loop import LoopSettings
from tutelage.train.ppo import KLSettings, Parents, PPOData, PPOSettings, train_ppo
from tutelage.train.sft import SFTData, SFTSettings, train_sft

PPO = PPOSettings(
    episodes=384,
    batch=32,
    minibatch=8,
    max_tokens=12,
    ptx_coef=1.0,
    ptx_rows=2,
    ptx_row_tokens=16,
    kl=KLSettings(kind="adaptive", target=0.1, horizon=1000),
    loop=LoopSettings(checkpoint_every=8, micro_tokens=256),
)
SFT = SFTSettings(
    epochs=40,
    batch=8,
    dropout=0.1,
    mix_row_tokens=16,
    keep_epochs=True,
    loop=LoopSettings(checkpoint_every=10, evaluate_every=20, micro_tokens=256),
)


def main(kind: str, world: Path, run_dir: Path) -> None:
    """Train, from wherever the run directory stands."""
    torch.set_num_threads(1)
    data = json.loads((world / "data.json").read_text())
    print("training", flush=True)
    if kind == "ppo":
        parents = Parents(world / "policy", world / "reward")
        train_ppo(run_dir, PPO, PPOData(data["prompts"], data["texts"]), parents)
    else:
        examples = [Example(prompt, prompt.split()[-1]) for prompt in data["prompts"]]
        train_sft(run_dir, SFT, SFTData(examples[:32], examples[32:], data["texts"]), world / "policy")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
