"""Measure the peak memory of training in each layout: `python -m benchmarks.memory [ppo|reward|sft ...] [--json FILE]`.

Every training runs in a process of its own, on random weights of SmolLM2-135M's shape in fp32 and on random words. What
is printed is the largest resident memory of that process, less what it held before the first weight was loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tutelage.models.load import Shape, fresh, save
from tutelage.models.tokenizer import train_tokenizer
from tutelage.records import RankedGroup
from tutelage.train.batching import Example
from tutelage.train.four import Parents
from tutelage.train.layout import LayoutSettings
from tutelage.train.loop import LoopSettings
from tutelage.train.ppo import PPOData, PPOSettings, train_ppo
from tutelage.train.reward import RewardData, RewardSettings, train_reward
from tutelage.train.sft import SFTData, SFTSettings, train_sft

TRAINERS = ("ppo", "reward", "sft")
LAYOUTS = ("separate", "adapters", "shared_trunk")
#: Tokens of a forward pass; pretraining rows fill one exactly.
MICRO = 512
MB = 1e6
WORDS = ["ab", "ba", "cab", "dab", "bad", "dad", "add", "bed", "fed", "cafe", "face", "fade"]


def main() -> None:
    """Measure what is asked for and print one table; with --one, be the process that is measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("trainers", nargs="*", help="all when none is named: " + ", ".join(TRAINERS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows for programs")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        trainer, layout, again, root = options.one
        print(json.dumps(measure(trainer, layout, again == "again", Path(root))))
        return
    rows = []
    with tempfile.TemporaryDirectory() as root:
        make_base(Path(root))
        for trainer in options.trainers or TRAINERS:
            for layout in LAYOUTS:
                for again in ("plain", "again"):
                    rows.append(run(trainer, layout, again, root))
                    print(
                        "{trainer:7} {layout:13} {again:6} {mb:7,.0f} MB {seconds:5.0f} s".format(**rows[-1]),
                        flush=True,
                    )
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n", encoding="utf-8")


def run(trainer: str, layout: str, again: str, root: str) -> dict[str, object]:
    """Measure one training in a process of its own; `again` computes activations twice (gradient checkpointing)."""
    command = [sys.executable, "-m", "benchmarks.memory", "--one", trainer, layout, again, root]
    # Freed memory goes back at once, so that the peak is that of what is in use.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    return {"trainer": trainer, "layout": layout, "again": again, **found}


def make_base(root: Path) -> None:
    """Write a model of SmolLM2-135M's shape with random weights: 30 layers of width 576, 49,152 tokens, tied."""
    tokenizer = train_tokenizer(texts(), 280)
    shape = Shape(hidden=576, layers=30, heads=9, kv_heads=3, feedforward=1536, context=512)
    model = fresh(shape, tokenizer, seed=0)
    model.resize_token_embeddings(49_152)
    save(model, tokenizer, root / "base")


def texts() -> list[str]:
    """Make texts of random words."""
    rng = random.Random(0)
    return [" ".join(rng.choices(WORDS, k=60)) for _ in range(80)]


def measure(trainer: str, layout: str, again: bool, root: Path) -> dict[str, float]:
    """Train for two optimizer steps; give the peak of memory in MB and the seconds."""
    loop = LoopSettings(micro_tokens=MICRO, gradient_checkpointing=again)
    how: dict[str, Any] = {"layout": LayoutSettings.model_validate({"kind": layout}), "loop": loop}
    directory = root / f"{trainer}-{layout}-{'again' if again else 'plain'}"
    if trainer == "ppo" and not (root / f"reward-{layout}-plain").is_dir():
        run("reward", layout, "plain", str(root))
    shutil.rmtree(directory, ignore_errors=True)
    before, began = memory(), time.perf_counter()
    {"ppo": ppo, "reward": reward, "sft": sft}[trainer](how, root, directory)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"mb": (peak - before) / MB, "seconds": time.perf_counter() - began}


def sft(how: dict[str, Any], root: Path, directory: Path) -> None:
    """Fine-tune on 16 demonstrations, with one row of pretraining text in each of the two steps."""
    data = SFTData([Example(text[:30], text[30:90]) for text in texts()[:16]], pretraining=texts())
    train_sft(directory, SFTSettings(epochs=1, batch=8, mix_row_tokens=MICRO, **how), data, root / "base")


def reward(how: dict[str, Any], root: Path, directory: Path) -> None:
    """Train a reward model on 16 prompts of four completions."""
    groups = [
        RankedGroup(
            prompt=text[:30], completions=(text[30:60], text[60:120], text[:90], text[9:99]), ranks=(0, 1, 2, 2)
        )
        for text in texts()[:16]
    ]
    data = RewardData(groups, [], [Example(text[:30], text[30:90]) for text in texts()[:8]])
    train_reward(directory, RewardSettings(epochs=1, batch=8, **how), data, root / "base")


def ppo(how: dict[str, Any], root: Path, directory: Path) -> None:
    """Take two steps of 8 completions of at most 32 tokens and 2 rows of pretraining text each."""
    settings = PPOSettings(episodes=16, batch=16, minibatch=8, max_tokens=32, ptx_rows=2, ptx_row_tokens=MICRO, **how)
    parents = Parents(root / "base", root / f"reward-{settings.layout.kind}-plain" / "model")
    train_ppo(directory, settings, PPOData([text[:30] for text in texts()[:16]], texts()), parents)


def memory() -> float:
    """Give the bytes that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
