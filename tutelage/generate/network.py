"""How the engine calls its model: one token for every row, whole prompts, or a piece of a long prompt.

`Library` asks any transformers causal language model; `generate.fused` computes the common shapes with fewer
operations. Shapes: B rows, P prompts, W columns, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache

from tutelage.generate.attention import attending
from tutelage.generate.cache import SlotCache


class Library:
    """A model called through transformers."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model

    def refresh(self) -> None:
        """Take notice of weights that have changed; called while nothing runs."""

    def decode(self, ids: Tensor, lengths: Tensor, width: int, cache: SlotCache) -> Tensor:
        """Advance rows by a token: logits [B, V] from the newest ids [B], which stand at column `lengths` [B].

        `width` columns are attended to; those beyond a row's length are masked.
        """
        cache.tokens_at(lengths, width)
        with self._ready():
            out = self.model(
                input_ids=ids[:, None],
                position_ids=lengths[:, None],
                attention_mask=visible(lengths, width, self.model.dtype)[:, None, None],
                past_key_values=cache,
                use_cache=True,
            )
        return out.logits[:, -1]

    def read(self, ids: Tensor, lengths: Tensor, first: int, cache: SlotCache, *, is_scored: bool) -> Tensor:
        """Read prompts [P, W], padded on the right, into the cache's rows from `first` on.

        Gives the logits after each prompt's last token [P, V], or, when all are to be scored, of all tokens [P, W, V].
        """
        cache.prompts_at(first)
        positions = torch.arange(ids.shape[1], device=ids.device)
        keep, last = (0, lengths - 1) if is_scored else torch.unique(lengths - 1, return_inverse=True)
        with self._ready():
            out = self.model(
                input_ids=ids,
                position_ids=positions[None].expand(ids.shape[0], -1),
                attention_mask=visible(positions, len(positions), self.model.dtype)[None, None],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=keep,
            )
        return out.logits if is_scored else out.logits[torch.arange(len(ids), device=ids.device), last]

    def piece(self, ids: Sequence[int], start: int, cache: DynamicCache, *, is_scored: bool) -> Tensor:
        """Read a piece of one prompt from position `start` on: logits of all its tokens or of the last, [W or 1, V]."""
        device = self.model.device
        positions = torch.arange(start, start + len(ids), device=device)
        with self._ready():
            out = self.model(
                input_ids=torch.tensor([ids], device=device),
                position_ids=positions[None],
                attention_mask=visible(positions, start + len(ids), self.model.dtype)[None, None],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=0 if is_scored else 1,
            )
        return out.logits[0]

    @contextmanager
    def _ready(self) -> Iterator[None]:
        """Use the grouped attention, without dropout."""
        was_training = self.model.training
        if was_training:
            self.model.train(False)
        try:
            with attending(self.model):
                yield
        finally:
            if was_training:
                self.model.train()


def visible(last: Tensor, width: int, dtype: torch.dtype) -> Tensor:
    """Return what to add to attention scores: 0 for columns up to `last` [N], the lowest number after: [N, width]."""
    hidden = torch.arange(width, device=last.device)[None] > last[:, None]
    return torch.zeros(hidden.shape, dtype=dtype, device=last.device).masked_fill_(hidden, torch.finfo(dtype).min)
