"""Losses as weighted sums over what counts, so that cutting a batch into micro-batches cannot change the update.

`weights` are >= 0 and sum to 1 over one optimizer step; whatever stands where a weight is 0, NaN and infinity too,
reaches neither the value nor the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tutelage.core.masks import counted


def next_token_loss(logprobs: Tensor, weights: Tensor) -> Tensor:
    """Give -sum w log p, the mean negative log-likelihood in nats per counted token: scalar from two [...]."""
    _same_shape(logprobs=logprobs, weights=weights)
    return -(weights * counted(logprobs, weights)).sum()


def pair_weights(counts: Sequence[int], prompts: int | None = None) -> list[float]:
    """Weigh each pair of each prompt by 1 / (pairs of its prompt) / (prompts with pairs): one number per prompt.

    This is the factor 1 / C(K, 2) of the paper's equation 1 and its mean over prompts, where ties leave fewer pairs.
    `prompts` is the number of prompts with pairs in the whole optimizer step, over all micro-batches and ranks; by
    default `counts` is the whole step. A prompt without pairs does not count and gets 0.
    """
    total = sum(count > 0 for count in counts) if prompts is None else prompts
    return [1.0 / (count * total) if count > 0 else 0.0 for count in counts]


def ranking_loss(rewards: Tensor, pairs: Tensor | Sequence[tuple[int, int]], weights: Tensor) -> Tensor:
    """Give -sum w log sigmoid(r_winner - r_loser) over pairs (paper, section 3.5, equation 1): a scalar.

    `rewards` [N] holds the completions of one prompt or of many, one after the other; `pairs` [P, 2] are indices
    (winner, loser) into it, always of the same prompt; `weights` [P] come from `pair_weights`.
    """
    return -(weights * functional.logsigmoid(_margins(rewards, pairs, weights))).sum()


def ranking_accuracy(rewards: Tensor, pairs: Tensor | Sequence[tuple[int, int]], weights: Tensor) -> Tensor:
    """Give the weighted share of pairs whose winner scores higher; equal scores are half right: a scalar."""
    margins = _margins(rewards, pairs, weights)
    return (weights * (1 + margins.sign()) / 2).sum()


def _margins(rewards: Tensor, pairs: Tensor | Sequence[tuple[int, int]], weights: Tensor) -> Tensor:
    """Give r_winner - r_loser of each pair that counts and 0 elsewhere: [P]."""
    index = torch.as_tensor(pairs, dtype=torch.long, device=rewards.device).reshape(-1, 2)
    assert weights.shape == index.shape[:1], f"{len(index)} pairs but weights {tuple(weights.shape)}"
    winners, losers = counted(rewards[index], weights.unsqueeze(-1)).unbind(-1)
    return winners - losers


def label_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Give -sum w (t log p + (1 - t) log (1 - p)), p = sigmoid(logit), over labels: scalar from three [B, C].

    A target is the share of people who gave the label, 0 to 1; what nobody answered weighs 0.
    """
    _same_shape(logits=logits, targets=targets, weights=weights)
    z, t = counted(logits, weights), counted(targets, weights)
    return -(weights * (t * functional.logsigmoid(z) + (1 - t) * functional.logsigmoid(-z))).sum()


class PolicyLoss(NamedTuple):
    """The clipped policy objective and what to log beside it; every entry is a weighted sum."""

    value: Tensor
    clipfrac: Tensor
    approx_kl: Tensor
    ratio: Tensor


def policy_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, weights: Tensor, clip: float = 0.2
) -> PolicyLoss:
    """Give the PPO objective sum w max(-A rho, -A clip(rho, 1 - c, 1 + c)), rho = pi / pi_old (Schulman et al. 2017).

    All tensors are [...] of one shape; only `logprobs` gets a gradient. `clipfrac` is the share of positions where the
    clipped term is the larger, `approx_kl` is half the mean squared log-ratio, `ratio` the mean of rho.
    """
    _same_shape(logprobs=logprobs, old_logprobs=old_logprobs, advantages=advantages, weights=weights)
    log_ratio = counted(logprobs, weights) - counted(old_logprobs, weights).detach()
    gain = counted(advantages, weights).detach()
    ratio = log_ratio.exp()
    plain, clipped = -gain * ratio, -gain * ratio.clamp(1 - clip, 1 + clip)
    return PolicyLoss(
        value=(weights * torch.maximum(plain, clipped)).sum(),
        clipfrac=(weights * (clipped > plain)).sum().detach(),
        approx_kl=(weights * log_ratio.square() / 2).sum().detach(),
        ratio=(weights * ratio).sum().detach(),
    )


class ValueLoss(NamedTuple):
    """The clipped value error and the share of positions where the clip decided; both are weighted sums."""

    value: Tensor
    clipfrac: Tensor


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, weights: Tensor, clip: float = 0.2) -> ValueLoss:
    """Give sum w 1/2 max((V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2): one shape [...], gradient to `values`.

    The paper does not print its value loss; this is the one of openai/lm-human-preferences.
    """
    _same_shape(values=values, old_values=old_values, returns=returns, weights=weights)
    now, then = counted(values, weights), counted(old_values, weights).detach()
    target = counted(returns, weights).detach()
    plain = (now - target).square()
    clipped = (now.clamp(then - clip, then + clip) - target).square()
    return ValueLoss(
        value=(weights * torch.maximum(plain, clipped)).sum() / 2,
        clipfrac=(weights * (clipped > plain)).sum().detach(),
    )


def _same_shape(**tensors: Tensor) -> None:
    """Refuse to broadcast: a [B] beside a [B, T] would be summed wrongly without a word."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    assert len(set(shapes.values())) <= 1, f"shapes differ: {shapes}"
