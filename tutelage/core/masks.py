"""Masks and weights over token positions: True means that the position counts.

Masks are made once, from lengths, never from `ids != pad`: the padding id may be a real token, such as the end token.
"""

from __future__ import annotations

import torch
from torch import Tensor


def spans_to_mask(starts: Tensor, ends: Tensor, width: int) -> Tensor:
    """Mark the half-open span [start, end) of each row: bool [B, T] from two integer [B], with T = `width`."""
    assert starts.shape == ends.shape, f"starts {tuple(starts.shape)} and ends {tuple(ends.shape)} differ"
    positions = torch.arange(width, device=starts.device)
    return (positions >= starts.unsqueeze(-1)) & (positions < ends.unsqueeze(-1))


def lengths_to_mask(lengths: Tensor, width: int) -> Tensor:
    """Mark the first `lengths[b]` positions of each row, as right padding leaves them: bool [B, T] from int [B]."""
    return spans_to_mask(torch.zeros_like(lengths), lengths, width)


def weights(mask: Tensor, total: float | None = None) -> Tensor:
    """Turn a mask [...] into fp32 weights [...] for a mean over the counted positions of one optimizer step.

    w = mask / total. `total` is the number of counted positions in the whole step, over all micro-batches and ranks;
    by default this mask is the whole step. Where nothing counts at all, every weight is 0.
    """
    count = float(mask.sum()) if total is None else float(total)
    return mask.float() / count if count > 0 else torch.zeros_like(mask, dtype=torch.float32)


def last_counted(mask: Tensor) -> Tensor:
    """Find the last True position of each row: int64 [B] from bool [B, T]; -1 for a row where nothing counts."""
    positions = torch.arange(mask.shape[-1], device=mask.device)
    return torch.where(mask, positions, -1).amax(dim=-1)


def counted(values: Tensor, keep: Tensor) -> Tensor:
    """Replace what does not count by 0, in value and in gradient: [...] from two that broadcast.

    `keep` is a mask, or weights, of which those above 0 count.

    Multiplying by 0 would not do: 0 * NaN is NaN, and the gradient of an unused branch can be too. So this is applied
    to the *inputs* of a formula, before anything can overflow.
    """
    mask = keep if keep.dtype == torch.bool else keep > 0
    return torch.where(mask, values, torch.zeros((), dtype=values.dtype, device=values.device))
