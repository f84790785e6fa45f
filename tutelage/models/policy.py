"""Batches of token rows and what a policy says about them.

Rows are padded on the right, which needs no attention mask: under causal attention no token sees what comes after it,
and padding sees itself, so nothing is ever NaN. Rows of similar length are put together, so little is padded; for the
short texts of a CPU run this is faster than packing with explicit masks. Only positions that count are projected to
the vocabulary.

`B` rows, `T` positions, `N` counted tokens, `H` hidden width, `V` vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tutelage.core.logprobs import Scored, chunked_logprobs
from tutelage.core.masks import spans_to_mask
from tutelage.models.load import head_weight
from tutelage.models.roles import RolePolicy

#: Most logits that exist at once: 64 MiB in fp32, whatever the size of the vocabulary.
CHUNK = 1 << 24


class Row(NamedTuple):
    """A prompt and a completion as tokens; the completion counts."""

    prompt: Sequence[int]
    completion: Sequence[int]

    @property
    def length(self) -> int:
        """Count the tokens of both parts."""
        return len(self.prompt) + len(self.completion)


class Rows(NamedTuple):
    """Padded rows with what counts in them; made once, from lengths.

    `mask` [B, T] is True at tokens that count. A token is predicted from the position before it: `before` [N] are those
    positions in the flattened [B * T], `targets` [N] the counted tokens, both row by row.
    """

    ids: Tensor
    mask: Tensor
    before: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> Rows:
        """Move to a device."""
        return Rows(*(tensor.to(device) for tensor in self))


def collate(rows: Sequence[Row], pad_id: int = 0) -> Rows:
    """Pad rows on the right. The first token of a row is predicted by nothing and never counts."""
    width = max(row.length for row in rows)
    ids = torch.tensor([[*row.prompt, *row.completion, *[pad_id] * (width - row.length)] for row in rows])
    starts = torch.tensor([max(1, len(row.prompt)) for row in rows])
    ends = torch.tensor([row.length for row in rows])
    return from_mask(ids, spans_to_mask(starts, ends, width))


def cut(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Cut a batch into micro-batches of at most `budget` padded tokens, shortest rows first: lists of indices.

    A row longer than the budget is a micro-batch of its own.
    """
    parts: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if parts and (len(parts[-1]) + 1) * lengths[index] <= budget:
            parts[-1].append(index)
        else:
            parts.append([index])
    return parts


def from_mask(ids: Tensor, mask: Tensor) -> Rows:
    """Make rows from ids [B, T] and a mask [B, T] whose first column is False."""
    flat = mask.flatten().nonzero().squeeze(-1)
    return Rows(ids, mask, flat - 1, ids.flatten()[flat])


def hidden_states(
    model: PreTrainedModel | RolePolicy, ids: Tensor, positions: Tensor | None = None, attention: Tensor | None = None
) -> Tensor:
    """Run the trunk: last hidden states after the final norm, [B, T, H] from ids [B, T].

    `positions` [B, T] restart where a row holds several sequences; `attention` [B, 1, T, T] is then True where the
    second-last axis may look at the last. Without them, rows are causal from position 0.
    """
    if attention is None:
        return model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
    out = model.get_decoder()(input_ids=ids, position_ids=positions, attention_mask=attention, use_cache=False)
    return out.last_hidden_state


def completion_logprobs(model: PreTrainedModel | RolePolicy, rows: Rows, *, with_entropy: bool = True) -> Scored:
    """Give log-probability and, if it is wanted, entropy of every counted token, row by row: [N] each."""
    return score_hidden(model, hidden_states(model, rows.ids), rows, with_entropy=with_entropy)


def score_hidden(
    model: PreTrainedModel | RolePolicy, hidden: Tensor, rows: Rows, *, with_entropy: bool = True
) -> Scored:
    """Project hidden states [B, T, H] where counted tokens are predicted, and score those tokens: [N] each."""
    weight = head_weight(model)
    chunk = max(1, CHUNK // weight.shape[0])
    at = hidden.flatten(0, 1)[rows.before]
    return chunked_logprobs(at, weight, rows.targets, chunk, with_entropy=with_entropy)


def spread(flat: Tensor, mask: Tensor) -> Tensor:
    """Put values of counted tokens [N] back where they count: [B, T], 0 elsewhere."""
    out = torch.zeros(mask.shape, dtype=flat.dtype, device=flat.device)
    out[mask] = flat
    return out


def branches(model: PreTrainedModel) -> list[nn.Module]:
    """Find the modules whose outputs are added to the residual stream: attention and feed-forward of every layer."""
    layers = getattr(model.get_decoder(), "layers", None)
    if layers is None:
        return []
    found = [getattr(layer, name, None) for layer in layers for name in ("self_attn", "mlp")]
    return [module for module in found if module is not None] if all(found) else []
