"""Attention of completions that share a prompt, in products without a mask over all pairs of tokens.

The K completions of a prompt look at it in one product, and each looks at itself. Of 400 + 9 x 100 tokens, a dense mask
over one row would compute 1.7 million looks where 0.6 million are wanted.

`B` prompts, `P` their tokens, `K` completions of `R` tokens each, `H` query heads, `G` key heads, `D` size of a head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tutelage.models.packing import Tree, move


def attend_tree(query: Tensor, key: Tensor, value: Tensor, tree: Tree, scaling: float) -> Tensor:
    """Give what the tokens of a stream see: [S, H, D] from [S, H, D] and [S, G, D], all in one dtype."""
    rows, prompt, count, longest = tree.shape

    def stems(stream: Tensor) -> Tensor:
        return move(stream, tree.stems, tree.stem_cells, rows * prompt).unflatten(0, (rows, prompt))

    def leaves(stream: Tensor) -> Tensor:
        return move(stream, tree.leaves, tree.leaf_cells, rows * count * longest).unflatten(0, (rows, count, longest))

    kept, read = stems(key), stems(value)
    first = stems(query).unsqueeze(1)
    of_prompts = _Seen.apply(first, kept[:, :0], read[:, :0], kept.unsqueeze(1), read.unsqueeze(1), None, scaling)  # type: ignore[no-untyped-call]
    lengths = tree.tokens if bool((tree.tokens < prompt).any()) else None
    of_leaves = _Seen.apply(leaves(query), kept, read, leaves(key), leaves(value), lengths, scaling)  # type: ignore[no-untyped-call]
    both = torch.cat([of_prompts.flatten(0, 2), of_leaves.flatten(0, 2)])
    source = torch.cat([tree.stem_cells, tree.leaf_cells + rows * prompt])
    return move(both, source, torch.cat([tree.stems, tree.leaves]), len(query))


class _Seen(torch.autograd.Function):
    """softmax([q kp^T, q kc^T causal]) [vp; vc]: every token of a completion sees its prompt and its own past."""

    @staticmethod
    def forward(  # noqa: PLR0913 - autograd wants every tensor by itself
        ctx: Any,
        query: Tensor,
        prompt_key: Tensor,
        prompt_value: Tensor,
        key: Tensor,
        value: Tensor,
        lengths: Tensor | None,
        scaling: float,
    ) -> Tensor:
        rows, count, longest, heads, size = query.shape
        groups = key.shape[3]
        ctx.scaling, ctx.prompt = scaling, prompt_key.shape[1]
        with torch.autocast(query.device.type, enabled=False):
            asked = _by_head(query, groups).mul_(scaling)
            kept, read = (tensor.transpose(1, 2).contiguous() for tensor in (prompt_key, prompt_value))
            own, own_read = (tensor.permute(0, 3, 1, 2, 4).contiguous() for tensor in (key, value))
            to_prompt = (asked.flatten(2, 3) @ kept.mT).unflatten(2, (count, -1))
            if lengths is not None:
                beyond = torch.arange(ctx.prompt, device=query.device) >= lengths.unsqueeze(-1)
                to_prompt.masked_fill_(beyond.view(rows, 1, 1, 1, -1), float("-inf"))
            to_own = asked @ own.mT
            future = torch.full((longest, longest), float("-inf"), dtype=query.dtype, device=query.device).triu_(1)
            to_own.view(rows, groups, count, -1, longest, longest).add_(future)
            weights = torch.cat([to_prompt, to_own], -1).softmax(-1)
            ctx.save_for_backward(asked, kept, read, own, own_read, weights)
            first, second = _split(weights, ctx.prompt)
            seen = second @ own_read
            if ctx.prompt:
                seen += (first.flatten(2, 3) @ read).view_as(seen)
        return _by_token(seen, heads)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        asked, kept, read, own, own_read, weights = ctx.saved_tensors
        rows, groups, count, _, size = asked.shape
        heads = grads[0].shape[3]
        grad = _by_head(grads[0], groups)
        first, second = _split(weights, ctx.prompt)
        to_read = first.flatten(2, 3).mT @ grad.flatten(2, 3)
        to_own_read = second.mT @ grad
        to_weights = torch.cat([(grad.flatten(2, 3) @ read.mT).unflatten(2, (count, -1)), grad @ own_read.mT], -1)
        to_scores = torch._softmax_backward_data(to_weights, weights, -1, weights.dtype)
        first, second = _split(to_scores, ctx.prompt)
        to_asked = second @ own
        if ctx.prompt:
            to_asked += (first.flatten(2, 3) @ kept).view_as(to_asked)
        to_kept = first.flatten(2, 3).mT @ asked.flatten(2, 3)  # the scaling is in what was asked
        to_own = second.mT @ asked
        return (
            _by_token(to_asked.mul_(ctx.scaling), heads),
            to_kept.transpose(1, 2),
            to_read.transpose(1, 2),
            to_own.permute(0, 2, 3, 1, 4),
            to_own_read.permute(0, 2, 3, 1, 4),
            None,
            None,
        )


def _by_head(query: Tensor, groups: int) -> Tensor:
    """Put the queries that share a key head together: [B, G, K, H/G R, D] from [B, K, R, H, D], copied."""
    rows, count, longest, heads, size = query.shape
    split = query.view(rows, count, longest, groups, heads // groups, size).permute(0, 3, 1, 4, 2, 5)
    return split.clone(memory_format=torch.contiguous_format).view(rows, groups, count, -1, size)


def _by_token(seen: Tensor, heads: int) -> Tensor:
    """Undo `_by_head`, as a view."""
    rows, groups, count, _, size = seen.shape
    split = seen.view(rows, groups, count, heads // groups, -1, size).permute(0, 2, 4, 1, 3, 5)
    return split.flatten(3, 4)


def _split(weights: Tensor, prompt: int) -> tuple[Tensor, Tensor]:
    """Cut [..., P + R] in two, dense both."""
    return weights[..., :prompt].contiguous(), weights[..., prompt:].contiguous()
