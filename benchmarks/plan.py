"""`tutelage plan` against this machine: random models of three sizes are trained, and peaks and times compared.

`python -m benchmarks.plan [--sizes small medium large] [--layouts separate adapters shared_trunk] [--stages sft reward
ppo] [--json FILE]`. Every training runs in two processes of its own.
One adds up what torch allocates and frees, as a GPU's allocator would, and takes the highest sum. The other takes the
time of the steps after the first, and how far the resident memory of the process grew, which holds what libraries keep
too. The plan gets the measured speed of matrix products, of memory and of starting a layer, and the lengths
of the texts.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

#: Width, layers, heads, feed-forward width.
SIZES = {"tiny": (32, 2, 2, 64), "small": (256, 4, 4, 768), "medium": (384, 8, 6, 1152), "large": (576, 9, 9, 1728)}
STAGES, LAYOUTS = ("sft", "reward", "ppo"), ("separate", "adapters", "shared_trunk")
CONTEXT, LONGEST, STEPS = 256, 48, 4
#: What the plan takes as the share of the measured speed of large products that a training's products reach.
UTILISATION = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One training: bytes and seconds, planned and measured."""

    case: str
    weights: int
    planned_bytes: float
    measured_bytes: float
    resident_bytes: float
    planned_seconds: float
    measured_seconds: float


def main() -> None:
    """Measure every stage at every size and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=__doc__)
    parser.add_argument("--sizes", nargs="*", choices=list(SIZES), default=list(SIZES)[1:])
    parser.add_argument("--stages", nargs="*", choices=STAGES, default=list(STAGES))
    parser.add_argument("--layouts", nargs="*", choices=LAYOUTS, default=list(LAYOUTS))
    parser.add_argument("--worker", nargs=4, metavar=("STAGE", "LAYOUT", "SIZE", "WHAT"), help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows for programs")
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(asdict(measured(*options.worker))))
        return
    asked = itertools.product(options.sizes, options.layouts, options.stages)
    rows = [_in_a_process(stage, layout, size) for size, layout, stage in asked]
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")


def _in_a_process(stage: str, layout: str, size: str) -> Compared:
    command = [sys.executable, "-m", "benchmarks.plan", "--worker", stage, layout, size]
    found = []
    for what in ("memory", "time"):
        done = subprocess.run([*command, what], capture_output=True, text=True, check=True)
        found.append(Compared(**json.loads(done.stdout.splitlines()[-1])))
    row = replace(found[1], measured_bytes=found[0].measured_bytes)
    memory, seconds = row.planned_bytes / row.measured_bytes, row.planned_seconds / row.measured_seconds
    print(
        f"{row.case:26} {row.weights / 1e6:6.1f}M  {row.planned_bytes / 1e6:7,.0f} MB planned "
        f"{row.measured_bytes / 1e6:7,.0f} allocated {memory:5.2f} {row.resident_bytes / 1e6:7,.0f} resident  "
        f"{row.planned_seconds:6.2f} s planned {row.measured_seconds:6.2f} measured {seconds:5.2f}",
        flush=True,
    )
    return row


def measured(stage: str, layout: str, size: str, what: str) -> Compared:
    """Train and plan one stage in a layout at one size; allocations are added up where the memory is asked for."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from benchmarks.measure import bandwidth, probe
    from tutelage.models.sizes import size_of_directory
    from tutelage.train.operations import Machine
    from tutelage.train.plan import Sizes, reward_stage, sft_stage
    from tutelage.train.ppo_plan import ppo_stage

    speed = max(probe() for _ in range(9)) * 1e9
    moved = bandwidth() * 1e9
    gc.collect()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), size, layout)
        # One training of a tiny model first, so that what libraries keep for themselves is there before.
        train(stage, World(Path(folder) / "first", "tiny", layout))
        gc.collect()
        before = _resident("VmRSS")
        with (
            profile(activities=[ProfilerActivity.CPU], profile_memory=True)
            if what == "memory"
            else nullcontext() as log
        ):
            peak, seconds = train(stage, world)
        counts = size_of_directory(world.policy)
        machine = Machine(
            gpus=1, memory=1e12, flops=speed, bandwidth=moved, interconnect=1e9, utilisation=UTILISATION,
            overhead=overhead(Path(folder) / "first" / "policy"),
        )  # fmt: skip
        settings, volume = world.settings(stage), world.volume()
        if stage == "sft":
            plan = sft_stage("start", "", settings, counts, volume, machine)
        elif stage == "reward":
            plan = reward_stage(settings, counts, volume, machine)
        else:
            plan = ppo_stage(settings, Sizes(policy=counts, reward=counts), volume, machine)
    return Compared(
        case=f"{stage} {layout} {size}",
        weights=counts.weights,
        planned_bytes=plan.memory,
        measured_bytes=_highest(log) if log else 0.0,
        resident_bytes=peak - before,
        planned_seconds=plan.seconds / plan.steps,
        measured_seconds=seconds,
    )


def overhead(directory: Path, times: int = 50) -> float:
    """Measure the seconds that a layer takes to compute next to nothing: a tiny model reads two tokens."""
    import torch

    from tutelage.models.load import load_policy
    from tutelage.models.packing import Stream
    from tutelage.models.policy import hidden_states

    model, ids = load_policy(directory)[0], Stream(torch.zeros(1, 2, dtype=torch.long))
    with torch.no_grad():
        hidden_states(model, ids)
        began = time.perf_counter()
        for _ in range(times):
            hidden_states(model, ids)
    return (time.perf_counter() - began) / times / model.config.num_hidden_layers


