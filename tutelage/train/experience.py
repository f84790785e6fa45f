"""From scored rollouts to what PPO descends: rewards per token, advantages over a rollout batch, figures to log.

`B` episodes, `T` positions, `N` counted (sampled) tokens of a micro-batch, row by row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from tutelage.config import Settings
from tutelage.core.advantages import explained_variance, gae, moments, token_rewards, whiten_by
from tutelage.core.kl import k1, k3
from tutelage.errors import InvariantError
from tutelage.models.policy import Rows, spread

#: Mean of whitened advantages that rounding can explain.
CENTRED = 1e-4


class AdvantageSettings(Settings):
    """How scores become advantages. Lambda and whitening are those of openai/lm-human-preferences, not of the paper."""

    gamma: float = Field(1.0, ge=0, le=1)
    """Discount per token (paper: none, C.4)."""
    lam: float = Field(0.95, ge=0, le=1)
    """Lambda of generalised advantage estimation."""
    whiten: bool = True
    """Give the advantages of a rollout batch mean 0 and variance 1."""
    whiten_rewards: bool = False
    """Give the rewards per token variance 1 and leave their mean; another switch than `whiten`."""
    missing_end_penalty: float = 0.0
    """Subtracted from the score of completions that the length cap cut (not in the paper)."""
    score_clip: float = Field(0.0, ge=0)
    """Scores, the penalty in them, are trained on within plus and minus this; 0 leaves them (not in the paper). What is
    logged is not clipped."""


class Experience(NamedTuple):
    """A scored micro-batch: policy, reference and values [N] at sampled tokens, scores [B]."""

    rows: Rows
    old: Tensor
    reference: Tensor
    entropy: Tensor
    values: Tensor
    scores: Tensor

    def to(self, device: torch.device) -> Experience:
        """Move to a device."""
        rows, *tensors = self
        return Experience(rows.to(device), *(tensor.to(device) for tensor in tensors))


class Targets(NamedTuple):
    """What a micro-batch is trained on: advantages and returns, [N] each."""

    advantages: Tensor
    returns: Tensor


def targets(batch: Sequence[Experience], settings: AdvantageSettings, beta: float) -> list[Targets]:
    """Estimate advantages and returns of a rollout batch, micro-batch by micro-batch; whitening spans all of it."""
    limit = settings.score_clip or math.inf
    rewards = [
        token_rewards(
            spread(k1(part.old, part.reference), part.rows.mask),
            part.scores.clamp(-limit, limit),
            part.rows.mask,
            beta,
        )
        for part in batch
    ]
    masks = [part.rows.mask for part in batch]
    if settings.whiten_rewards:
        rewards = _whitened(rewards, masks, shift_mean=False)
    found = [
        gae(reward, spread(part.values, part.rows.mask), part.rows.mask, settings.gamma, settings.lam)
        for reward, part in zip(rewards, batch, strict=True)
    ]
    advantages = [one.advantages for one in found]
    if settings.whiten:
        advantages = _whitened(advantages, masks, shift_mean=True)
        _check_centred(advantages, masks)
    return [
        Targets(advantage[mask], one.returns[mask])
        for advantage, one, mask in zip(advantages, found, masks, strict=True)
    ]


def summary(batch: Sequence[Experience], found: Sequence[Targets], beta: float) -> dict[str, float]:
    """Give a rollout batch's figures under OpenAI's names: sums over a completion's tokens, means over episodes."""
    kl = torch.cat([spread(k1(part.old, part.reference), part.rows.mask).sum(1) for part in batch])
    surprise = torch.cat([spread(-part.old, part.rows.mask).sum(1) for part in batch])
    lengths = torch.cat([part.rows.mask.sum(1) for part in batch])
    scores = torch.cat([part.scores for part in batch])
    values, returns = torch.cat([part.values for part in batch]), torch.cat([one.returns for one in found])
    entropy = torch.cat([part.entropy for part in batch])
    careful = torch.cat([k3(part.old, part.reference) for part in batch]).sum() / len(scores)
    explained = explained_variance(values, returns, torch.ones_like(values, dtype=torch.bool))
    tensors = {
        "objective/kl": kl.mean(),
        "objective/kl_k3": careful,
        "objective/entropy": surprise.mean(),
        "objective/non_score_reward": -beta * kl.mean(),
        "objective/score": scores.mean(),
        "objective/score_deviation": scores.std(correction=0),
        "objective/score_total": scores.mean() - beta * kl.mean(),
        "ppo/policy/entropy": entropy.mean(),
        "ppo/returns/mean": returns.mean(),
        "ppo/returns/var": returns.var(correction=0),
        "ppo/val/mean": values.mean(),
        "ppo/val/var_explained": explained,
        "tokens/completion_mean": lengths.double().mean(),
        "tokens/completion_max": lengths.max(),
    }
    return {"objective/kl_coef": beta} | {name: float(tensor) for name, tensor in tensors.items()}


def _whitened(parts: Sequence[Tensor], masks: Sequence[Tensor], shift_mean: bool) -> list[Tensor]:
    together = torch.stack([moments(part, mask) for part, mask in zip(parts, masks, strict=True)]).sum(0)
    return [whiten_by(part, mask, together, shift_mean) for part, mask in zip(parts, masks, strict=True)]


def _check_centred(advantages: Sequence[Tensor], masks: Sequence[Tensor]) -> None:
    flat = torch.cat([part[mask] for part, mask in zip(advantages, masks, strict=True)]).double()
    if not abs(float(flat.mean())) < CENTRED:
        raise InvariantError(f"Whitened advantages have mean {float(flat.mean())} instead of 0; the rollout is broken.")
