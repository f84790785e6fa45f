"""Checkpoints of a run: whole or not there, the last two kept, tensors as safetensors and the rest as JSON."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from tutelage.files import atomic_directory, read_json, write_json

KEEP = 2


class Checkpoint(NamedTuple):
    """What a checkpoint holds: tensors by file name and name, and a JSON state."""

    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


def write(root: Path, step: int, checkpoint: Checkpoint) -> None:
    """Write the checkpoint of a step, then remove all but the newest `KEEP`; one that is there already stays."""
    path = root / f"step-{step:09d}"
    if not path.exists():
        with atomic_directory(path) as part:
            for name, tensors in checkpoint.tensors.items():
                save_file(
                    {key: tensor.detach().contiguous() for key, tensor in tensors.items()}, part / f"{name}.safetensors"
                )
            write_json(part / "state.json", checkpoint.state)
    for old in _found(root)[:-KEEP]:
        shutil.rmtree(old)


def read_latest(root: Path) -> Checkpoint | None:
    """Read the newest checkpoint, None where there is none; what a crash left half written is removed."""
    for torn in root.glob(".step-*"):
        shutil.rmtree(torn)
    found = _found(root)
    if not found:
        return None
    tensors = {path.stem: load_file(path) for path in sorted(found[-1].glob("*.safetensors"))}
    return Checkpoint(tensors, read_json(found[-1] / "state.json"))


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Name every tensor of a model once; tied weights appear under their first name."""
    seen: set[int] = set()
    named: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            named[name] = tensor
    return named


@torch.no_grad()
def load_model_tensors(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy tensors back into the model they came from."""
    own = model_tensors(model)
    assert own.keys() == tensors.keys(), f"checkpoint and model differ in {sorted(own.keys() ^ tensors.keys())}"
    for name, tensor in own.items():
        tensor.copy_(tensors[name])


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Name the tensors of an optimizer's state by parameter number and kind."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{kind}": tensor for number, kinds in state.items() for kind, tensor in kinds.items()}


def load_optimizer_tensors(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put an optimizer's tensors back; learning rates are set by the loop at every step."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, kind = key.split(".")
        state.setdefault(int(number), {})[kind] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _found(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("step-*") if path.is_dir())
