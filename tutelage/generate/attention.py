"""Attention for one new token per row, without copying the key and value heads.

With a query of length 1, grouping the query heads by their key/value head makes attention two batched matrix products;
the library's kernel repeats keys and values instead. Shapes: B rows, H query heads, G key/value heads, T keys, D size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from tutelage.models.packing import NAME as STREAMS

NAME = "tutelage"


def attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """Return softmax(q k^T * scaling + mask) v as [B, queries, H, D]."""
    if query.shape[2] != 1 or kwargs.get("position_bias") is not None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    rows, heads, _, size = query.shape
    groups = key.shape[1]
    scaling = kwargs.get("scaling")
    query = query.reshape(rows, groups, heads // groups, size) * (size**-0.5 if scaling is None else scaling)
    scores = query @ key.transpose(-1, -2)
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
    return (weights @ value).reshape(rows, 1, heads, value.shape[-1]), None


AttentionInterface.register(NAME, attend)


@contextmanager
def attending(model: PreTrainedModel) -> Iterator[None]:
    """Let the model use `attend` inside the block, in place of the library's attention or that of training."""
    config = model.config
    before = config._attn_implementation
    if before not in ("sdpa", "eager", STREAMS):
        yield
        return
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before
