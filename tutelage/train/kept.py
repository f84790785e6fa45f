"""What comes out of frozen lower layers, computed once for every ranking and kept in a file that is read as memory is.

Several trainings on the same rankings, one for each fold say, then compute the upper layers alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tutelage.files import disk_errors, fsync_directory
from tutelage.models.packing import run
from tutelage.models.policy import cut
from tutelage.models.prefix import collate_groups
from tutelage.models.trunk import Lower
from tutelage.train.loop import LoopSettings, uses_bf16
from tutelage.train.reward import Ranked, RankedMicro, ranked_batch


class KeptMicro(NamedTuple):
    """A micro-batch with what the lower layers gave for its tokens: `hidden` [1, S, H]."""

    micro: RankedMicro
    hidden: Tensor

    def to(self, device: torch.device) -> KeptMicro:
        """Move to a device."""
        return KeptMicro(self.micro.to(device), self.hidden.to(device))

    def known_to(self, lower: Lower) -> RankedMicro:
        """Give the micro-batch, whose tokens the lower layers then need not compute."""
        lower.tell(self.micro.groups.stream.ids, self.hidden)
        return self.micro


class Kept:
    """The hidden states of all tokens of some rankings, row after row: [S, H] in bfloat16, or fp32 if that is computed.

    The file is there only when it is whole.
    """

    def __init__(self, path: Path, lower: Lower, rows: Sequence[Ranked], settings: LoopSettings) -> None:
        self.path, self.lower, self.rows, self.budget = path, lower, rows, settings.micro_tokens
        self.is_bf16 = uses_bf16(settings)
        self.dtype = torch.bfloat16 if self.is_bf16 else torch.float32
        stack: Any = lower.stack
        self.width = int(stack.config.hidden_size)
        self.starts = [0, *accumulate(row.group.length for row in rows)]

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
        for numbers in cut([row.group.length for row in self.rows], self.budget):
            stream = collate_groups([self.rows[number].group for number in numbers]).stream.to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=self.is_bf16):
                found = run(self.lower.stack, stream)[0].to(hidden.device, hidden.dtype)
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

    def micros(self, numbers: Sequence[int], rows: Sequence[Ranked]) -> list[KeptMicro]:
        """Make micro-batches of the rows of these numbers, whose weights may differ, with what is kept of them."""
        hidden = self._mapped(self.path)
        parts = cut([row.group.length for row in rows], self.budget)
        made = []
        for part, micro in zip(parts, ranked_batch(rows, self.budget), strict=True):
            spans = [hidden[self.starts[numbers[at]] : self.starts[numbers[at] + 1]] for at in part]
            made.append(KeptMicro(micro, torch.cat(spans).float().unsqueeze(0)))
        return made

    def clear(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)

    def _mapped(self, path: Path) -> Tensor:
        """Map a file that has its full size: [S, H]."""
        size = self.tokens * self.width
        mapped: Tensor = torch.from_file(str(path), shared=True, size=size, dtype=self.dtype)
        return mapped.view(self.tokens, self.width)
