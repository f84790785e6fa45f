"""Two processes that share a step make the same update as one, the same bits every time, and leave nobody behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tutelage.errors import SettingsError
from tutelage.models.load import load_policy
from tutelage.runs import Run
from tutelage.train.batching import Example
from tutelage.train.four import Parents
from tutelage.train.loop import LoopSettings
from tutelage.train.optimizers import Adam
from tutelage.train.ppo import PPOData, PPOSettings, train_ppo
from tutelage.train.pretrain import PretrainSettings, Texts, train_pretrain
from tutelage.train.sft import SFTData, SFTSettings, train_sft

LOOP = LoopSettings(micro_tokens=64, checkpoint_every=3, evaluate_every=4, processes=2)
PRETRAIN = PretrainSettings(tokens=2048, row_tokens=32, batch_rows=8, adam=Adam(lr=1e-2), loop=LOOP)


class Stop(Exception):
    """Stands for anything that ends a process."""


def alone(settings):
    return settings.model_copy(update={"loop": settings.loop.model_copy(update={"processes": 1})})


def pretrain(world, run_dir, settings=PRETRAIN, progress=None):
    return train_pretrain(run_dir, settings, Texts(world.texts[:50], world.texts[50:]), world.policy, progress)


def test_two_processes_train_as_one_does(world, tmp_path):
    """In fp32 the order of additions differs, and with it the last digits; 8 steps of 1e-2 keep them below 1e-4."""
    two, one = pretrain(world, tmp_path / "two"), pretrain(world, tmp_path / "one", alone(PRETRAIN))
    losses = [[row["loss"] for row in Run.open(tmp_path / name).read_metrics()] for name in ("two", "one")]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    start = load_policy(world.policy)[0].state_dict()
    first, second = load_policy(two)[0].state_dict(), load_policy(one)[0].state_dict()
    for name, weight in first.items():
        assert (weight - second[name]).abs().max() < 1e-4
        assert (weight - start[name]).abs().max() > 1e-3 or weight.numel() < 20


def test_a_run_of_two_processes_that_was_stopped_ends_with_the_same_bits(world, tmp_path):
    settings = SFTSettings(epochs=3, batch=8, dropout=0.2, pretraining_mix=0.0, loop=LOOP)
    data = SFTData([Example(*pair) for pair in world.examples(32)])

    def stop(step, steps, metrics):
        if step == 8:
            raise Stop

    whole = train_sft(tmp_path / "whole", settings, data, world.policy)
    with pytest.raises(Stop):
        train_sft(tmp_path / "stopped", settings, data, world.policy, stop)
    again = train_sft(tmp_path / "stopped", settings, data, world.policy)
    first, second = load_file(whole / "model.safetensors"), load_file(again / "model.safetensors")
    assert all((first[name] == second[name]).all() for name in first)


def test_ppo_says_that_it_takes_one_process(world, tmp_path):
    settings = PPOSettings(episodes=8, batch=8, minibatch=4, max_tokens=4, ptx_coef=0.0, loop=LOOP)
    with pytest.raises(SettingsError, match=r"ppo\.loop\.processes = 1"):
        train_ppo(tmp_path / "run", settings, PPOData(world.prompts), Parents(world.policy, world.reward))


def children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return found


def test_helpers_do_not_outlive_a_killed_training(world, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(world.texts))
    code = (
        "import sys; from pathlib import Path; from tests.train.test_crew import PRETRAIN;"
        "from tutelage.train.pretrain import Texts, train_pretrain;"
        "texts = Path(sys.argv[1]).read_text().split('\\n');"
        "settings = PRETRAIN.model_copy(update={'tokens': 10_000_000});"
        "train_pretrain(Path(sys.argv[2]), settings, Texts(texts), Path(sys.argv[3]))"
    )
    run = tmp_path / "run"
    command = [sys.executable, "-c", code, str(texts), str(run), str(world.policy)]
    parent = subprocess.Popen(["env", "PYTHONPATH=.", *command])
    while not (run / "metrics.jsonl").exists() and parent.poll() is None:
        time.sleep(0.05)
    helpers = children(parent.pid)
    assert helpers, "the training started no helper"
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    for _ in range(300):
        if not any(Path(f"/proc/{helper}").exists() for helper in helpers):
            return
        time.sleep(0.05)
    raise AssertionError("a helper still runs fifteen seconds after its parent was killed")
