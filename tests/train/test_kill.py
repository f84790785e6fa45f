"""Killed by SIGKILL from another process at random times, and run again, training ends with the same bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tutelage.files import sha256_of
from tutelage.runs import Run

SCRIPT = Path(__file__).with_name("train_and_be_killed.py")
ROOT = SCRIPT.parent.parent.parent


def start(kind, world, run_dir):
    """Start training in another process and wait until the work begins."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), kind, str(world.root), str(run_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "training\n"
    return process


def finish(process):
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def killed_until_done(kind, world, run_dir, kills, longest):
    """Kill `kills` times, each after a random share of `longest` seconds, then let it finish; count what was hit."""
    seed = int.from_bytes(os.urandom(4))
    print(f"kill seed {seed}")
    rng = random.Random(seed)
    hit = 0
    for _ in range(kills):
        process = start(kind, world, run_dir)
        time.sleep(rng.uniform(0, longest))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        hit += process.returncode == -signal.SIGKILL
    finish(start(kind, world, run_dir))
    return hit


def check(kind, world, tmp_path, kills):
    began = time.monotonic()
    finish(start(kind, world, tmp_path / "whole"))
    # Later attempts have less to do, so most kills must come early to hit the work at all.
    longest = 0.6 * (time.monotonic() - began)
    hit = killed_until_done(kind, world, tmp_path / "killed", kills, longest)
    assert hit > 0
    whole, killed = Run.open(tmp_path / "whole"), Run.open(tmp_path / "killed")
    assert killed.is_finished
    assert killed.outputs == whole.outputs
    assert all(killed.outputs[name] == sha256_of(killed.directory / name) for name in killed.outputs)
    steps = [[row["step"] for row in run.read_metrics()] for run in (whole, killed)]
    assert steps[0] == steps[1]


@pytest.mark.parametrize(("kind", "kills"), [("ppo", 3), ("sft", 1)])
def test_a_killed_run_ends_with_the_same_bytes(world, tmp_path, kind, kills):
    check(kind, world, tmp_path, kills)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["ppo", "sft"])
def test_a_run_killed_twenty_times_ends_with_the_same_bytes(world, tmp_path, kind):
    check(kind, world, tmp_path, 20)
