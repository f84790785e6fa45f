"""How large a model is, counted on one without storage: weights, and the widths that activations and caches have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig, PretrainedConfig

from tutelage.errors import DataError
from tutelage.models.load import Shape, read_config


class Product(NamedTuple):
    """A matrix product of a layer: the module that it belongs to, its name there, and its widths."""

    owner: str
    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Counts of a causal language model: its weights, those of one layer, and its widths.

    `weights` counts tied ones once; `trunk` leaves out an output layer of its own, which scalar models do not have.
    `products` are the linear layers in one layer, which adapters fit.
    """

    weights: int
    trunk: int
    layer: int
    layers: int
    hidden: int
    feedforward: int
    heads: int
    kv_heads: int
    head_width: int
    vocabulary: int
    context: int
    products: tuple[Product, ...]

    @property
    def outside(self) -> int:
        """Count the weights that belong to no layer: embedding, last norm, an output layer of its own."""
        return self.weights - self.layers * self.layer

    @property
    def embedding(self) -> int:
        """Count the weights of the embedding."""
        return self.vocabulary * self.hidden

    @property
    def is_tied(self) -> bool:
        """Say whether the output layer is the embedding."""
        return self.weights == self.trunk


def size_of_shape(shape: Shape, vocabulary: int) -> Size:
    """Size a model that would be made of a shape."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.feedforward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.context,
        attention_bias=shape.looks_back,
        tie_word_embeddings=True,
    )
    return size_of(config)


def size_of_directory(path: Path) -> Size:
    """Size a model from its config.json; its weights are not read and need not be there."""
    return size_of(read_config(path))


def size_of(config: PretrainedConfig) -> Size:
    """Build the model without storage and count."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    count = config.num_hidden_layers
    stacks = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module) == count]
    if not stacks:
        raise DataError(
            f"A {config.model_type} model has no list of {count} layers to plan with; use a Llama-like one."
        )
    heads = config.num_attention_heads
    return Size(
        weights=_count(model),
        trunk=_count(model.get_decoder()),
        layer=_count(stacks[0][0]),
        layers=count,
        hidden=config.hidden_size,
        feedforward=getattr(config, "intermediate_size", None) or 4 * config.hidden_size,
        heads=heads,
        kv_heads=getattr(config, "num_key_value_heads", None) or heads,
        head_width=getattr(config, "head_dim", None) or config.hidden_size // heads,
        vocabulary=config.vocab_size,
        context=config.max_position_embeddings,
        products=tuple(
            Product(*_split(path), part.in_features, part.out_features)
            for path, part in stacks[0][0].named_modules()
            if isinstance(part, nn.Linear)
        ),
    )


def _split(path: str) -> tuple[str, str]:
    owner, _, name = path.rpartition(".")
    return owner, name


def _count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())
