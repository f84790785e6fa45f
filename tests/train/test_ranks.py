"""Two ranks that torchrun starts, each with a share of every model (FSDP2 over gloo), train as one process does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.train import train_as_rank
from tests.train.train_as_rank import train, train_until_stopped
from tutelage.errors import DataError, SettingsError
from tutelage.files import read_json, sha256_of
from tutelage.runs import Run
from tutelage.train import ranks

SCRIPT = Path(train_as_rank.__file__)
CASES = ("sft", "recomputed", "reward", "pretrain", "update", "narrow", "ppo")
#: Largest difference of a weight after at most five steps of at most 1e-3: sums are made in another order, so their
#: last digits differ. Weights lie below 1, where two neighbouring numbers of fp32 differ by 6e-8.
CLOSE = 2e-7


def torchrun(*arguments):
    command = [sys.executable, "-W", "error", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    root = str(SCRIPT.parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    return subprocess.run([*command, *map(str, arguments)], env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def runs(world, tmp_path_factory):
    """All cases by one process and by two ranks, and runs that one began and the other ended."""
    made = tmp_path_factory.mktemp("runs")
    for case in CASES:
        train(case, world.root, made / "one" / case)
    for case in ("sft", "ppo"):
        train_until_stopped(case, world.root, made / "one-two" / case)
    ended = torchrun(SCRIPT, world.root, made)
    assert ended.returncode == 0, ended.stderr
    return made


def weights(run_dir):
    """All tensors that a run made, by file and name."""
    return {
        (file.relative_to(run_dir).as_posix(), name): tensor
        for file in sorted(run_dir.rglob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }


def farthest(one, other):
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert first
    return max(float((tensor.double() - second[name].double()).abs().max()) for name, tensor in first.items())


def moved(run_dir, start):
    after = load_file(run_dir / "model" / "model.safetensors")
    return max(float((tensor - after[name]).abs().max()) for name, tensor in start.items() if name in after)


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_make_the_updates_of_one_process(world, runs, case):
    """Uneven data: the batches give odd numbers of micro-batches, so one rank runs some without weight."""
    assert farthest(runs / "one" / case, runs / "two" / case) <= CLOSE
    if case != "reward":
        assert moved(runs / "two" / case, load_file(world.policy / "model.safetensors")) > 100 * CLOSE


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_log_what_one_process_logs_and_only_once(runs, case):
    """Losses, norms of gradients, scores and validation are of all ranks together; clocks differ."""
    one, two = (Run.open(runs / name / case).read_metrics() for name in ("one", "two"))
    assert [row["step"] for row in one] == [row["step"] for row in two]
    for first, second in zip(one, two, strict=True):
        assert first.keys() == second.keys()
        for name in first.keys() - {"seconds", "time/rollout", "time/scoring"}:
            assert second[name] == pytest.approx(first[name], rel=1e-3, abs=1e-5), name
    ledgers = [Run.open(runs / name / case).ledger.totals() for name in ("one", "two")]
    assert {role: (spent.flops, spent.tokens) for role, spent in ledgers[0].items()} == {
        role: (spent.flops, spent.tokens) for role, spent in ledgers[1].items()
    }


def test_two_ranks_sample_what_one_process_samples(runs):
    one, two = (Run.open(runs / name / "ppo").read_samples() for name in ("one", "two"))
    assert [(row["prompt"], row["completion"]) for row in one] == [(row["prompt"], row["completion"]) for row in two]


@pytest.mark.parametrize("case", ["sft", "ppo"])
def test_a_checkpoint_moves_from_two_ranks_to_one_process(world, runs, case, caplog):
    left = runs / "two-one" / case
    assert len(list((left / "checkpoints").rglob("*.safetensors"))) == 2
    train(case, world.root, left)
    assert farthest(runs / "one" / case, left) <= CLOSE
    assert "platform.ranks was 2 and is now 1" in caplog.text


@pytest.mark.parametrize("case", ["sft", "ppo"])
def test_a_checkpoint_moves_from_one_process_to_two_ranks(runs, case):
    assert farthest(runs / "one" / case, runs / "one-two" / case) <= CLOSE
    assert Run.open(runs / "one-two" / case).changes == ["platform.ranks was 1 and is now 2"]


@pytest.mark.parametrize("case", ["dropout", "ppo"])
def test_two_ranks_that_were_stopped_end_with_the_same_bits(runs, case):
    whole, again = runs / "two" / case, runs / "two-two" / case
    assert Run.open(again).changes == []
    assert Run.open(whole).outputs == Run.open(again).outputs
    assert sha256_of(whole / "model") == sha256_of(again / "model")


@pytest.mark.parametrize("harm", ["missing", "cut off"])
def test_a_checkpoint_that_lost_a_shard_is_refused_with_a_sentence(world, runs, tmp_path, harm):
    left = tmp_path / "run"
    # A run of two ranks is left once more, for the tests above go on with the others.
    shutil.copytree(runs / "kept", left)
    shards = sorted((left / "checkpoints").rglob("*.safetensors"))
    newest = shards[-1]
    if harm == "missing":
        newest.unlink()
        told = rf"step-\d+ lacks {newest.name}; copy it back, or delete the directory"
    else:
        newest.write_bytes(newest.read_bytes()[:-100])
        told = r"A file of the checkpoint .*step-\d+ is damaged .*; delete the directory"
    with pytest.raises(DataError, match=told):
        train("sft", world.root, left)
    shutil.rmtree(newest.parent)
    train("sft", world.root, left)
    assert torch.isfinite(next(iter(weights(left).values()))).all()


def test_a_process_without_a_gpu_of_its_own_is_refused():
    """NCCL needs one for each; nobody here has several to train on."""
    ranks.check_gpus(here=1, gpus=2)
    with pytest.raises(SettingsError, match="Process 3 of this machine finds 2 GPUs; start one process for each"):
        ranks.check_gpus(here=2, gpus=2)


def test_what_several_ranks_cannot_do_is_refused_with_a_sentence(runs):
    first, second = read_json(runs / "refusals.json")
    layout = (
        "layout.kind = {} has been tested in one process only; set loop.processes = 1 and leave out torchrun, or "
        "choose separate."
    )
    expected = {
        "crew": "loop.processes is for a training without torchrun; set it to 1 with 2 ranks.",
        "wide": "2 processes are more than a step's micro-batches (1); start fewer, or lower loop.micro_tokens.",
        "muon": "Muon is not exact on weights that are cut; set muon_lr = 0 with several ranks.",
        "adapters": layout.format("adapters"),
        "shared": layout.format("shared_trunk"),
    }
    assert first == expected
    assert second == expected | {
        "different": "Process 1 was given another settings.seed than the first; start all with the same command "
        "and files."
    }
