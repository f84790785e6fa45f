"""Tokens laid end to end, so that no layer computes padding; attention alone sees them as rows.

A stream holds the tokens of all rows, [1, S]. Where each stands among rows padded to one width is said by a layout,
which reaches attention in the place of the mask. Models that cannot compute a stream are given the padded rows.

`B` rows, `W` their width, `S` tokens of a stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

#: The attention (see `attention`) that computes streams.
NAME = "tutelage-training"
#: Padding, as a share of the tokens, that is not worth a layout.
SPARED = 0.1


class Tree(NamedTuple):
    """Prompts, the stems, with K completions each, the leaves, as places to move tokens to and from.

    `stems` are the tokens of prompts in the stream and `stem_cells` their places in [B, P]; `leaves` are the others,
    and `leaf_cells` their places in [B, K, R]. Each prompt has as many `tokens`, [B].
    """

    shape: tuple[int, int, int, int]
    stems: Tensor
    stem_cells: Tensor
    leaves: Tensor
    leaf_cells: Tensor
    tokens: Tensor

    def to(self, device: torch.device) -> Tree:
        """Move to a device."""
        return Tree(self.shape, *(tensor.to(device) for tensor in self[1:]))


class Layout(NamedTuple):
    """Where the tokens of a stream stand in padded rows: `cells` [S] are places in [B * W].

    `positions` [B, W] count from the start of a sequence. Rows are causal unless `parts` [B, W] names what each token
    belongs to: 0 a prompt, k the completion k of that prompt, -1 padding.
    """

    rows: int
    width: int
    cells: Tensor
    positions: Tensor
    parts: Tensor | None = None
    tree: Tree | None = None

    def to(self, device: torch.device) -> Layout:
        """Move to a device."""
        return Layout(
            self.rows,
            self.width,
            self.cells.to(device),
            self.positions.to(device),
            None if self.parts is None else self.parts.to(device),
            None if self.tree is None else self.tree.to(device),
        )

    def mask(self, window: int | None = None) -> Tensor | None:
        """Say who sees whom, looker before seen: bool [B, 1, W, W] or [1, 1, W, W], None where that is plainly causal.

        Padding sees itself, so that nothing is NaN. With a `window`, a token sees so many positions, its own with them.
        """
        if self.parts is None and (window is None or window >= self.width):
            return None
        causal = torch.ones(self.width, self.width, dtype=torch.bool, device=self.cells.device).tril().unsqueeze(0)
        if self.parts is not None:
            looker, seen = self.parts.unsqueeze(2), self.parts.unsqueeze(1)
            causal = causal & (seen >= 0) & ((seen == 0) | (seen == looker))
        if window is not None:
            causal = causal & (self.positions.unsqueeze(2) - self.positions.unsqueeze(1) < window)
        itself = torch.eye(self.width, dtype=torch.bool, device=self.cells.device)
        return (causal | itself).unsqueeze(1)


class Stream(NamedTuple):
    """Tokens for a model: ids [1, S] with a layout, or ids [B, T] of rows padded on the right, without one."""

    ids: Tensor
    layout: Layout | None = None

    def to(self, device: torch.device) -> Stream:
        """Move to a device."""
        return Stream(self.ids.to(device), None if self.layout is None else self.layout.to(device))


def stream_of(rows: Sequence[Sequence[int]]) -> tuple[Stream, Tensor]:
    """Lay rows end to end; give also where each token, row by row, stands in the stream when that is flattened.

    Rows of nearly one length are padded and need no layout: to compute so little is quicker than to move every token.
    """
    lengths = [len(row) for row in rows]
    width, total = max(lengths), sum(lengths)
    cells = torch.cat([torch.arange(length) + row * width for row, length in enumerate(lengths)])
    ids = torch.tensor([token for row in rows for token in row], dtype=torch.long)
    if len(rows) * width <= (1 + SPARED) * total:
        return Stream(ids.new_zeros(len(rows) * width).index_copy_(0, cells, ids).view(len(rows), width)), cells
    positions = torch.arange(width).expand(len(rows), width)
    return Stream(ids.unsqueeze(0), Layout(len(rows), width, cells, positions)), torch.arange(total)


def run(decoder: Any, stream: Stream) -> Tensor:
    """Compute the last hidden states of a stream's tokens, after the final norm: [1, S, H], or [B, T, H] of rows."""
    ids, layout = stream
    if layout is None:
        return decoder(input_ids=ids, use_cache=False).last_hidden_state  # type: ignore[no-any-return]
    if getattr(decoder.config, "_attn_implementation", None) == NAME:
        return _compute(decoder, ids, layout)
    padded = ids.new_zeros(layout.rows * layout.width)
    padded[layout.cells] = ids[0]
    positions, mask = (None, None) if layout.parts is None else (layout.positions, _masks(decoder, layout))
    hidden = decoder(
        input_ids=padded.view(layout.rows, -1), position_ids=positions, attention_mask=mask, use_cache=False
    ).last_hidden_state
    return hidden.flatten(0, 1)[layout.cells].unsqueeze(0)  # type: ignore[no-any-return]


