"""What comes out of frozen lower layers, computed once for every row and kept in a file that is read as memory is.

Several trainings on the same rankings, one for each fold say, then compute the upper layers alone, and so does a
training that reads the same demonstrations in several epochs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

import torch
from torch import Tensor

from tutelage.files import disk_errors, fsync_directory
from tutelage.models.packing import Stream, run
from tutelage.models.policy import cut
from tutelage.models.trunk import Lower
from tutelage.train.loop import LoopSettings, uses_bf16


class Movable(Protocol):
    """What a micro-batch can do."""

    def to(self, device: torch.device) -> Self:
        """Move to a device."""


Micro = TypeVar("Micro", bound=Movable)


class KeptMicro(NamedTuple, Generic[Micro]):
    """A micro-batch with what the lower layers gave for its tokens: `hidden` [1, S, H], or [B, T, H] of padded rows."""

    micro: Micro
    hidden: Tensor

    def to(self, device: torch.device) -> KeptMicro[Micro]:
        """Move to a device."""
        return KeptMicro(self.micro.to(device), self.hidden.to(device))


class Laid(NamedTuple):
    """Some rows as a stream, and where each token stands in it when it is flattened, row by row: `places` [S]."""

    stream: Stream
    places: Tensor


class Kept:
    """The hidden states of all tokens of some rows, row after row: [S, H] in bfloat16, or fp32 if that is computed.

    `lay` makes a stream of rows by their numbers. The file is there only when it is whole.
    """

    def __init__(
        self,
        path: Path,
        lower: Lower,
        lengths: Sequence[int],
        lay: Callable[[Sequence[int]], Laid],
        settings: LoopSettings,
    ) -> None:
        self.path, self.lower, self.lengths, self.lay = path, lower, lengths, lay
        self.budget, self.is_bf16 = settings.micro_tokens, uses_bf16(settings)
        self.dtype = torch.bfloat16 if self.is_bf16 else torch.float32
        stack = lower.stack
        self.width = int(stack.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self.starts = [0, *accumulate(lengths)]

    @property
    def tokens(self) -> int:
        """Count the tokens of all rows."""
        return self.starts[-1]

    @torch.no_grad()
    def fill(self, tick: Callable[[int], object]) -> None:
        """Compute what is not in the file yet, which is all or nothing; `tick` is told how many tokens are done."""
        if self.path.exists():
            return
        part = self.path.with_name(f".{self.path.name}.part")
        # All its room on the disk first, for memory that is a file cannot say that the disk is full.
        with disk_errors(self.path), part.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.tokens * self.width * self.dtype.itemsize)
        hidden = self._mapped(part)
        device = next(self.lower.parameters()).device
        for numbers in cut(self.lengths, self.budget):
            stream, places = self.lay(numbers)
            with torch.autocast(device.type, torch.bfloat16, enabled=self.is_bf16):
                found = run(self.lower.stack, stream.to(device)).flatten(0, 1).to(hidden.device, hidden.dtype)[places]
            done = 0
            for number in numbers:
                start, end = self.starts[number], self.starts[number + 1]
                hidden[start:end] = found[done : done + end - start]
                done += end - start
            tick(done)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(self.path)
        fsync_directory(self.path.parent)

    def hidden(self, numbers: Sequence[int]) -> Tensor:
        """Give what is kept of these rows as their stream needs it, in fp32: [1, S, H], or [B, T, H] of padded rows."""
        (ids, _), places = self.lay(numbers)
        kept = self._mapped(self.path)
        spans = torch.cat([kept[self.starts[number] : self.starts[number + 1]] for number in numbers]).float()
        return spans.new_zeros(ids.numel(), self.width).index_copy_(0, places, spans).view(*ids.shape, self.width)

    def beside(self, numbers: Sequence[int], micros: Sequence[Micro]) -> list[KeptMicro[Micro]]:
        """Put what is kept beside micro-batches that were made of these rows, cut as `cut` does."""
        parts = cut([self.lengths[number] for number in numbers], self.budget)
        return [
            KeptMicro(micro, self.hidden([numbers[at] for at in part]))
            for part, micro in zip(parts, micros, strict=True)
        ]

    def clear(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)

    def _mapped(self, path: Path) -> Tensor:
        """Map a file that has its full size: [S, H]."""
        size = self.tokens * self.width
        mapped: Tensor = torch.from_file(str(path), shared=True, size=size, dtype=self.dtype)
        return mapped.view(self.tokens, self.width)
