"""Log-probabilities of chosen tokens and entropy of next-token distributions, in fp32 or better."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


def _wide(x: Tensor) -> Tensor:
    """Raise half precision to fp32; leave fp32 and fp64 as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def token_logprobs(logits: Tensor, ids: Tensor) -> Tensor:
    """Give log p(ids[t] | logits[t]) = logits[t, id] - logsumexp(logits[t]): [..., T] from [..., T, V] and [..., T].

    The caller aligns: to score the token at position t + 1, pass the logits of position t.
    """
    assert logits.shape[:-1] == ids.shape, f"logits {tuple(logits.shape)} do not fit ids {tuple(ids.shape)}"
    wide = _wide(logits)
    return wide.gather(-1, ids.unsqueeze(-1)).squeeze(-1) - wide.logsumexp(-1)


def entropy(logits: Tensor) -> Tensor:
    """Give -sum_v p_v log p_v in nats: [...] from [..., V]. A logit of -inf is an impossible token and adds 0."""
    return _entropy(_wide(logits).log_softmax(-1))


def _entropy(logp: Tensor) -> Tensor:
    return -(logp.exp() * logp.clamp(min=torch.finfo(logp.dtype).min)).sum(-1)


class Scored(NamedTuple):
    """Log-probability of each chosen token and entropy of its distribution (nats), both [N], fp32 or better; the
    entropy is [0] where it was not asked for.
    """

    logprobs: Tensor
    entropy: Tensor


def chunked_logprobs(
    hidden: Tensor, weight: Tensor, ids: Tensor, chunk: int = 1024, *, with_entropy: bool = True
) -> Scored:
    """Score `ids` [N] under softmax(hidden @ weight.T) without ever holding more than [chunk, V] logits.

    `hidden` [N, H] are the last hidden states of the positions that count and `weight` [V, H] is the output
    embedding. The backward pass computes each chunk's logits again, unless there is but one. The entropy is for
    logging: no gradient flows through it. A row whose log-probability gets gradient 0 adds exactly 0 to every
    gradient, even if it is not finite.
    """
    assert hidden.shape[:1] == ids.shape, f"hidden {tuple(hidden.shape)} does not fit ids {tuple(ids.shape)}"
    assert chunk > 0, f"chunk must be positive, not {chunk}"
    return Scored(*_ChunkedLogprobs.apply(hidden, weight, ids, chunk, with_entropy))  # type: ignore[no-untyped-call]


def _compute_dtype(hidden: Tensor) -> torch.dtype:
    """Choose the dtype of the matrix products: autocast's where it is on, else that of the hidden states."""
    kind = hidden.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype


class _ChunkedLogprobs(torch.autograd.Function):
    """d log p(id) / d logits_v = [v = id] - p_v, so only the hidden states and the matrix need to be kept."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, ids: Tensor, chunk: int, with_entropy: bool
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(hidden, weight, ids)
        ctx.chunk, ctx.dtype, ctx.kept = chunk, _compute_dtype(hidden), None
        chosen, spreads = [], [hidden.new_zeros(0, dtype=torch.promote_types(hidden.dtype, torch.float32))]
        with torch.autocast(hidden.device.type, enabled=False):
            matrix = weight.to(ctx.dtype)
            for part, rows in zip(torch.split(hidden, chunk), torch.split(ids, chunk), strict=True):
                logp = _wide(functional.linear(part.to(ctx.dtype), matrix)).log_softmax(-1)
                chosen.append(logp.gather(-1, rows.unsqueeze(-1)).squeeze(-1))
                if with_entropy:
                    spreads.append(_entropy(logp))
        if len(chosen) == 1 and any(ctx.needs_input_grad):
            ctx.kept = logp
        spread = torch.cat(spreads)
        ctx.mark_non_differentiable(spread)
        return torch.cat(chosen), spread

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, ids = ctx.saved_tensors
        matrix = weight.to(ctx.dtype)
        to_hidden = torch.zeros_like(hidden) if ctx.needs_input_grad[0] else None
        to_weight = torch.zeros_like(_wide(weight)) if ctx.needs_input_grad[1] else None
        for start in range(0, len(ids), ctx.chunk):
            rows = slice(start, start + ctx.chunk)
            grad = grads[0][rows].unsqueeze(-1)
            part = torch.where(grad != 0, hidden[rows].to(ctx.dtype), 0)
            if ctx.kept is None:
                to_logits = _wide(functional.linear(part, matrix)).softmax(-1).mul_(-grad)
            else:
                to_logits = torch.where(grad != 0, ctx.kept, 0).exp_().mul_(-grad)
            to_logits.scatter_add_(-1, ids[rows].unsqueeze(-1), grad)
            narrow = to_logits.to(ctx.dtype)
            if to_hidden is not None:
                to_hidden[rows] = narrow @ matrix
            if to_weight is not None:
                to_weight += narrow.mT @ part
        return to_hidden, None if to_weight is None else to_weight.to(weight.dtype), None, None, None
