"""`tutelage train ... --nproc 2`: the processes write once, stop together, and leave nobody behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.test_training import SMALL, examples
from tutelage.runs import Run

__all__ = ["examples"]
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
TWO = ("--nproc", "2", "--set=loop.micro_tokens=32", "--set=epochs=1.0", "--set=dropout=0.0")


@pytest.fixture
def started(tmp_path):
    """Give a function that starts the program in the test's folder."""

    def start(*arguments):
        command = [sys.executable, "-W", "error", "-m", "tutelage.cli", *map(str, arguments)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True)

    return start


def children(pid):
    """List the processes that a process started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return sorted(found)


def wait_for(happened):
    """Wait up to a minute."""
    for _ in range(1200):
        if found := happened():
            return found
        time.sleep(0.05)
    raise AssertionError("nothing happened for a minute")


def test_a_number_of_processes_that_makes_no_sense_is_refused(refused, examples, world):
    told = refused("train", "sft", "runs/sft", "--init", world.policy, "--data", examples, "--nproc", "0")
    assert "--nproc" in told
    assert "greater than or equal to 1" in told
    assert not Path("runs").exists()


def test_two_processes_make_one_model_from_nothing_and_tell_it_once(started, world, tmp_path):
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": text}) + "\n" for text in world.texts))
    ended = started("train", "pretrain", "runs/base", "--texts", texts, "--threads", "1", "--nproc", "2",
                    "--set=vocabulary=280", "--set=shape.hidden=16", "--set=shape.layers=1", "--set=shape.heads=2",
                    "--set=pretrain.tokens=512", "--set=pretrain.row_tokens=16", "--set=pretrain.batch_rows=16",
                    "--set=pretrain.loop.micro_tokens=64")  # fmt: skip
    told, warned = ended.communicate()
    assert ended.returncode == 0, warned
    assert told.count("Model: runs/base/model") == told.count("last metric") == 1
    run = Run.open(tmp_path / "runs" / "base")
    assert run.is_finished
    assert run.record["platform"]["ranks"] == 2
    assert [row["step"] for row in run.read_metrics()] == [1, 2]


def test_processes_that_die_take_the_others_with_them_and_the_command_goes_on(started, world, examples, tmp_path):
    command = ("train", "sft", "runs/sft", "--init", world.policy, "--data", examples, *SMALL, *TWO,
               "--set=epochs=5000.0", "--set=loop.checkpoint_every=5")  # fmt: skip
    metrics = tmp_path / "runs" / "sft" / "metrics.jsonl"
    launcher = started(*command)
    wait_for(lambda: metrics.exists() or launcher.poll() is not None)
    first, second = children(launcher.pid)
    os.kill(second, signal.SIGKILL)
    told = launcher.communicate()[1]
    assert launcher.returncode == 2
    assert "Traceback" not in told
    assert told.endswith("was ended by SIGKILL, so all were; give the command again, and it goes on.\n")
    assert not Path(f"/proc/{first}").exists()

    reached = len(metrics.read_text().splitlines())
    launcher = started(*command)
    wait_for(lambda: len(metrics.read_text().splitlines()) > reached or launcher.poll() is not None)
    ranks = children(launcher.pid)
    assert len(ranks) == 2
    launcher.kill()
    launcher.communicate()
    wait_for(lambda: not any(Path(f"/proc/{rank}").exists() for rank in ranks))
    assert not Run.open(tmp_path / "runs" / "sft").is_finished


ONE_FAILS = """
from tutelage.cli import processes
from tutelage.errors import InvariantError, UserError
from tutelage.train import ranks

def work():
    if not ranks.is_first():
        raise InvariantError("The second process found a mistake; mend it.")
    ranks.wait()

try:
    processes.run_as_rank(["train"], work)
except UserError as error:
    raise SystemExit(f"told: {error}")
"""


def test_when_one_process_fails_only_its_sentence_is_told(tmp_path):
    command = [sys.executable, "-W", "error", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
               "--no-python", sys.executable, "-c", ONE_FAILS]  # fmt: skip
    ended = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert ended.returncode != 0
    said = [line for line in ended.stderr.splitlines() if line.startswith("told: ") or "gloo" in line]
    assert said == ["told: The second process found a mistake; mend it."]


def test_torchrun_starts_trainings_only(tmp_path):
    environment = ENVIRONMENT | {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2"}
    command = [sys.executable, "-m", "tutelage.cli", "doctor"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr == "torchrun can start `tutelage train` only; give other commands without it.\n"
