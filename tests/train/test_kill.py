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


class Trainer:
    """A process that starts one training child after the other."""

    def __init__(self, world):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        command = [sys.executable, str(SCRIPT), str(world.root)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )

    def start(self, kind, run_dir):
        """Start a child and give its process id."""
        self.process.stdin.write(f"{kind} {run_dir}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self):
        """Wait for the child and give its exit code; only now is its process id free for others."""
        self.process.stdin.write("wait\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def trainer(world):
    made = Trainer(world)
    yield made
    made.close()


def kill_often(trainer, kind, root, kills, longest):
    """Kill `kills` children at work, each after a random share of `longest` seconds; give the finished runs.

    A run that is finished makes room for a new one; the last is allowed to finish.
    """
    seed = int.from_bytes(os.urandom(4))
    print(f"kill seed {seed}")
    rng = random.Random(seed)
    runs = [root / "killed-0"]
    hit = 0
    while hit < kills:
        child = trainer.start(kind, runs[-1])
        time.sleep(rng.uniform(0, longest))
        os.kill(child, signal.SIGKILL)
        code = trainer.end()
        assert code in (0, -signal.SIGKILL)
        if code == 0:
            runs.append(root / f"killed-{len(runs)}")
        else:
            hit += 1
    trainer.start(kind, runs[-1])
    assert trainer.end() == 0
    return runs


def check(trainer, kind, tmp_path, kills):
    trainer.start(kind, tmp_path / "whole")
    assert trainer.end() == 0
    began = time.monotonic()
    trainer.start(kind, tmp_path / "again")
    assert trainer.end() == 0
    whole = Run.open(tmp_path / "whole")
    longest = 0.8 * (time.monotonic() - began)
    for directory in [tmp_path / "again", *kill_often(trainer, kind, tmp_path, kills, longest)]:
        run = Run.open(directory)
        assert run.is_finished
        assert run.outputs == whole.outputs
        assert all(run.outputs[name] == sha256_of(directory / name) for name in run.outputs)
        assert [row["step"] for row in run.read_metrics()] == [row["step"] for row in whole.read_metrics()]


KINDS = [("ppo", 3), ("sft", 2), ("reward", 2), ("ppo-adapters", 1), ("ppo-shared_trunk", 1)]
OTHERS = ["sft-adapters", "sft-shared_trunk", "reward-adapters", "reward-shared_trunk"]


@pytest.mark.parametrize(("kind", "kills"), KINDS)
def test_a_killed_run_ends_with_the_same_bytes(trainer, tmp_path, kind, kills):
    check(trainer, kind, tmp_path, kills)


@pytest.mark.soak
@pytest.mark.parametrize("kind", [*dict(KINDS), *OTHERS])
def test_a_run_killed_twenty_times_ends_with_the_same_bytes(trainer, tmp_path, kind):
    check(trainer, kind, tmp_path, 20)
