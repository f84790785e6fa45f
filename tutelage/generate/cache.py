"""Keys and values of a running batch in one preallocated block per layer.

Row i of the batch is row i of every block and its token t stands in column t: no left padding, so a row can join or
leave at any step. Keys stand transposed, [B, H, D, T], because the product of one query with them then runs along
memory (measured: 2 to 3 times faster in fp32, 4 times in bf16). Shapes: B rows, H key/value heads, T columns, D size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache, DynamicLayer


class SlotLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """The keys [B, H, D, T] and values [B, H, T, D] of one layer."""

    is_sliding = False

    def __init__(self, place: Place) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.place = place
        self.keys: Tensor
        self.values: Tensor

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Allocate the block when the first keys and values show the sizes."""
        rows, width = self.place.capacity
        # Zeros, not empty: a masked column still enters the products with weight 0, and 0 * NaN is NaN.
        self.keys = key_states.new_zeros(rows, key_states.shape[1], key_states.shape[3], width)
        self.values = value_states.new_zeros(rows, value_states.shape[1], width, value_states.shape[3])
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Store what the model just computed; return what it shall attend to."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        place = self.place
        if place.columns is None:  # prompts: rows first.., columns 0..
            rows, width = key_states.shape[0], key_states.shape[2]
            self.keys[place.first : place.first + rows, :, :, :width] = key_states.transpose(2, 3)
            self.values[place.first : place.first + rows, :, :width] = value_states
            return key_states, value_states
        rows = place.columns.shape[0]
        self.keys[place.rows, :, :, place.columns] = key_states[:, :, 0]
        self.values[place.rows, :, place.columns] = value_states[:, :, 0]
        return self.keys[:rows, :, :, : place.width].transpose(2, 3), self.values[:rows, :, : place.width]

    def move(self, source: Tensor, target: Tensor, width: int) -> None:
        """Copy the first `width` columns of rows `source` into rows `target`."""
        self.keys[target, :, :, :width] = self.keys[source, :, :, :width]
        self.values[target, :, :width] = self.values[source, :, :width]

    def adopt(self, keys: Tensor, values: Tensor, first: int, count: int) -> None:
        """Store one prompt's keys and values [1, H, T, D] in the rows from `first` on."""
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
        self.keys[first : first + count, :, :, : keys.shape[2]] = keys.transpose(2, 3)
        self.values[first : first + count, :, : values.shape[2]] = values

    def clear(self, row: int) -> None:
        """Forget a row whose numbers were not finite: they would poison the next user of its columns."""
        self.keys[row] = 0
        self.values[row] = 0

    def resize(self, keep_rows: int, keep_width: int) -> None:
        """Allocate anew with the capacity of `place` and keep the used corner."""
        if not self.is_initialized:
            return
        old_keys, old_values = self.keys, self.values
        self.lazy_initialization(old_keys.transpose(2, 3), old_values)
        self.keys[:keep_rows, :, :, :keep_width] = old_keys[:keep_rows, :, :, :keep_width]
        self.values[:keep_rows, :, :keep_width] = old_values[:keep_rows, :, :keep_width]

    def get_seq_length(self) -> int:
        """Return the columns in use (the engine passes masks and positions itself, so nothing depends on it)."""
        return self.place.width

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the key length and offset of the mask."""
        return max(self.place.width, query_length), 0

    def get_max_length(self) -> int:
        """Return the columns that fit."""
        return self.place.capacity[1]


class Place:
    """Where the next keys and values go; one object is shared by all layers."""

    def __init__(self) -> None:
        self.capacity = (0, 0)  # rows, columns of every block
        self.first = 0  # prompts: the first row
        self.rows = torch.empty(0)  # one token per row: row numbers [B]
        self.columns: Tensor | None = None  # one token per row: its column [B]; None while prompts are stored
        self.width = 0  # columns to attend to


class SlotCache(Cache):
    """A transformers cache of slots."""

    def __init__(self, layers: int) -> None:
        self.place = Place()
        self.slots = [SlotLayer(self.place) for _ in range(layers)]
        super().__init__(layers=list(self.slots))

    def reserve(self, rows: int, width: int, keep_rows: int, keep_width: int) -> None:
        """Make room for `rows` rows of `width` columns; the used corner is kept."""
        if (rows, width) == self.place.capacity:
            return
        self.place.capacity = (rows, width)
        for layer in self.slots:
            layer.resize(keep_rows, keep_width)

    def prompts_at(self, first: int) -> None:
        """Store the next keys and values as prompts from row `first` on."""
        self.place.first, self.place.columns = first, None

    def tokens_at(self, lengths: Tensor, width: int) -> None:
        """Store the next keys and values as one token per row, at column lengths[i]."""
        self.place.rows = torch.arange(lengths.shape[0], device=lengths.device)
        self.place.columns, self.place.width = lengths, width

    def adopt(self, other: DynamicCache, first: int, count: int) -> None:
        """Store one prompt, which was read elsewhere, in `count` rows from `first` on."""
        for layer, read in zip(self.slots, other.layers, strict=True):
            assert isinstance(read, DynamicLayer) and read.keys is not None and read.values is not None
            layer.adopt(read.keys, read.values, first, count)

    def move(self, source: Tensor, target: Tensor, width: int) -> None:
        """Copy rows in all layers."""
        for layer in self.slots:
            layer.move(source, target, width)

    def clear(self, row: int) -> None:
        """Zero a row in all layers."""
        for layer in self.slots:
            layer.clear(row)
