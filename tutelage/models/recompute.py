"""Gradient checkpointing: a layer's activations are not kept but computed again in the backward pass.

Transformers' own switch works in training mode only, and takes the cache away from sampling. Here dropout is off and
the policy samples between its updates, so a layer recomputes whenever gradients are recorded, and never otherwise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tutelage.errors import InvariantError, SettingsError


def nothing() -> None:
    """Say that a layer computes in one way only."""


def recompute_layers(decoder: nn.Module, way: Callable[[], object] = nothing) -> None:
    """Let every layer of a decoder be computed again in the backward pass (Chen et al. 2016, arXiv 1604.06174).

    `way` tells how the layers compute at present, such as the adapter in force; it must be the same again in the
    backward pass, or the gradient would be lost without a word.
    """
    layers = getattr(decoder, "layers", None)
    if not layers:
        raise SettingsError(
            f"loop.gradient_checkpointing is not known for {type(decoder).__name__}, which has no list of layers; "
            "switch it off."
        )
    for layer in layers:
        layer.forward = Recomputed(layer, way)


class Recomputed:
    """The forward of a layer, computed twice where gradients are recorded. Hooks of the layer stay outside."""

    def __init__(self, layer: nn.Module, way: Callable[[], object]) -> None:
        self.layer, self.way = layer, way

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the layer, keeping its inputs only."""
        run = functools.partial(type(self.layer).forward, self.layer, *args, **kwargs)
        if not torch.is_grad_enabled():
            return run()
        return checkpoint(functools.partial(self._again, run, self.way()), use_reentrant=False)

    def _again(self, run: Callable[[], Any], way: object) -> Any:
        if self.way() != way:
            raise InvariantError(
                f"A layer ran with {way} and is computed again with {self.way()}; end a role's backward pass before "
                "another role computes."
            )
        return run()
