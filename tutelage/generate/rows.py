"""The running batch: what the engine knows of every row, as tensors that move together with the cache's rows.

Shapes: B rows of capacity, T tokens drawn for, S stop ids.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from tutelage.generate.request import Request
from tutelage.generate.sampler import Bias, Filters
from tutelage.generate.text import TextStream

#: Fills the rows of stop ids; no token has this id.
NO_TOKEN = -1


@dataclass(slots=True)
class Choice:
    """One continuation of a request: its place in the answer, its random numbers and its text so far."""

    id: int
    index: int
    request: Request
    draws: np.ndarray  # [max_tokens] fp32
    stop_ids: tuple[int, ...]
    text: TextStream | None
    counts: Counter[int] = field(default_factory=Counter)  # sampled tokens, kept where a penalty asks for them

    @property
    def width(self) -> int:
        """Return the columns that this choice may need."""
        return self.request.room


class Rows:
    """The choices in the batch, row by row. Row i here is row i of the cache."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.choices: list[Choice] = []
        self.longest = 0  # the largest length of any row, known without asking the device
        self._allocate(0, 0, 0)

    def __len__(self) -> int:
        return len(self.choices)

    def _allocate(self, rows: int, draws: int, stops: int) -> None:
        self.last = torch.zeros(rows, dtype=torch.int64, device=self.device)  # newest token, not yet in the cache
        self.lengths = torch.zeros(rows, dtype=torch.int64, device=self.device)  # tokens in the cache
        self.drawn = torch.zeros(rows, dtype=torch.int64, device=self.device)  # tokens sampled
        self.limits = torch.zeros(rows, dtype=torch.int64, device=self.device)  # tokens asked for
        self.temperature = torch.zeros(rows, device=self.device)
        self.top_p = torch.zeros(rows, device=self.device)
        self.top_k = torch.zeros(rows, dtype=torch.int64, device=self.device)
        self.draws = torch.zeros(rows, draws, device=self.device)
        self.stop_ids = torch.full((rows, stops), NO_TOKEN, dtype=torch.int64, device=self.device)

    def _tensors(self) -> list[Tensor]:
        flat = [self.last, self.lengths, self.drawn, self.limits, self.temperature, self.top_p, self.top_k]
        return [*flat, self.draws, self.stop_ids]

    def _reserve(self, rows: int, draws: int, stops: int) -> None:
        have = (self.last.shape[0], self.draws.shape[1], self.stop_ids.shape[1])
        want = (max(have[0], rows), max(have[1], draws), max(have[2], stops))
        if want == have:
            return
        old, count = self._tensors(), len(self)
        self._allocate(*want)
        for new, before in zip(self._tensors(), old, strict=True):
            new[(slice(count), *(slice(size) for size in before.shape[1:]))] = before[:count]

    def filters(self, new: slice) -> Filters:
        """Return how rows are drawn."""
        return Filters(self.temperature[new], self.top_p[new], self.top_k[new])

    def add(self, choices: list[Choice], lengths: list[int]) -> None:
        """Append rows that have just been prefilled."""
        first, count = len(self), len(choices)
        most_draws = max(1, *(choice.request.max_tokens for choice in choices))
        most_stops = max(len(choice.stop_ids) for choice in choices)
        self._reserve(first + count, most_draws, most_stops)
        draws = np.zeros((count, self.draws.shape[1]), dtype=np.float32)
        stops = np.full((count, self.stop_ids.shape[1]), NO_TOKEN, dtype=np.int64)
        for i, choice in enumerate(choices):
            draws[i, : len(choice.draws)] = choice.draws
            stops[i, : len(choice.stop_ids)] = choice.stop_ids
        new = slice(first, first + count)
        requests = [choice.request for choice in choices]
        self.draws[new] = torch.from_numpy(draws).to(self.device)
        self.stop_ids[new] = torch.from_numpy(stops).to(self.device)
        self.lengths[new] = torch.tensor(lengths, device=self.device)
        self.drawn[new] = 0
        self.limits[new] = torch.tensor([request.max_tokens for request in requests], device=self.device)
        self.temperature[new] = torch.tensor([float(request.temperature) for request in requests], device=self.device)
        self.top_p[new] = torch.tensor([float(request.top_p) for request in requests], device=self.device)
        self.top_k[new] = torch.tensor([request.top_k for request in requests], device=self.device)
        self.choices.extend(choices)
        self.longest = max(self.longest, *lengths)

    def remove(self, gone: set[int]) -> tuple[list[int], list[int]]:
        """Drop rows by letting the last ones fill the holes; return (moved from, moved to)."""
        keep = len(self) - len(gone)
        targets = sorted(row for row in gone if row < keep)
        sources = [row for row in range(keep, len(self)) if row not in gone]
        for source, target in zip(sources, targets, strict=True):
            self.choices[target] = self.choices[source]
        del self.choices[keep:]
        if sources:
            origin, place = torch.tensor([sources, targets], device=self.device)
            for tensor in self._tensors():
                tensor[place] = tensor[origin]
        if gone:
            self.longest = int(self.lengths[:keep].max()) if keep else 0
        return sources, targets

    def bias(self, first: int) -> Bias | None:
        """Return what is added to the logits of the rows from `first` on; None when nothing is."""
        found: list[tuple[int, int, float]] = []
        for row, choice in enumerate(self.choices[first:]):
            request = choice.request
            if request.is_biased:
                found += ((row, token, value) for token, value in request.logit_bias)
                presence, frequency = request.presence_penalty, request.frequency_penalty
                found += ((row, token, -presence - frequency * count) for token, count in choice.counts.items())
        if not found:
            return None
        rows, tokens, values = zip(*found, strict=True)
        device = self.device
        return Bias(
            torch.tensor(rows, device=device),
            torch.tensor(tokens, device=device),
            torch.tensor(values, dtype=torch.float32, device=device),
        )

    def widest(self) -> int:
        """Return the most columns that any row may need."""
        return max((choice.width for choice in self.choices), default=0)
