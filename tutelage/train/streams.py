"""Endless shuffled streams whose whole state is one number, so that a resumed run draws exactly what it would have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tutelage.errors import DataError
from tutelage.models.tokens import Renderer


def generator_for(*seeds: int) -> torch.Generator:
    """Make a generator of its own for a tuple of numbers, such as (seed, purpose, epoch)."""
    words = np.random.SeedSequence(seeds).generate_state(2, np.uint32)
    return torch.Generator().manual_seed((int(words[0]) << 31) ^ int(words[1]))


class Shuffled:
    """Indices 0 .. count-1 without end, each epoch in an order of its own that only the seed and the epoch decide."""

    def __init__(self, count: int, seed: int) -> None:
        assert count > 0, "an empty stream never gives anything"
        self.count, self.seed, self.position = count, seed, 0
        self._epoch, self._order = -1, [0]

    def take(self, number: int) -> list[int]:
        """Draw the next indices; an epoch's end is passed without a gap."""
        taken: list[int] = []
        while len(taken) < number:
            epoch, offset = divmod(self.position, self.count)
            if epoch != self._epoch:
                generator = generator_for(self.seed, epoch)
                self._epoch, self._order = epoch, torch.randperm(self.count, generator=generator).tolist()
            part = self._order[offset : offset + number - len(taken)]
            taken += part
            self.position += len(part)
        return taken

    def state_dict(self) -> dict[str, int]:
        """Give the cursor."""
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to a cursor."""
        self.position = int(state["position"])


def pack(documents: Sequence[Sequence[int]], end_id: int, width: int, seed: int) -> Tensor:
    """Shuffle documents, join them by end tokens, cut rows: int32 [rows, width]; an incomplete last one is left out."""
    order = torch.randperm(len(documents), generator=generator_for(seed)).tolist()
    joined = np.concatenate(
        [np.array([*documents[i], end_id], dtype=np.int32) for i in order] or [np.zeros(0, np.int32)]
    )
    count = len(joined) // width
    if count == 0:
        raise DataError(f"The pretraining texts have {len(joined)} tokens and fill no row of {width}; give more text.")
    return torch.from_numpy(joined[: count * width].reshape(count, width))


class PackedRows:
    """A shuffled stream of fixed rows of pretraining text, with its own cursor.

    Rows are cut anywhere and documents in a row see those before them, as in GPT-3's pretraining (Brown et al. 2020,
    appendix B): the end token between them tells the model that they are unrelated.
    """

    def __init__(self, texts: Sequence[str], renderer: Renderer, width: int, seed: int) -> None:
        self.rows = pack(renderer.documents_ids(texts), renderer.end_id, width, seed)
        self.stream = Shuffled(len(self.rows), seed)

    def take(self, number: int) -> Tensor:
        """Draw the next rows: int64 [number, width]."""
        return self.rows[self.stream.take(number)].long()
