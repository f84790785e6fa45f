"""Batches of token rows and what a policy says about them.

Rows are laid end to end (see `packing`), and rows of similar length are put together, so that little is padded where
attention computes. Only positions that count are projected to the vocabulary.

`B` rows, `T` positions, `N` counted tokens, `H` hidden width, `V` vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tutelage.core.logprobs import Scored, chunked_logprobs
from tutelage.core.masks import lengths_to_mask, spans_to_mask
from tutelage.models.load import head_weight
from tutelage.models.packing import Stream, run, stream_of
from tutelage.models.roles import RolePolicy

#: What layers call the ends of their two branches. Norms that stand behind both come first: without the second of
#: them, the first is the norm before the feed-forward block.
BRANCHES = (
    ("post_attention_layernorm", "post_feedforward_layernorm"),
    *((attention, "mlp") for attention in ("self_attn", "attn", "attention")),
)
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
    """Rows as a stream and what counts in them; made once, from lengths.

    `mask` [B, T] is True at tokens that count. A token is predicted from the position before it: `before` [N] are those
    positions in the stream (flattened), `targets` [N] the counted tokens, both row by row.
    """

    stream: Stream
    mask: Tensor
    before: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> Rows:
        """Move to a device."""
        stream, *tensors = self
        return Rows(stream.to(device), *(tensor.to(device) for tensor in tensors))


def collate(rows: Sequence[Row]) -> Rows:
    """Lay rows end to end. The first token of a row is predicted by nothing and never counts."""
    whole = [[*row.prompt, *row.completion] for row in rows]
    starts = torch.tensor([max(1, len(row.prompt)) for row in rows])
    lengths = torch.tensor([len(row) for row in whole])
    stream, places = stream_of(whole)
    mask = spans_to_mask(starts, lengths, int(lengths.max()))
    counted = mask[lengths_to_mask(lengths, mask.shape[1])].nonzero().squeeze(-1)
    return Rows(stream, mask, places[counted - 1], stream.ids.flatten()[places[counted]])


def of_width(ids: Tensor) -> Rows:
    """Make rows of ids [B, T] without padding; every token but the first of each row counts."""
    mask = torch.ones(ids.shape, dtype=torch.bool)
    mask[:, 0] = False
    flat = mask.flatten().nonzero().squeeze(-1)
    return Rows(Stream(ids), mask, flat - 1, ids.flatten()[flat])


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


def hidden_states(model: PreTrainedModel | RolePolicy, stream: Stream) -> Tensor:
    """Run the trunk: last hidden states after the final norm, [1, S, H] of a stream or [B, T, H] of rows."""
    return run(model.get_decoder(), stream)


def completion_logprobs(model: PreTrainedModel | RolePolicy, rows: Rows, *, with_entropy: bool = True) -> Scored:
    """Give log-probability and, if it is wanted, entropy of every counted token, row by row: [N] each."""
    return score_hidden(model, hidden_states(model, rows.stream), rows, with_entropy=with_entropy)


def score_hidden(
    model: PreTrainedModel | RolePolicy, hidden: Tensor, rows: Rows, *, with_entropy: bool = True
) -> Scored:
    """Project hidden states of a stream where counted tokens are predicted, and score those tokens: [N] each."""
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
    """Find the modules whose outputs are added to the residual stream: attention and feed-forward of every layer.

    Where layers norm these outputs before they are added (Gemma 2 and 3), it is those norms.
    """
    decoder: Any = model.get_decoder()
    layers = getattr(decoder, "layers", None) or getattr(decoder, "h", None) or ()
    found: list[nn.Module] = []
    for inside in (dict(layer.named_children()) for layer in layers):
        names = next((pair for pair in BRANCHES if inside.keys() >= set(pair)), None)
        if names is None:
            return []
        found += [inside[name] for name in names]
    return found
