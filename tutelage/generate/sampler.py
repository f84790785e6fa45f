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
#: Numbers of a row that are looked at together.
BLOCK = 256


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
    wide = _blocks(logits)
    tokens = _likeliest(wide)
    highest = wide.gather(1, tokens[:, None])
    weights = wide.softmax(-1)
    # The likeliest token has at least probability 1 / V: its logarithm is exact where those of the others underflow.
    normaliser = (highest - weights.gather(1, tokens[:, None]).log())[:, 0]
    is_greedy = filters.temperature <= 0
    odds = wide
    is_filtered = (filters.temperature != 1) | (filters.top_p < 1) | (filters.top_k > 0)
    if bias is not None:
        odds = wide.index_put((bias.rows, bias.tokens), bias.values, accumulate=True)
        highest = odds.amax(-1, keepdim=True)
        is_filtered[bias.rows] = True
        tokens = _likeliest(odds)
    if not bool(is_greedy.all()):
        tokens = torch.where(is_greedy, tokens, _inverse(weights, draws))
    is_filtered &= ~is_greedy
    if bool(is_filtered.any()):
        rows = is_filtered.nonzero()[:, 0]
        tokens[rows] = _sample_filtered(odds[rows] - highest[rows], draws[rows], filters.of(rows))
    logprobs = wide.gather(1, tokens[:, None])[:, 0] - normaliser
    is_ok = torch.isfinite(normaliser) & torch.isfinite(logprobs)
    return Sampled(tokens, logprobs, is_ok, wide[:, : logits.shape[1]], normaliser)


def _blocks(logits: Tensor) -> Tensor:
    """Return logits in fp32, filled up with minus infinity to whole blocks: [N, blocks * BLOCK]."""
    if logits.shape[1] % BLOCK == 0:
        return logits.float()
    width = -(-logits.shape[1] // BLOCK) * BLOCK
    wide = torch.full((logits.shape[0], width), -torch.inf, device=logits.device)
    wide[:, : logits.shape[1]] = logits
    return wide


def _likeliest(odds: Tensor) -> Tensor:
    """Return the first index [N] of each row's largest number: first the block that holds it, then within that.

    The library's argmax reads a row number by number; a block's maximum is found many numbers at a time.
    """
    blocks = odds.unflatten(1, (-1, BLOCK))
    number = blocks.amax(-1).argmax(-1)
    inside = blocks[torch.arange(len(odds), device=odds.device), number]
    return number * BLOCK + inside.argmax(-1)


def _inverse(weights: Tensor, draws: Tensor) -> Tensor:
    """Return the first index of each row at which the weights so far exceed draw * total: its block, then within it.

    An index of weight 0 is never returned, whatever rounding does to the sums.
    """
    blocks = weights.unflatten(1, (-1, BLOCK))
    sums = blocks.sum(-1)
    so_far = sums.cumsum(-1)
    target = draws[:, None] * so_far[:, -1:]
    number = torch.searchsorted(so_far, target, right=True).clamp_(max=so_far.shape[1] - 1)
    before = so_far.gather(1, number) - sums.gather(1, number)
    inside = blocks[torch.arange(len(weights), device=weights.device), number[:, 0]].cumsum(-1)
    target = (target - before).clamp(min=0).minimum(inside[:, -1:] * float(_BELOW_ONE))
    return number[:, 0] * BLOCK + torch.searchsorted(inside, target, right=True)[:, 0].clamp_(max=BLOCK - 1)


def _sample_filtered(shifted: Tensor, draws: Tensor, filters: Filters) -> Tensor:
    """Draw under temperature, top-k and top-p; `shifted` [N, V] has maximum 0."""
    temperature, top_p, top_k = filters
    # What is no number of this precision would keep no token at all; the likeliest is always kept.
    top_p = top_p.clamp(min=torch.finfo(torch.float32).tiny)
    weights = (shifted / temperature.clamp(min=1e-6)[:, None]).exp()
    if not bool(((top_p < 1) | (top_k > 0)).any()):
        return _inverse(weights, draws)
    ordered, order = torch.sort(weights, dim=-1, descending=True, stable=True)
    limit = torch.where(top_k > 0, top_k, weights.shape[1])
    is_kept = torch.arange(weights.shape[1], device=weights.device)[None] < limit[:, None]
    cumulative = torch.where(is_kept, ordered, 0).cumsum(-1)
    # A token counts while the likelier ones together are still below top_p of what top-k left.
    is_inside = cumulative - ordered < top_p[:, None] * cumulative[:, -1:]
    is_kept &= is_inside | (top_p >= 1)[:, None]
    # Back in the order of the vocabulary, so that a row's draw means the same whatever its neighbours ask for.
    is_kept = torch.zeros_like(is_kept).scatter_(1, order, is_kept)
    return _inverse(torch.where(is_kept, weights, 0), draws)


def top_tokens(sampled: Sampled, row: int, count: int) -> tuple[list[int], list[float]]:
    """Return the `count` likeliest tokens of a row and their log-probabilities."""
    values, indices = (sampled.logits[row] - sampled.normaliser[row]).topk(min(count, sampled.logits.shape[1]))
    return indices.tolist(), values.tolist()
