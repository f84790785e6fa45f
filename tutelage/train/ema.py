"""The average of a policy's weights, which is what the paper exports (C.4)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tutelage.train.checkpoint import model_tensors


class Ema:
    """An average of a model's weights in fp32: shadow <- d shadow + (1 - d) weights, once per optimizer step.

    In half precision a step would be lost in rounding; with d = 0.992 the average would never move.
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
        torch._foreach_lerp_(
            self.shadow, [w.to(s.dtype) for w, s in zip(self._weights, self.shadow, strict=True)], 1 - self.decay
        )

    def tensors(self) -> dict[str, Tensor]:
        """Name the average's tensors as those of the model."""
        return dict(zip(self.names, self.shadow, strict=True))

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from `tensors`."""
        for name, shadow in zip(self.names, self.shadow, strict=True):
            shadow.copy_(tensors[name])
