"""Choose the next token of every row at once.

Shapes: N rows, V vocabulary. A row's randomness is one uniform number per token, drawn beforehand from the row's own
seed, so that nothing else in the batch can change it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

#: Uniform numbers stay this far below 1, so that u * total is below total in fp32 and a token of probability 0 is
#: never chosen.
_BELOW_ONE = np.float32(1 - 2**-22)


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was drawn for each of N rows. `is_ok` is False where the logits were not finite."""

    tokens: Tensor  # [N] int64
    logprobs: Tensor  # [N] fp32, under the model itself
    is_ok: Tensor  # [N] bool
    logits: Tensor  # [N, V] fp32
    normaliser: Tensor  # [N] fp32: log of the sum of exp(logits)


def uniforms(seed: int, index: int, count: int) -> np.ndarray:
    """Return `count` fp32 numbers in [0, 1) that depend on `seed` and choice `index` only."""
    generator = np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, index], dtype=np.uint64)))
    return np.minimum(generator.random(count, dtype=np.float32), _BELOW_ONE)


class Bias(NamedTuple):
    """What is added to single logits before a token is drawn: row, token and value, [M] each; pairs may repeat."""

    rows: Tensor
    tokens: Tensor
    values: Tensor


class Filters(NamedTuple):
    """How each of N rows is drawn: temperature [N], top-p [N] and top-k [N]; 0, 1 and 0 for greedy, all, all."""

    temperature: Tensor
    top_p: Tensor
    top_k: Tensor

    def of(self, rows: Tensor) -> Filters:
        """Return the filters of some rows."""
        return Filters(self.temperature[rows], self.top_p[rows], self.top_k[rows])


def sample(logits: Tensor, draws: Tensor, filters: Filters, bias: Bias | None = None) -> Sampled:
    """Draw one token per row by the inverse of the cumulative distribution; temperature 0 takes the likeliest.

    `logits` [N, V], `draws` [N]. The usual order: bias, temperature, top-k, top-p. Log-probabilities are the model's
    own, whatever changed the odds.
    """
    logits = logits.float()
    is_greedy = filters.temperature <= 0
    if bool(is_greedy.all()):
        odds = logits if bias is None else _biased(logits, bias)
        return _sampled(logits, odds.argmax(-1), logits.logsumexp(-1))
    highest = logits.max(-1, keepdim=True).values
    odds = logits - highest
    plain = odds.exp().cumsum(-1)  # accumulated in double precision on CPUs
    tokens = _inverse(plain, draws)
    is_filtered = (filters.temperature != 1) | (filters.top_p < 1) | (filters.top_k > 0)
    if bias is not None:
        odds = _biased(odds, bias)
        odds = odds - odds.max(-1, keepdim=True).values
        is_filtered[bias.rows] = True
    if bool(is_greedy.any()):
        tokens = torch.where(is_greedy, odds.argmax(-1), tokens)
    is_filtered &= ~is_greedy
    if bool(is_filtered.any()):
        rows = is_filtered.nonzero()[:, 0]
        tokens[rows] = _sample_filtered(odds[rows], draws[rows], filters.of(rows))
    return _sampled(logits, tokens, plain[:, -1].log() + highest[:, 0])


def _sampled(logits: Tensor, tokens: Tensor, normaliser: Tensor) -> Sampled:
    logprobs = logits.gather(1, tokens[:, None])[:, 0] - normaliser
    return Sampled(tokens, logprobs, torch.isfinite(normaliser) & torch.isfinite(logprobs), logits, normaliser)


def _biased(logits: Tensor, bias: Bias) -> Tensor:
    return logits.index_put((bias.rows, bias.tokens), bias.values, accumulate=True)


def _inverse(cumulative: Tensor, draws: Tensor) -> Tensor:
    """Return the first index of each row whose cumulative weight exceeds draw * total."""
    targets = (draws * cumulative[:, -1])[:, None]
    return torch.searchsorted(cumulative, targets, right=True)[:, 0].clamp_(max=cumulative.shape[1] - 1)


def _sample_filtered(shifted: Tensor, draws: Tensor, filters: Filters) -> Tensor:
    """Draw under temperature, top-k and top-p; `shifted` [N, V] has maximum 0."""
    temperature, top_p, top_k = filters
    weights = (shifted / temperature.clamp(min=1e-6)[:, None]).exp()
    if not bool(((top_p < 1) | (top_k > 0)).any()):
        return _inverse(weights.cumsum(-1), draws)
    ordered, order = torch.sort(weights, dim=-1, descending=True, stable=True)
    limit = torch.where(top_k > 0, top_k, weights.shape[1])
    is_kept = torch.arange(weights.shape[1], device=weights.device)[None] < limit[:, None]
    cumulative = torch.where(is_kept, ordered, 0).cumsum(-1)
    # A token counts while the likelier ones together are still below top_p of what top-k left.
    is_inside = cumulative - ordered < top_p[:, None] * cumulative[:, -1:]
    is_kept &= is_inside | (top_p >= 1)[:, None]
    # Back in the order of the vocabulary, so that a row's draw means the same whatever its neighbours ask for.
    is_kept = torch.zeros_like(is_kept).scatter_(1, order, is_kept)
    return _inverse(torch.where(is_kept, weights, 0).cumsum(-1), draws)


def top_tokens(sampled: Sampled, row: int, count: int) -> tuple[list[int], list[float]]:
    """Return the `count` likeliest tokens of a row and their log-probabilities."""
    values, indices = (sampled.logits[row] - sampled.normaliser[row]).topk(min(count, sampled.logits.shape[1]))
    return indices.tolist(), values.tolist()
