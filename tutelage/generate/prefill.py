"""Cut what has arrived into chunks of distinct prompts that run through the model together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from tutelage.generate.request import Top
from tutelage.generate.rows import Choice
from tutelage.generate.scheduler import PIECE

#: Largest number of logits that one chunk may make: rows * kept positions * vocabulary.
LOGITS = 1 << 25

Scores = tuple[tuple[float, tuple[Top, ...]], ...]


@dataclass(slots=True)
class Prefill:
    """Distinct prompts and the choices that continue them; choice i continues prompt `owners[i]` <= i.

    Equal prompts of two tenants are two: how long the second takes would tell what the first one sent.
    """

    is_scored: bool  # all positions' logits are needed
    prompts: list[tuple[int, ...]] = field(default_factory=list)
    tenants: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    lengths: int = 0  # how many different prompt lengths

    def add(self, choice: Choice) -> None:
        """Append a choice; choices come shortest prompt first, equal prompts of a tenant side by side."""
        prompt = choice.request.prompt_ids
        if not self._has(choice):
            self.lengths += not self.prompts or len(self.prompts[-1]) != len(prompt)
            self.prompts.append(prompt)
            self.tenants.append(choice.request.tenant)
        self.choices.append(choice)
        self.owners.append(len(self.prompts) - 1)

    def fits(self, choice: Choice, vocabulary: int, most_tokens: int) -> bool:
        """Say whether the choice may join: same kind, and neither too many tokens nor too many logits."""
        prompt = choice.request.prompt_ids
        if self.is_scored != is_scored(choice):
            return False
        if self._has(choice):
            return True
        rows = len(self.prompts) + 1
        # Logits are kept for every position, or for each row at the last position of any row.
        kept = len(prompt) if self.is_scored else self.lengths + 1
        return rows * len(prompt) <= most_tokens and rows * kept * vocabulary <= LOGITS

    def _has(self, choice: Choice) -> bool:
        request = choice.request
        return bool(self.prompts) and (self.prompts[-1], self.tenants[-1]) == (request.prompt_ids, request.tenant)

    def padded(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the prompts' ids [B, W], filled up with 0 on the right, and their lengths [B]."""
        width = max(len(prompt) for prompt in self.prompts)
        rows = [prompt + (0,) * (width - len(prompt)) for prompt in self.prompts]
        lengths = [len(prompt) for prompt in self.prompts]
        return torch.tensor(rows, device=device), torch.tensor(lengths, device=device)

    def scores(self, logits: Tensor) -> dict[int, Scores]:
        """Return, by request, what the model thinks of each prompt token; `logits` [B, W, V]."""
        found: dict[int, Scores] = {}
        for choice, owner in zip(self.choices, self.owners, strict=True):
            if choice.request.prompt_logprobs and choice.id not in found:
                found[choice.id] = score(logits[owner], self.prompts[owner][1:], choice.request.top_logprobs)
        return found


@dataclass(slots=True)
class Staged:
    """A long prompt that is read piece by piece, in storage of its own, while others go on; shared by its choices."""

    choices: list[Choice]
    cache: DynamicCache = field(default_factory=DynamicCache)
    read: int = 0
    scores: list[tuple[float, tuple[Top, ...]]] = field(default_factory=list)

    @property
    def prompt(self) -> tuple[int, ...]:
        """Return the prompt's ids."""
        return self.choices[0].request.prompt_ids

    @property
    def is_read(self) -> bool:
        """Say whether the whole prompt has been read."""
        return self.read == len(self.prompt)

    def piece(self, vocabulary: int) -> tuple[int, int]:
        """Return where the next piece begins and ends."""
        size = PIECE
        if is_scored(self.choices[0]):
            size = max(1, min(size, LOGITS // vocabulary))
        return self.read, min(self.read + size, len(self.prompt))


def score(logits: Tensor, following: tuple[int, ...], top: int) -> Scores:
    """Return log p of each token, given those before it, and the `top` likeliest there; `logits` [>= L, V]."""
    logprobs = logits[: len(following)].float().log_softmax(-1)  # [L, V]
    ids = torch.tensor(following, dtype=torch.int64, device=logits.device)
    chosen = logprobs.gather(1, ids[:, None])[:, 0].tolist()
    values, indices = logprobs.topk(min(top, logprobs.shape[1]), dim=-1)
    likely = [tuple(map(Top, *row)) for row in zip(indices.tolist(), values.tolist(), strict=True)]
    return tuple(zip(chosen, likely, strict=True))


def chunks(choices: list[Choice], vocabulary: int, most_tokens: int) -> Iterator[Prefill]:
    """Yield chunks of at most `most_tokens` padded tokens (or one prompt), shortest prompts first."""
    current: Prefill | None = None
    for choice in sorted(choices, key=_order):
        if current is not None and not current.fits(choice, vocabulary, most_tokens):
            yield current
            current = None
        if current is None:
            current = Prefill(is_scored(choice))
        current.add(choice)
    if current is not None:
        yield current


def _order(choice: Choice) -> tuple[bool, int, tuple[int, ...], str]:
    prompt = choice.request.prompt_ids
    return is_scored(choice), len(prompt), prompt, choice.request.tenant


def is_scored(choice: Choice) -> bool:
    """Say whether the choice needs the logits of all prompt positions."""
    return choice.request.prompt_logprobs
