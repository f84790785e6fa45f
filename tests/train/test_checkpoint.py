"""What a checkpoint costs while it is written, and that many files hold what one would."""

import tracemalloc

import pytest
import torch
from torch import nn

from tutelage.train import checkpoint
from tutelage.train.checkpoint import Snapshot

MB = 1 << 20


def snapshot(seed):
    """16 weights of a quarter MB, and an average as large."""
    torch.manual_seed(seed)
    model = nn.ModuleList(nn.Linear(256, 256, bias=False) for _ in range(16))
    average = {f"{number}.weight": torch.randn(256, 256) for number in range(16)}
    return Snapshot(models={"policy": model}, optimizers={}, average=average, device=torch.device("cpu"))


@pytest.mark.usefixtures("small_files")
def test_writing_needs_the_memory_of_a_file_and_not_of_the_whole(tmp_path):
    made = snapshot(0)
    made.write(tmp_path, 0, {})  # what the library imports on its first call is none of this
    tracemalloc.start()
    made.write(tmp_path, 1, {})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(list((tmp_path / "step-000000001").glob("*.safetensors"))) == 9  # the random state comes last
    assert peak < 3 * MB  # of 8 MB


@pytest.mark.usefixtures("small_files")
def test_many_files_are_read_back(tmp_path):
    made, other = snapshot(0), snapshot(1)
    made.write(tmp_path, 3, {"step": 3})
    assert other.read_latest(tmp_path) == {"step": 3}
    for one, same in zip(made.models["policy"].parameters(), other.models["policy"].parameters(), strict=True):
        assert torch.equal(one, same)
    assert all(torch.equal(made.average[name], other.average[name]) for name in made.average)


@pytest.fixture
def small_files(monkeypatch):
    monkeypatch.setattr(checkpoint, "FILE_BYTES", MB)