def _masks(decoder: Any, layout: Layout) -> Any:
    """Give the mask of padded rows, or where layers differ in their window one for each kind: nobody adds it later."""
    config = decoder.config
    window, kinds = getattr(config, "sliding_window", None), getattr(config, "layer_types", None)
    windows = {kind: window if kind == "sliding_attention" else None for kind in set(kinds or ())}
    masks = {kind: layout.mask(size) for kind, size in (windows or {"": window}).items()}
    if getattr(config, "_attn_implementation", None) == "eager":  # which adds the mask, whatever it is
        lowest = torch.finfo(decoder.dtype).min
        masks = {kind: (~mask).to(decoder.dtype) * lowest for kind, mask in masks.items() if mask is not None}
    return masks if window is not None and kinds else next(iter(masks.values()))


def _compute(decoder: Any, ids: Tensor, layout: Layout) -> Tensor:
    # The library hands on whatever has four dimensions. It is no mask: attention that does not know it cannot use it.
    handle: Any = torch.zeros(1, 1, 1, 1, dtype=torch.long)
    handle.rows_inside, handle.masks = layout, {}
    positions = layout.positions.flatten()[layout.cells].unsqueeze(0)
    out = decoder(input_ids=ids, position_ids=positions, attention_mask=handle, use_cache=False)
    return out.last_hidden_state  # type: ignore[no-any-return]


def layout_of(mask: Any) -> Layout | None:
    """Give the layout that takes the place of a mask, if one does."""
    return getattr(mask, "rows_inside", None)


def mask_of(handle: Any, window: int | None) -> Tensor | None:
    """Give the mask of a layout's padded rows, made once for all layers with that window."""
    if window not in handle.masks:
        handle.masks[window] = handle.rows_inside.mask(window)
    found: Tensor | None = handle.masks[window]
    return found


class _Move(torch.autograd.Function):
    """Zeros but at `to`, where the values from `source` go; neither names a place twice."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, source: Tensor | None, to: Tensor | None, size: int) -> Tensor:
        ctx.save_for_backward(source, to)
        ctx.size = len(values)
        return _moved(values, source, to, size)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        source, to = ctx.saved_tensors
        return _moved(grads[0], to, source, ctx.size), None, None, None


def _moved(values: Tensor, source: Tensor | None, to: Tensor | None, size: int) -> Tensor:
    taken = values if source is None else values.index_select(0, source)
    if to is None:
        return taken
    return taken.new_zeros(size, *taken.shape[1:]).index_copy_(0, to, taken)


def move(values: Tensor, source: Tensor | None, to: Tensor | None, size: int) -> Tensor:
    """Move values [N, ...] from places to places: [size, ...], 0 elsewhere. None means all places in order."""
    if source is to is None:
        return values
    moved: Tensor = _Move.apply(values, source, to, size)  # type: ignore[no-untyped-call]
    return moved
