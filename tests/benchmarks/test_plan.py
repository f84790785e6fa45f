"""The benchmark of plans: trainings run, and what is measured is what is compared."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import plan

ROOT = Path(plan.__file__).parents[1]


@pytest.mark.parametrize(("stage", "layout"), [("sft", "separate"), ("ppo", "adapters")])
def test_the_smallest_trainings_are_planned_and_timed(stage, layout):
    found = plan.measured(stage, layout, "tiny", "time")
    assert found.case == f"{stage} {layout} tiny"
    assert found.planned_bytes > 0 and found.planned_seconds > 0 and found.measured_seconds > 0


def test_a_plan_stands_beside_what_was_allocated():
    found = plan.measured("reward", "shared_trunk", "tiny", "memory")
    # A tiny model is little beside what else is allocated; the sizes that count are in the log.
    assert 0.3 < found.planned_bytes / found.measured_bytes < 3


@pytest.mark.soak
def test_every_training_is_measured_in_processes_of_its_own(tmp_path):
    rows = tmp_path / "rows.json"
    command = [sys.executable, "-m", "benchmarks.plan", "--sizes", "tiny", "--layouts", "shared_trunk"]
    ended = subprocess.run([*command, "--stages", "reward", "--json", rows], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "reward shared_trunk tiny" in ended.stdout
    [row] = json.loads(rows.read_text())
    assert 0.3 < row["planned_bytes"] / row["measured_bytes"] < 3
    assert row["planned_seconds"] > 0 and row["measured_seconds"] > 0 and row["resident_bytes"] > 0


def test_the_highest_sum_is_what_was_held_at_once():
    import torch
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as log:
        for _ in range(3):
            block = torch.empty(250_000)
            del block
        kept = torch.empty(500_000)
        del kept
    assert plan._highest(log) == 2_000_000
