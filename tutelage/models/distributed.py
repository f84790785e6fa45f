"""Models cut over the processes of a training: each holds a share of every weight (FSDP2, `fully_shard`).

A layer is gathered when it computes and dropped again. What lies outside the layers (embedding, output layer, which may
be one and the same weight, last norm, scalar head) is one group, gathered around all that reads it: chunked
log-probabilities, scalar heads and shared prompts read these weights without calling the module that owns them, so the
work as a whole runs inside the forward pass of a root module. With one process nothing is cut and nothing happens.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

T = TypeVar("T")
#: Where a model that is cut keeps its root: beside its submodules, for a module must not contain itself.
ROOT = "_root"


def number() -> int:
    """Give the number of this process, from 0."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def size() -> int:
    """Count the processes of this training."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


class Root(nn.Module):
    """The forward pass that work with a model runs inside."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        # The model without its weights, to put whole ones in: what is cut cannot be copied.
        self.skeleton = [_with_weights(model, [torch.empty_like(weight, device="meta") for weight in _weights(model)])]

    def forward(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do the work."""
        return work(*arguments)


def shard(model: nn.Module) -> None:
    """Cut a model in place, before anything refers to its weights; every process must hold the same model."""
    if size() == 1:
        return
    root = Root(model)
    mesh = init_device_mesh(next(model.parameters()).device.type, (size(),))
    for part in (*_layers(model), root):
        fully_shard(part, mesh=mesh)
        assert isinstance(part, FSDPModule)
        # Weights sum to 1 over all processes, so gradients are added up and not averaged.
        part.set_gradient_divide_factor(1.0)
        part.set_force_sum_reduction_for_comms(True)
    model.__dict__[ROOT] = root


def inside(models: Sequence[nn.Module], work: Callable[..., T], *arguments: Any) -> T:
    """Do work that reads the weights of some models. All processes do the same number of passes at the same time."""
    roots = [model.__dict__[ROOT] for model in models if ROOT in model.__dict__]
    for root in roots:
        work = functools.partial(root, work)
    found = work(*arguments)
    if not torch.is_grad_enabled():
        # Without a backward pass nothing else lets go of what was gathered.
        for root in roots:
            root.reshard()
    return found


@torch.no_grad()
def whole(model: nn.Module) -> Any:
    """Give a model with whole weights: itself where it is not cut, else a copy, made by all processes together."""
    if ROOT not in model.__dict__:
        return model
    return _with_weights(model.__dict__[ROOT].skeleton[0], [full(weight) for weight in _weights(model)])


def local(tensor: Tensor) -> Tensor:
    """Give this process's share of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def full(tensor: Tensor) -> Tensor:
    """Give a whole tensor; all processes must ask for it together."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _weights(model: nn.Module) -> list[nn.Parameter]:
    return list(model.parameters())


def _with_weights(model: nn.Module, weights: Sequence[Tensor]) -> nn.Module:
    """Copy a model with other weights in place of its own; tied ones stay tied."""
    put = {id(old): nn.Parameter(new, requires_grad=False) for old, new in zip(_weights(model), weights, strict=True)}
    return copy.deepcopy(model, put)


def _layers(model: nn.Module) -> list[nn.Module]:
    """Find the modules that the library says must stay in one piece: the layers."""
    names = {
        name for part in model.modules() if isinstance(part, PreTrainedModel) for name in (part._no_split_modules or ())
    }
    return [part for part in model.modules() if type(part).__name__ in names]
