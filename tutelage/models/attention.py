"""Attention for training: rows inside a stream, and in bfloat16 on processors plain products.

Products need no copies of the key and value heads. The library's fused kernel for processors gains nothing from
bfloat16 and spends most of its time in the backward pass; in fp32 it is as fast as products, and is used. Here the
queries that share a key head are rows of one product, the weights are kept for the backward pass, and softmax reads and
writes the dtype of the products while it sums in fp32.

`B` rows, `H` query heads, `G` key heads, `T` positions, `D` size of a head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from tutelage.models.packing import NAME, Layout, layout_of, mask_of, move, run, stream_of
from tutelage.models.tree_attention import attend_tree

#: Rows longer than this would keep too many weights: 2 H T^2 bytes a row and layer in bfloat16.
LONGEST = 2048


def attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """Give softmax(q k^T scaling + mask) v as [B, T, H, D] from [B, H, T, D] and [B, G, T, D].

    `attention_mask` [B, 1, T, T] is True where one may look; without one, rows are causal. With a layout in its place,
    there is one row, a stream of S tokens, and `B` rows are inside it.
    """
    if layout_of(attention_mask) is not None:
        return _attend_stream(module, query, key, value, attention_mask, **kwargs), None
    length, size = query.shape[2:]
    dtype = _computed(query, kwargs)
    if dtype != torch.bfloat16 or key.shape[2] != length or length > LONGEST:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    scaling = kwargs.get("scaling")
    bias = _bias(attention_mask, length, dtype, query.device)
    out: Tensor = _Attention.apply(query, key, value, bias, size**-0.5 if scaling is None else scaling)  # type: ignore[no-untyped-call]
    return out.transpose(1, 2), None


def _computed(query: Tensor, kwargs: dict[str, Any]) -> torch.dtype | None:
    """Give the dtype in which plain products can compute this attention; None where only the library's kernel can."""
    kind = query.device.type
    has_extras = kwargs.get("dropout") or kwargs.get("position_bias") is not None or kwargs.get("softcap") is not None
    if kind != "cpu" or has_extras:
        return None
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else query.dtype


def _attend_stream(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, handle: Any, **kwargs: Any) -> Tensor:
    """Attend in each row of a stream: [1, S, H, D]. What is padded for that lives no longer than this."""
    layout: Layout = handle.rows_inside
    dtype, window, tree = _computed(query, kwargs), kwargs.get("sliding_window"), layout.tree
    streams = [tensor[0].transpose(0, 1).to(dtype or tensor.dtype) for tensor in (query, key, value)]
    if dtype is not None and window is None and tree is not None and max(tree.shape[1:]) <= LONGEST:
        asked, kept, read = streams
        return attend_tree(asked, kept, read, tree, kwargs.get("scaling") or query.shape[-1] ** -0.5).unsqueeze(0)
    cells, is_full = layout.rows * layout.width, len(layout.cells) == layout.rows * layout.width
    to = None if is_full else layout.cells
    query, key, value = (
        move(stream, None, to, cells).unflatten(0, (layout.rows, layout.width)).transpose(1, 2) for stream in streams
    )
    out, _ = attend(module, query, key, value, mask_of(handle, window), **kwargs)
    return move(out.flatten(0, 1), to, None, cells).unsqueeze(0)


def _bias(mask: Tensor | None, length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Give what is added to the scores, 0 or -inf: [T, T], or [B, 1, 1, T, T] for a mask."""
    if mask is None:
        return torch.full((length, length), float("-inf"), dtype=dtype, device=device).triu_(1)
    if mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape, dtype=dtype, device=device).masked_fill_(~mask, float("-inf"))
    return mask.to(dtype).unsqueeze(2)


class _Attention(torch.autograd.Function):
    """The weights P = softmax(S) are kept; dS = P (dP - sum(dP P)) as for any softmax."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, scaling: float) -> Tensor:
        rows, heads, length, size = query.shape
        groups, dtype = key.shape[1], bias.dtype
        ctx.dtypes, ctx.scaling = (query.dtype, key.dtype, value.dtype), scaling
        with torch.autocast(query.device.type, enabled=False):
            # The queries of a key head follow each other: [B, G, H/G T, D].
            asked = _dense(query, dtype).mul_(scaling).view(rows, groups, -1, size)
            kept, read = _dense(key, dtype), _dense(value, dtype)
            scores = asked @ kept.mT
            scores.view(rows, groups, -1, length, length).add_(bias)
            weights = scores.softmax(-1)
            ctx.save_for_backward(asked, kept, read, weights)
            return (weights @ read).view(rows, heads, length, size)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        asked, kept, read, weights = ctx.saved_tensors
        heads = grads[0].shape[1]
        grad = _dense(grads[0], asked.dtype).view(asked.shape)
        to_read = weights.mT @ grad
        to_scores = torch._softmax_backward_data(grad @ read.mT, weights, -1, weights.dtype)
        to_asked = (to_scores @ kept).mul_(ctx.scaling).view(len(asked), heads, -1, asked.shape[-1])
        to_kept = to_scores.mT @ asked  # the scaling is in what was asked
        found = zip((to_asked, to_kept, to_read), ctx.dtypes, strict=True)
        return *(gradient.to(dtype) for gradient, dtype in found), None, None


def _dense(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Copy to a contiguous tensor of a dtype in one pass."""
    return torch.empty(tensor.shape, dtype=dtype, device=tensor.device).copy_(tensor)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)


def compute_streams(decoder: nn.Module) -> None:
    """Let a stack of layers that would use the library's fused attention compute streams, if it can.

    Whether it can is tried: layers that mix tokens in another way than by attention would mix rows.
    """
    stacks = [module for module in decoder.modules() if isinstance(module, PreTrainedModel)]
    if not all(stack._supports_attention_backend for stack in stacks):
        return
    # Layers may come from another model than the stack that they are in, and then have its settings.
    found: list[Any] = [module.config for module in decoder.modules() if hasattr(module, "config")]
    configs = {id(config): config for config in found}.values()
    before = [getattr(config, "_attn_implementation", None) for config in configs]
    if not {"sdpa", NAME} >= set(before) or not all(map(_is_plain, configs)):
        return
    expected = _probe(decoder)
    for config in configs:
        config._attn_implementation = NAME
    if not torch.allclose(_probe(decoder), expected, rtol=0.01, atol=0.01 * float(expected.abs().max())):
        for config, name in zip(configs, before, strict=True):
            config._attn_implementation = name


def _is_plain(config: Any) -> bool:
    """Say whether layers look at all that came before, or at a window of it, and at nothing else."""
    return {"full_attention", "sliding_attention"} >= set(getattr(config, "layer_types", None) or ())


@torch.no_grad()
def _probe(decoder: Any) -> Tensor:
    """Compute two short rows of different lengths: [1, S, H]."""
    ids = [number % decoder.config.vocab_size for number in range(1, 8)]
    weight = decoder.get_input_embeddings().weight
    return run(decoder, stream_of([ids[:3], ids[3:]])[0].to(weight.device))
