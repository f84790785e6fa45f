"""The optimizers of one model: AdamW for everything, or Muon for the matrices of its layers and AdamW for the rest."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn
from torch.optim import Optimizer

from tutelage.config import Settings


class Adam(Settings):
    """AdamW, as the paper's models were trained (appendix C); what it does not print is chosen here."""

    lr: float = Field(1e-3, ge=0)
    """Peak learning rate."""
    beta1: float = Field(0.9, ge=0, lt=1)
    """Decay of the mean gradient (paper, C)."""
    beta2: float = Field(0.95, ge=0, lt=1)
    """Decay of the mean squared gradient (paper, C)."""
    eps: float = Field(1e-8, gt=0)
    """Added to the root of the mean squared gradient (not in the paper)."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay (not in the paper)."""
    clip: float = Field(1.0, ge=0)
    """Largest norm of the gradient of one model; 0 switches clipping off (not in the paper)."""
    muon_lr: float = Field(0.0, ge=0)
    """Peak learning rate of Muon for the matrices of the layers; 0 trains them with AdamW as well. Muon (Jordan et al.,
    2024) orthogonalises a matrix's momentum, so that a small base learns from fewer tokens (not in the paper).
    """
    muon_skip: tuple[str, ...] = ()
    """Matrices that AdamW trains all the same: parts of their names, such as "layers.0.self_attn"."""


def _is_for_muon(name: str, adam: Adam) -> bool:
    return adam.muon_lr > 0 and ".layers." in name and not any(part in name for part in adam.muon_skip)


def make_optimizers(model: nn.Module, adam: Adam) -> list[Optimizer]:
    """Make the optimizers of a model; every group remembers its peak learning rate as `peak`."""
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    matrices = [weight for name, weight in named if weight.dim() == 2 and _is_for_muon(name, adam)]
    own = {id(weight) for weight in matrices}
    rest = [weight for _, weight in named if id(weight) not in own]
    made: list[Optimizer] = [
        torch.optim.AdamW(
            rest, lr=adam.lr, betas=(adam.beta1, adam.beta2), eps=adam.eps, weight_decay=adam.weight_decay, fused=True
        )
    ]
    if matrices:
        made.append(torch.optim.Muon(matrices, lr=adam.muon_lr, weight_decay=adam.weight_decay, momentum=0.95))
    for optimizer, peak in zip(made, (adam.lr, adam.muon_lr), strict=False):
        for group in optimizer.param_groups:
            group["peak"] = peak
    return made
