"""All completions of a prompt in one row, so that the prompt is computed once.

A group is the prompt followed by its completions; each completion's positions restart after the prompt, and it sees the
prompt and itself only. P prompt tokens and K completions of R cost P + K R instead of K (P + R).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tutelage.models.packing import Layout, Stream, Tree


class Group(NamedTuple):
    """A prompt and its K completions as tokens."""

    prompt: Sequence[int]
    completions: Sequence[Sequence[int]]

    @property
    def length(self) -> int:
        """Count the tokens of the shared row."""
        return len(self.prompt) + sum(map(len, self.completions))


class Groups(NamedTuple):
    """Groups as a stream; `ends` [N] are the places of completions' last tokens in it, group by group.

    For likelihoods, every token of a completion has its place in `targets` [M], the place in the stream of the token
    before it in `before` [M], which is in the prompt for a first token, and its completion in `owners` [M].
    """

    stream: Stream
    ends: Tensor
    before: Tensor
    targets: Tensor
    owners: Tensor

    def to(self, device: torch.device) -> Groups:
        """Move to a device."""
        stream, *places = self
        return Groups(stream.to(device), *(tensor.to(device) for tensor in places))


def collate_groups(groups: Sequence[Group]) -> Groups:
    """Lay groups end to end, each prompt before its completions, and say who sees whom."""
    ids: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    owners: list[int] = []
    for group in groups:
        ids += group.prompt
        last = len(ids) - 1
        for tokens in group.completions:
            before += [last, *range(len(ids), len(ids) + len(tokens) - 1)][: len(tokens)]
            owners += [len(ends)] * len(tokens)
            ids += tokens
            ends.append(len(ids) - 1)
    targets = [token for group in groups for tokens in group.completions for token in tokens]
    places = (torch.tensor(values, dtype=torch.long) for values in (ends, before, targets, owners))
    return Groups(Stream(torch.tensor([ids]), _layout(groups)), *places)


def _layout(groups: Sequence[Group]) -> Layout:
    """Give each group a padded row, in which the positions of each completion go on from the prompt."""
    width = max(group.length for group in groups)
    cells: list[Tensor] = []
    positions = torch.zeros(len(groups), width, dtype=torch.long)
    parts = torch.full((len(groups), width), -1)
    for row, group in enumerate(groups):
        at = 0
        for number, tokens in enumerate([group.prompt, *group.completions]):
            span = slice(at, at + len(tokens))
            first = 0 if number == 0 else len(group.prompt)
            positions[row, span] = torch.arange(first, first + len(tokens))
            parts[row, span] = number
            at += len(tokens)
        cells.append(torch.arange(at) + row * width)
    return Layout(len(groups), width, torch.cat(cells), positions, parts, _tree(groups))


def _tree(groups: Sequence[Group]) -> Tree:
    """Say where prompts and completions go when each are padded among themselves."""
    prompt = max(len(group.prompt) for group in groups)
    count = max(len(group.completions) for group in groups)
    longest = max(len(tokens) for group in groups for tokens in group.completions)
    stems: list[Tensor] = []
    stem_cells: list[Tensor] = []
    leaves: list[Tensor] = []
    leaf_cells: list[Tensor] = []
    at = 0
    for row, group in enumerate(groups):
        inside = torch.arange(len(group.prompt))
        stems.append(inside + at)
        stem_cells.append(inside + row * prompt)
        at += len(group.prompt)
        for number, tokens in enumerate(group.completions):
            inside = torch.arange(len(tokens))
            leaves.append(inside + at)
            leaf_cells.append(inside + (row * count + number) * longest)
            at += len(tokens)
    lengths = torch.tensor([len(group.prompt) for group in groups])
    shape = (len(groups), prompt, count, longest)
    return Tree(shape, torch.cat(stems), torch.cat(stem_cells), torch.cat(leaves), torch.cat(leaf_cells), lengths)
