"""The average of a policy's weights, which is what the paper exports (C.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tutelage.models.distributed import local
from tutelage.train.checkpoint import model_tensors


class Ema:
    """An average of a model's weights in fp32: shadow <- d shadow + (1 - d) weights, once per optimizer step.

    In half precision a step would be lost in rounding; with d = 0.992 the average would never move. Of a model that is
    cut, each process averages its share.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._weights = list(model_tensors(model).values())
        self.names = list(model_tensors(model))
        self.shadow = [
            weight.detach().to(torch.promote_types(weight.dtype, torch.float32), copy=True) for weight in self._weights
        ]

    @torch.no_grad()
    def update(self) -> None:
        """Move a step towards the weights."""
        shadow = [local(tensor) for tensor in self.shadow]
        weights = [local(weight).to(own.dtype) for weight, own in zip(self._weights, shadow, strict=True)]
        torch._foreach_lerp_(shadow, weights, 1 - self.decay)

    def tensors(self) -> dict[str, Tensor]:
        """Name the average's tensors as those of the model."""
        return dict(zip(self.names, self.shadow, strict=True))
