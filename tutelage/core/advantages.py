"""Rewards per token, generalised advantage estimates, and whitening over everything that counts.

The paper treats a completion as one step of a bandit with a KL penalty at each token (section 3.5) and does not
discount (C.4). It does not print lambda, nor whether advantages are whitened: 0.95 and yes, as in
openai/lm-human-preferences.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tutelage.core.masks import counted, last_counted


@torch.no_grad()
def token_rewards(kl: Tensor, scores: Tensor, mask: Tensor, beta: float) -> Tensor:
    """Give -beta * kl at each counted token, plus the score on the last one (equation 2): [B, T].

    `kl` [B, T] is log pi - log pi_ref of the sampled tokens, `scores` [B] the rewards of whole completions. Zero where
    nothing counts; a row without counted tokens has nowhere to put its score.
    """
    assert kl.shape == mask.shape and scores.shape == mask.shape[:1], (
        f"kl {tuple(kl.shape)}, scores {tuple(scores.shape)}, mask {tuple(mask.shape)}"
    )
    positions = torch.arange(mask.shape[-1], device=mask.device)
    at_end = positions == last_counted(mask).unsqueeze(-1)
    return -beta * counted(kl, mask) + counted(scores.unsqueeze(-1), at_end)


class Gae(NamedTuple):
    """Advantages A and the returns A + V that the value model is to predict, both [B, T], 0 where nothing counts."""

    advantages: Tensor
    returns: Tensor


@torch.no_grad()
def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float = 1.0, lam: float = 0.95) -> Gae:
    """Estimate advantages A_t = sum_k (gamma lambda)^k delta_{t+k}, delta_t = r_t + gamma V_{t+1} - V_t: [B, T].

    Schulman et al. 2016, equation 16. `values[t]` is V of the state *before* token t. Each row counts one unbroken
    span; after its last token the episode is over and V is 0, whatever `values` holds there.
    """
    assert rewards.shape == values.shape == mask.shape, (
        f"rewards {tuple(rewards.shape)}, values {tuple(values.shape)}, mask {tuple(mask.shape)}"
    )
    reward, value = counted(rewards, mask), counted(values, mask)
    following = torch.cat([value[:, 1:], torch.zeros_like(value[:, :1])], dim=-1)
    delta = reward + gamma * following - value
    running = torch.zeros_like(delta[:, 0])
    advantages = torch.empty_like(delta)
    for t in reversed(range(delta.shape[-1])):
        running = delta[:, t] + gamma * lam * running
        advantages[:, t] = running
    advantages = counted(advantages, mask)
    return Gae(advantages, advantages + value)


def moments(x: Tensor, mask: Tensor) -> Tensor:
    """Give (count, sum, sum of squares) of what counts: float64 [3].

    The moments of several parts or ranks are the sum of their moments: all-reduce this tensor, then `whiten_by`.
    """
    kept = counted(x, mask).double()
    return torch.stack([mask.sum().double(), kept.sum(), kept.square().sum()])


def whiten_by(x: Tensor, mask: Tensor, parts: Tensor, shift_mean: bool = True) -> Tensor:
    """Whiten `x` by `moments` that were taken over more than `x`, such as all ranks: (x - mean) / sqrt(var + 1e-8).

    Population variance; [...] from two of one shape and float64 [3]. shift_mean=True moves the mean to 0,
    shift_mean=False leaves the mean where it was (OpenAI's meaning of the name; others read it the other way round).
    0 where nothing counts.
    """
    count, total, squares = parts.unbind()
    mean = total / count.clamp(min=1)
    variance = (squares / count.clamp(min=1) - mean.square()).clamp(min=0)
    white = (counted(x, mask).double() - mean) * torch.rsqrt(variance + 1e-8)
    return counted((white if shift_mean else white + mean).to(x.dtype), mask)


def whiten(x: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
    """Scale what counts to variance 1, [...] from two of one shape; 0 where nothing counts.

    Its mean becomes 0 with shift_mean=True (advantages), else it stays (rewards); as in openai/lm-human-preferences.
    """
    return whiten_by(x, mask, moments(x, mask), shift_mean)


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """Give 1 - Var(R - V) / Var(R) over what counts, a scalar: 1 is perfect, 0 no better than the mean return.

    NaN when the returns do not vary or nothing counts, for then there is nothing to explain.
    """
    target, error = returns[mask].double(), (returns - values)[mask].double()
    if not len(target) or target.min() == target.max():
        return torch.full((), torch.nan, dtype=torch.float64, device=values.device)
    return 1 - error.var(correction=0) / target.var(correction=0)
