"""Checkpoints of a run: whole or not there, the last two kept, tensors as safetensors and the rest as JSON.

Every process writes what it holds of each tensor into a file of its own (torch.distributed.checkpoint). The files say
which part of which tensor they hold, so a checkpoint is read by any number of processes.
"""

from __future__ import annotations

import contextlib
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.optim import Optimizer

from tutelage.errors import DataError, UnavailableError
from tutelage.files import atomic_directory, disk_errors, read_json, write_json
from tutelage.models.distributed import size
from tutelage.train import ranks

KEEP = 2
STATE = "state.json"
#: Bytes of one file. The library makes a file twice over in memory before it writes it, beside the training itself.
FILE_BYTES = 128 << 20


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All tensors that a training must find again, by name; one process alone also has random states that go on."""

    models: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]
    average: Mapping[str, Tensor]
    device: torch.device

    def write(self, root: Path, step: int, state: Mapping[str, Any]) -> None:
        """Write the checkpoint of a step, then remove all but the newest `KEEP`; one that is there already stays."""
        tensors = self._weights() | _random(self.device)
        for name, optimizer in self.optimizers.items():
            tensors |= _prefixed(name, _optimizer_tensors(optimizer))
        path = root / f"step-{step:09d}"
        if not ranks.agreed(path.exists()):
            with _shared_directory(path) as part, _told(path):
                writer = HuggingFaceStorageWriter(str(part), _files(tensors), save_distributed=True)
                save(tensors, storage_writer=writer, no_dist=size() == 1)
                if ranks.is_first():
                    files = sorted(file.name for file in part.iterdir())
                    write_json(part / STATE, {**state, "files": files})
        if ranks.is_first():
            for old in _found(root)[:-KEEP]:
                shutil.rmtree(old)

    def read_latest(self, root: Path) -> dict[str, Any] | None:
        """Put the tensors of the newest checkpoint back and return its state; None where there is none."""
        path = _latest(root)
        if path is None:
            return None
        if not (path / STATE).is_file():
            raise DataError(f"The checkpoint {path} lacks {STATE}; copy it back, or delete the directory.")
        state = read_json(path / STATE)
        _check_files(path, state)
        with _told(path):
            reader = HuggingFaceStorageReader(str(path))
            kept = reader.read_metadata().state_dict_metadata
            # Where one process goes on for several or several for one, there is a state too many or one too few.
            random = {name: tensor for name, tensor in _random(self.device).items() if name in kept}
            moments = {name: _room(name, optimizer, kept) for name, optimizer in self.optimizers.items()}
            tensors = self._weights() | random
            for name, made in moments.items():
                tensors |= _prefixed(name, made)
            lost = {name for name in kept if not name.startswith("random/")} ^ (tensors.keys() - random.keys())
            assert not lost, f"the checkpoint {path} and the training differ in {sorted(lost)}"
            load(tensors, storage_reader=reader, no_dist=size() == 1)
        for name, optimizer in self.optimizers.items():
            _load_optimizer_tensors(optimizer, moments[name])
        if "random/cpu" in random:
            torch.set_rng_state(random["random/cpu"])
        if "random/cuda" in random:
            torch.cuda.set_rng_state(random["random/cuda"], self.device)
        return {name: value for name, value in state.items() if name != "files"}

    def _weights(self) -> dict[str, Tensor]:
        tensors = _prefixed("average", self.average)
        for name, model in self.models.items():
            tensors |= _prefixed(name, model_tensors(model))
        return tensors


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Name every tensor of a model once; tied weights appear under their first name."""
    seen: set[int] = set()
    named: dict[str, Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            named[name] = tensor.detach()
    return named


@torch.no_grad()
def load_model_tensors(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy tensors back into the model they came from."""
    own = model_tensors(model)
    assert own.keys() == tensors.keys(), f"checkpoint and model differ in {sorted(own.keys() ^ tensors.keys())}"
    for name, tensor in own.items():
        tensor.copy_(tensors[name])


def _files(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Number the file of each tensor from 1, so that a file of one process holds `FILE_BYTES` or a single tensor."""
    numbers: dict[str, int] = {}
    number, filled = 1, 0
    for name, tensor in tensors.items():
        share = tensor.nbytes // size()
        if filled and filled + share > FILE_BYTES:
            number, filled = number + 1, 0
        numbers[name], filled = number, filled + share
    return numbers


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def _random(device: torch.device) -> dict[str, Tensor]:
    """Name the random states of a process alone; ranks draw theirs anew at every step."""
    if size() > 1:
        return {}
    state = {"random/cpu": torch.get_rng_state()}
    return state | ({"random/cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Name the tensors of an optimizer's state by parameter number and kind."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{kind}": tensor for number, kinds in state.items() for kind, tensor in kinds.items()}


def _room(prefix: str, optimizer: Optimizer, kept: Mapping[str, Any]) -> dict[str, Tensor]:
    """Make room for an optimizer's tensors in a checkpoint: cut like its weights where they have a weight's shape."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    made: dict[str, Tensor] = {}
    for name, tensor in kept.items():
        if name.startswith(f"{prefix}/"):
            key = name.removeprefix(f"{prefix}/")
            weight = weights[int(key.split(".")[0])]
            is_like = tensor.size == weight.shape
            made[key] = torch.zeros_like(weight) if is_like else torch.zeros(tensor.size, dtype=tensor.properties.dtype)
    return made


def _load_optimizer_tensors(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put an optimizer's tensors back; learning rates are set by the loop at every step."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, kind = key.split(".")
        state.setdefault(int(number), {})[kind] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _latest(root: Path) -> Path | None:
    """Find the newest checkpoint; what a crash left half written is removed."""
    with ranks.in_turn():
        for torn in root.glob(".step-*"):
            shutil.rmtree(torn)
    return ranks.agreed(max(_found(root), default=None))


def _check_files(path: Path, state: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that is not whole: the library would read what is left of it as smaller tensors."""
    lost = [name for name in state.get("files", [f"a list of files in {STATE}"]) if not (path / name).is_file()]
    if lost:
        raise DataError(
            f"The checkpoint {path} lacks {lost[0]}; copy it back, or delete the directory to go on from another."
        )


def _found(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("step-*") if path.is_dir())


@contextlib.contextmanager
def _shared_directory(path: Path) -> Iterator[Path]:
    """Fill a directory from all ranks; the first makes it, and gives it its name when all are done."""
    with contextlib.ExitStack() as stack:
        made = str(stack.enter_context(atomic_directory(path))) if ranks.is_first() else ""
        part = Path(ranks.agreed(made))
        if not part.is_dir():
            raise UnavailableError(f"{path.parent} is another folder on another machine; choose one that all share.")
        yield part
        ranks.wait()
    ranks.wait()


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raise what a process met inside the library, and tell a damaged file or a full disk in a sentence."""
    with disk_errors(path), warnings.catch_warnings():
        # With one process there is no group, which is meant.
        warnings.filterwarnings("ignore", message="torch.distributed is disabled", category=UserWarning)
        try:
            yield
        except CheckpointException as error:
            raise next(iter(error.failures.values()))[0] from error
        except SafetensorError as error:
            raise DataError(f"A file of the checkpoint {path} is damaged ({error}); delete the directory.") from error
