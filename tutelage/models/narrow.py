"""Weights in bfloat16 where nothing is lost by it: products that multiply in bfloat16 read them so anyway.

Autocast narrows the weights of every product each time it computes, and keeps the result only of those that are
trained; what is frozen is narrowed here once.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tutelage.models.adapters import is_lora

#: What a model computes in; auto is bf16 where the processor multiplies faster in it, else fp32.
Precision = Literal["fp32", "bf16", "auto"]


def is_bf16(precision: Precision) -> bool:
    """Say whether a setting means products in bfloat16 on this machine's processor."""
    if precision != "auto":
        return precision == "bf16"
    return is_faster_in_bf16(torch.cpu.get_capabilities())


def is_faster_in_bf16(capabilities: Mapping[str, Any]) -> bool:
    """Say whether a processor of these capabilities multiplies faster in bfloat16 than in fp32.

    Tiles do, and AVX-512 does on AMD; on Intel it has instructions for bf16 that take twice as long (docs/log.md). The
    name decides and not a measurement, so that the same machine always computes the same bits.
    """
    if capabilities.get("amx_bf16"):
        return True
    return bool(capabilities.get("avx512_bf16")) and not str(capabilities.get("cpu_name", "")).startswith("Intel")


@torch.no_grad()
def narrowed(model: PreTrainedModel) -> PreTrainedModel:
    """Copy a model in bfloat16 to sample from, adapters in force merged: plain layers that the engine knows."""
    put: dict[int, Any] = {}
    loras: list[Any] = [part for part in model.modules() if is_lora(part)]
    for lora in loras:
        linear = lora.get_base_layer()
        names = [] if lora.disable_adapters else [name for name in lora.active_adapters if name in lora.lora_A]
        weight = linear.weight.float() + sum(lora.get_delta_weight(name).float() for name in names)
        plain: Any = nn.Linear(linear.in_features, linear.out_features, bias=False, device="meta")
        plain.weight = _narrow(weight)
        plain.bias = None if linear.bias is None else _narrow(linear.bias)
        put[id(lora)] = plain
    for one in model.parameters():
        put[id(one)] = _narrow(one)
    return copy.deepcopy(model, put)


def _narrow(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight.detach().to(torch.bfloat16), requires_grad=False)


@torch.no_grad()
def narrow_frozen(stack: nn.Module) -> None:
    """Narrow the frozen linear layers of a stack in place. Under autocast it computes the same bits as before."""
    for part in stack.modules():
        if isinstance(part, nn.Linear) and not part.weight.requires_grad:
            part.weight = _narrow(part.weight)
            part.bias = None if part.bias is None else _narrow(part.bias)