class World:
    """Random models over a real tokenizer, and texts of random words."""

    def __init__(self, root: Path, size: str, layout: str) -> None:
        from tutelage.models.adapters import FOLDER, Adapters
        from tutelage.models.load import Shape, fresh, load_policy, save
        from tutelage.models.scalar import ScalarModel, save_scalar
        from tutelage.models.tokenizer import train_tokenizer
        from tutelage.models.tokens import Renderer
        from tutelage.train.layout import LayoutSettings

        rng = random.Random(1)
        letters = "abcdefghijklmnoprstuvw"
        words = ["".join(rng.choices(letters, k=rng.randint(2, 7))) for _ in range(900)]
        self.texts = [" ".join(rng.choices(words, k=150)) + "." for _ in range(400)]
        self.prompts = [" ".join(rng.choices(words, k=24)) for _ in range(64)]
        self.completions = [" ".join(rng.choices(words, k=16)) for _ in range(64)]
        hidden, layers, heads, feedforward = SIZES[size]
        tokenizer = train_tokenizer(self.texts, 2048)
        shape = Shape(
            hidden=hidden, layers=layers, heads=heads, kv_heads=heads, feedforward=feedforward, context=CONTEXT
        )
        self.root, self.layout, self.renderer = (
            root,
            LayoutSettings.model_validate({"kind": layout}),
            Renderer(tokenizer),
        )
        self.policy = save(fresh(shape, tokenizer, seed=0), tokenizer, root / "policy")
        scalar = ScalarModel.from_policy(load_policy(self.policy)[0], seed=0)
        self.reward = save_scalar(scalar, tokenizer, root / "reward")
        if layout == "adapters":
            adapters = Adapters(load_policy(self.policy)[0])
            adapters.add("reward", self.layout.lora, seed=0)
            adapters.write(self.reward / FOLDER, "reward")

    def settings(self, stage: str) -> Any:
        """Give settings for a few steps of several micro-batches each."""
        from tutelage.train.loop import LoopSettings
        from tutelage.train.ppo import PPOSettings
        from tutelage.train.reward import RewardSettings
        from tutelage.train.sft import SFTSettings

        loop = LoopSettings(micro_tokens=1024, checkpoint_every=10_000, evaluate_every=10_000)
        how: dict[str, Any] = {"layout": self.layout, "loop": loop}
        if stage == "sft":
            return SFTSettings(batch=32, epochs=STEPS / 2, pretraining_mix=0.25, mix_row_tokens=128, **how)
        if stage == "reward":
            return RewardSettings(batch=16, epochs=STEPS / 4, **how)
        return PPOSettings(
            episodes=64, batch=32, minibatch=16, max_tokens=LONGEST, ptx_coef=1.0, ptx_rows=8, samples=0, **how
        )

    def volume(self) -> Any:
        """Count what the texts are."""
        from tutelage.train.plan import Volume

        prompt = statistics.mean(map(len, self.renderer.prompts_ids(self.prompts)))
        completion = statistics.mean(map(len, self.renderer.completions_ids(self.completions)))
        return Volume(
            demonstrations=64,
            demonstration_prompt_tokens=prompt,
            demonstration_completion_tokens=completion,
            rankings=64,
            ranking_completions=4,
            ranking_prompt_tokens=prompt,
            ranking_completion_tokens=completion,
            prompt_tokens=prompt,
            sampled_tokens=LONGEST,
        )


def train(stage: str, world: World) -> tuple[float, float]:
    """Run a stage's trainer; return the peak of its steps in bytes and the mean seconds of those after the first."""
    from tutelage.records import RankedGroup
    from tutelage.runs import Run
    from tutelage.train.batching import Example
    from tutelage.train.ppo import Parents, PPOData, train_ppo
    from tutelage.train.reward import RewardData, train_reward
    from tutelage.train.sft import SFTData, train_sft

    peaks: list[float] = []

    def progress(step: int, steps: int, metrics: Mapping[str, float]) -> None:
        peaks.append(_resident("VmHWM"))

    settings, out = world.settings(stage), world.root / "run"
    examples = [Example(*pair) for pair in zip(world.prompts, world.completions, strict=True)]
    if stage == "sft":
        train_sft(out, settings, SFTData(examples, pretraining=world.texts), world.policy, progress)
    elif stage == "reward":
        groups = [
            RankedGroup(prompt=one.prompt, completions=tuple(world.completions[i : i + 4]), ranks=(0, 1, 2, 3))
            for i, one in enumerate(examples[:60])
        ]
        groups += groups[:4]
        train_reward(out, settings, RewardData(groups, [], examples[:8]), world.policy, progress)
    else:
        data = PPOData(world.prompts, world.texts)
        train_ppo(out, settings, data, Parents(world.policy, world.reward), progress)
    rows = [row["seconds"] for row in Run.open(out).read_metrics() if "seconds" in row]
    counted = rows[len(rows) // 2 :] if stage == "ppo" else rows[1:]
    return max(peaks), statistics.mean(counted)


def _highest(log: Any) -> float:
    """Add up allocations and what was freed, in order, and give the highest sum."""
    events = [event for event in log.profiler.kineto_results.events() if event.name() == "[memory]"]
    sums = itertools.accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns()))
    return float(max(sums))


def _resident(kind: str) -> float:
    """Read what this process holds, now (VmRSS) or at most so far (VmHWM), in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))


if __name__ == "__main__":
    main()
