"""The norms of a decoder's layers in bfloat16 training: one function each way instead of a chain of small ones.

The library normalises in fp32 and leaves fp32, which autocast then narrows again for every product that reads it, and
widens every gradient that comes back. Here what is read is narrowed once; the values are the same bits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

#: Norms that compute weight * x / sqrt(mean(x^2) + eps).
KNOWN = {f"{family}RMSNorm" for family in ("Llama", "Mistral", "Mixtral", "Qwen2", "Qwen3", "SmolLM3", "Phi3", "Olmo2")}


def narrow_norms(decoder: nn.Module) -> None:
    """Let the norms of the layers give what the products read; the last norm stays, for heads read it in fp32."""
    for module in getattr(decoder, "layers", nn.ModuleList()).modules():
        if type(module).__name__ in KNOWN:
            module.forward = Narrowed(module)


class Narrowed:
    """The forward of a norm: as it was, but for inputs in fp32 under autocast."""

    def __init__(self, norm: nn.Module) -> None:
        self.norm = norm

    def __call__(self, hidden: Tensor) -> Tensor:
        """Normalise [..., H]."""
        kind = hidden.device.type
        if hidden.dtype != torch.float32 or not torch.is_autocast_enabled(kind):
            return type(self.norm).forward(self.norm, hidden)  # type: ignore[no-any-return]
        eps, dtype = self.norm.variance_epsilon, torch.get_autocast_dtype(kind)
        normed: Tensor = _Norm.apply(hidden, self.norm.weight, eps, dtype)  # type: ignore[no-untyped-call]
        return normed


class _Norm(torch.autograd.Function):
    """With n = x / rms(x) and g = grad * weight: dx = (g - n mean(g n)) / rms(x), dweight = sum(grad n)."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
        rate = hidden.square().mean(-1, keepdim=True).add_(eps).rsqrt_()
        ctx.save_for_backward(hidden, weight, rate)
        return (hidden * rate).mul_(weight).to(dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, rate = ctx.saved_tensors
        normed, grad = hidden * rate, grads[0].to(hidden.dtype, copy=True)
        to_weight = None
        if ctx.needs_input_grad[1]:
            to_weight = (grad * normed).flatten(0, -2).sum(0)
        grad = grad.mul_(weight)
        along = torch.linalg.vecdot(grad, normed).unsqueeze(-1).div_(-hidden.shape[-1])
        return grad.addcmul_(normed, along).mul_(rate), to_weight, None, None
