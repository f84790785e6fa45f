"""All completions of a prompt in one row, so that the prompt is computed once.

A row is the prompt followed by its completions; each completion's positions restart after the prompt, and it sees the
prompt and itself only. P prompt tokens and K completions of R cost P + K R instead of K (P + R).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Group(NamedTuple):
    """A prompt and its K completions as tokens."""

    prompt: Sequence[int]
    completions: Sequence[Sequence[int]]

    @property
    def length(self) -> int:
        """Count the tokens of the shared row."""
        return len(self.prompt) + sum(map(len, self.completions))


class Groups(NamedTuple):
    """Padded rows of groups: ids and positions [B, T], attention [B, 1, T, T], ends [N] in the flattened [B * T].

    For likelihoods, every token of a completion has its place in `targets` [M], the place in [B * T] of the token
    before it in `before` [M], which is in the prompt for a first token, and its completion in `owners` [M].
    """

    ids: Tensor
    positions: Tensor
    attention: Tensor
    ends: Tensor
    before: Tensor
    targets: Tensor
    owners: Tensor

    def to(self, device: torch.device) -> Groups:
        """Move to a device."""
        return Groups(*(tensor.to(device) for tensor in self))


def collate_groups(groups: Sequence[Group], pad_id: int = 0) -> Groups:
    """Pad the rows of groups on the right and say who sees whom; padding sees only itself."""
    width = max(group.length for group in groups)
    ids = torch.full((len(groups), width), pad_id)
    positions = torch.zeros(len(groups), width, dtype=torch.long)
    part = torch.full((len(groups), width), -1)  # 0 prompt, k completion k, -1 padding
    ends: list[int] = []
    before: list[int] = []
    owners: list[int] = []
    for row, group in enumerate(groups):
        at = 0
        for number, tokens in enumerate([group.prompt, *group.completions]):
            span = slice(at, at + len(tokens))
            first = 0 if number == 0 else len(group.prompt)
            ids[row, span] = torch.tensor(tokens, dtype=torch.long)
            positions[row, span] = torch.arange(first, first + len(tokens))
            part[row, span] = number
            if number > 0:
                start = row * width
                before += [start + len(group.prompt) - 1, *range(start + at, start + at + len(tokens) - 1)][
                    : len(tokens)
                ]
                owners += [len(ends)] * len(tokens)
                ends.append(start + at + len(tokens) - 1)
            at += len(tokens)
    targets = [token for group in groups for tokens in group.completions for token in tokens]
    places = (torch.tensor(values, dtype=torch.long) for values in (ends, before, targets, owners))
    return Groups(ids, positions, _attention(part), *places)


def _attention(part: Tensor) -> Tensor:
    """Say who sees whom, looker before seen: bool [B, 1, T, T] from the part that each token belongs to [B, T]."""
    width = part.shape[1]
    causal = torch.ones(width, width, dtype=torch.bool, device=part.device).tril()
    looker, seen = part.unsqueeze(2), part.unsqueeze(1)
    itself = torch.eye(width, dtype=torch.bool, device=part.device)
    return ((causal & (seen >= 0) & ((seen == 0) | (seen == looker))) | itself).unsqueeze(1)
