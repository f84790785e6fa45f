"""A model that is being examined: how likely it finds texts, and what it writes when it takes the likeliest tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.core.logprobs import chunked_logprobs
from tutelage.errors import DataError, InvariantError
from tutelage.generate.capacity import context_of
from tutelage.generate.engine import Engine, complete
from tutelage.generate.request import Request
from tutelage.models.load import head_weight, load_policy
from tutelage.models.policy import cut, hidden_states
from tutelage.models.prefix import Group, collate_groups
from tutelage.models.tokens import Renderer

#: Makes one number of the log-probabilities of a choice's tokens.
Reduce = Callable[[Tensor], Tensor]
#: Padded tokens computed at once.
BUDGET = 2048


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A model and its tokenizer.

    Texts begin as documents do when a model is pretrained: with what its tokenizer puts before them, else an end token.
    """

    model: PreTrainedModel
    tokenizer: Tokenizer
    budget: int = BUDGET

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Load a model directory."""
        return cls(*load_policy(directory))

    def prompts_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode texts that the model shall continue as they are, without any template."""
        renderer = Renderer(self.tokenizer)
        begin = renderer.start_ids or [renderer.end_id]
        return [begin + ids for ids in renderer.texts_ids(texts)]

    def mean_logprobs(self, prompts: Sequence[str], choices: Sequence[Sequence[str]]) -> list[list[float]]:
        """Give each choice's mean log-probability per token after its prompt, in nats (paper, App. D: at T = 1).

        A prompt is computed once for all its choices.
        """
        return self._logprobs(prompts, choices, Tensor.mean)

    def total_logprobs(self, prompts: Sequence[str], choices: Sequence[Sequence[str]]) -> list[list[float]]:
        """Give each choice's log-probability after its prompt, in nats."""
        return self._logprobs(prompts, choices, Tensor.sum)

    def _logprobs(self, prompts: Sequence[str], choices: Sequence[Sequence[str]], reduce: Reduce) -> list[list[float]]:
        renderer = Renderer(self.tokenizer)
        flat = iter(renderer.texts_ids([choice for some in choices for choice in some]))
        encoded = [[next(flat) for _ in some] for some in choices]
        groups = [Group(*pair) for pair in zip(self.prompts_ids(prompts), encoded, strict=True)]
        self._check(groups)
        found: dict[int, list[float]] = {}
        with torch.inference_mode():
            for part in cut([group.length for group in groups], self.budget):
                scored = self._score([groups[index] for index in part], reduce)
                found |= dict(zip(part, scored, strict=True))
        return [found[index] for index in range(len(groups))]

    def _score(self, groups: Sequence[Group], reduce: Reduce) -> list[list[float]]:
        rows = collate_groups(groups).to(self.model.device)
        hidden = hidden_states(self.model, rows.stream).flatten(0, 1)[rows.before]
        scored = chunked_logprobs(hidden, head_weight(self.model), rows.targets, with_entropy=False)
        return _reduced(scored.logprobs.cpu(), groups, reduce)

    def greedy_lines(self, prompts: Sequence[str], max_tokens: int) -> list[str]:
        """Continue each prompt with the likeliest tokens up to the first line feed (paper, App. D: T = 0)."""
        engine = Engine(self.model, self.tokenizer, max_batch=256)
        requests = [
            Request(prompt_ids=tuple(ids), max_tokens=max_tokens, temperature=0.0, stop=("\n",))
            for ids in self.prompts_ids(prompts)
        ]
        results = complete(engine, requests)
        for result in results:
            if result.finish_reason == "error":
                raise InvariantError(f"A task could not be scored: {result.error}")
        return [result.text for result in results]

    def _check(self, groups: Sequence[Group]) -> None:
        context = context_of(self.model)
        for group in groups:
            if not all(group.completions):
                raise DataError("A choice of a task has no token, so it has no probability; leave the item out.")
            longest = len(group.prompt) + max(map(len, group.completions))
            if longest > context:
                raise DataError(
                    f"An item of a task has {longest} tokens and the model's context is {context}; give shorter items."
                )


def _reduced(logprobs: Tensor, groups: Sequence[Group], reduce: Reduce) -> list[list[float]]:
    lengths = [len(choice) for group in groups for choice in group.completions]
    parts = iter(torch.split(logprobs, lengths))
    found = [[float(reduce(next(parts))) for _ in group.completions] for group in groups]
    if not all(math.isfinite(value) for row in found for value in row):
        raise InvariantError("The model's numbers are not finite on a task; its weights are damaged.")
    return found
