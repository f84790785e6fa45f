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
    embedding. The backward pass computes each chunk's logits again, unless there is but one, or the matrix is frozen:
    then each row's gradient is known up to a factor in the forward pass, [N, H]. The entropy is for logging: no
    gradient flows through it. A row whose log-probability gets gradient 0 adds exactly 0 to every gradient, even if it
    is not finite.
    """
    assert hidden.shape[:1] == ids.shape, f"hidden {tuple(hidden.shape)} does not fit ids {tuple(ids.shape)}"
    assert chunk > 0, f"chunk must be positive, not {chunk}"
    return Scored(*_ChunkedLogprobs.apply(hidden, weight, ids, chunk, with_entropy))  # type: ignore[no-untyped-call]


def _compute_dtype(hidden: Tensor) -> torch.dtype:
    """Choose the dtype of the matrix products: autocast's where it is on, else that of the hidden states."""
    kind = hidden.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype


class _ChunkedLogprobs(torch.autograd.Function):
    """d log p(id) / d logits_v = [v = id] - p_v, so only the hidden states and the matrix need to be kept.

    Of a frozen matrix W only d log p(id) / d hidden = ([v = id] - p_v) W is wanted: `slopes` [N, H], as long as logits
    are there. The backward pass then multiplies each by its row's gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, ids: Tensor, chunk: int, with_entropy: bool
    ) -> tuple[Tensor, Tensor]:
        ctx.chunk, ctx.dtype, ctx.kept = chunk, _compute_dtype(hidden), None
        is_frozen = ctx.needs_input_grad[0] and not ctx.needs_input_grad[1]
        slopes: list[Tensor] = []
        chosen, spreads = [], [hidden.new_zeros(0, dtype=torch.promote_types(hidden.dtype, torch.float32))]
        with torch.autocast(hidden.device.type, enabled=False):
            matrix = weight.to(ctx.dtype)
            for part, rows in zip(torch.split(hidden, chunk), torch.split(ids, chunk), strict=True):
                logp = _wide(functional.linear(part.to(ctx.dtype), matrix)).log_softmax(-1)
                chosen.append(logp.gather(-1, rows.unsqueeze(-1)).squeeze(-1))
                if with_entropy:
                    spreads.append(_entropy(logp))
                if is_frozen:
                    slopes.append(_to_logits(logp.exp_(), rows, torch.ones_like(chosen[-1])).to(ctx.dtype) @ matrix)
        if is_frozen:
            ctx.save_for_backward(torch.cat(slopes))
        else:
            ctx.save_for_backward(hidden, weight, ids)
            ctx.kept = logp if len(chosen) == 1 and any(ctx.needs_input_grad) else None
        ctx.is_frozen, ctx.hidden_dtype = is_frozen, hidden.dtype
        spread = torch.cat(spreads)
        ctx.mark_non_differentiable(spread)
        return torch.cat(chosen), spread

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.is_frozen:
            [slopes], grad = ctx.saved_tensors, grads[0].unsqueeze(-1)
            return torch.where(grad != 0, slopes * grad, 0).to(ctx.hidden_dtype), None, None, None, None
        hidden, weight, ids = ctx.saved_tensors
        matrix = weight.to(ctx.dtype)
        to_hidden = torch.zeros_like(hidden) if ctx.needs_input_grad[0] else None
        to_weight = torch.zeros_like(_wide(weight)) if ctx.needs_input_grad[1] else None
        for start in range(0, len(ids), ctx.chunk):
            rows = slice(start, start + ctx.chunk)
            grad = grads[0][rows]
            part = torch.where(grad.unsqueeze(-1) != 0, hidden[rows].to(ctx.dtype), 0)
            if ctx.kept is None:
                odds = _wide(functional.linear(part, matrix)).softmax(-1)
            else:
                odds = torch.where(grad.unsqueeze(-1) != 0, ctx.kept, 0).exp_()
            narrow = _to_logits(odds, ids[rows], grad).to(ctx.dtype)
            if to_hidden is not None:
                to_hidden[rows] = narrow @ matrix
            if to_weight is not None:
                to_weight += narrow.mT @ part
        return to_hidden, None if to_weight is None else to_weight.to(weight.dtype), None, None, None


def _to_logits(odds: Tensor, ids: Tensor, grad: Tensor) -> Tensor:
    """Turn the distribution p [C, V], in place, into the gradient of its logits: grad ([v = id] - p_v)."""
    return odds.mul_(-grad.unsqueeze(-1)).scatter_add_(-1, ids.unsqueeze(-1), grad.unsqueeze(-1))
