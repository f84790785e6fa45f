"""From texts to micro-batches: encode, drop what is too long, put rows of similar length together."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tutelage.errors import DataError
from tutelage.models.policy import Row, Rows, collate, cut, of_width
from tutelage.models.tokens import Renderer

logger = logging.getLogger(__name__)


class Example(NamedTuple):
    """A prompt with the completion that is to be learned; one that has not `ended` was cut and has no end token."""

    prompt: str
    completion: str
    ended: bool = True


class Weighted(NamedTuple):
    """A micro-batch of rows with the weight of every counted token [N]; weights sum to its term's share of the step."""

    rows: Rows
    weights: Tensor

    def to(self, device: torch.device) -> Weighted:
        """Move to a device."""
        return Weighted(self.rows.to(device), self.weights.to(device))

    def weightless(self) -> Weighted:
        """Give the same rows, none of which counts."""
        return self._replace(weights=torch.zeros_like(self.weights))


def encode_examples(
    examples: Sequence[Example], renderer: Renderer, context: int, what: str, longest_prompt: int = 0
) -> list[Row]:
    """Encode prompts and completions with end tokens; those longer than the context are dropped and counted aloud.

    So are prompts of more than `longest_prompt` tokens, where that is above 0.
    """
    if not examples:
        raise DataError(f"There are no {what}; give some.")
    for number, example in enumerate(examples, start=1):
        if not example.prompt.strip() or not example.completion.strip():
            raise DataError(f"Number {number} of the {what} has an empty prompt or completion; remove it.")
    prompts = renderer.prompts_ids([example.prompt for example in examples])
    completions = renderer.completions_ids([example.completion for example in examples], end=False)
    ends: tuple[list[int], list[int]] = ([], [renderer.end_id])
    rows = [
        Row(prompt, completion + ends[example.ended])
        for prompt, completion, example in zip(prompts, completions, examples, strict=True)
    ]
    asked = [row for row in rows if fits(row.prompt, longest_prompt)]
    kept = [row for row in asked if row.length <= context]
    if not asked:
        raise DataError(f"There are no {what} with prompts of at most {longest_prompt} tokens; raise longest_prompt.")
    if not kept:
        raise DataError(
            f"There are no {what} of at most {context} tokens, the context of the model; give shorter ones, or a model "
            "with a longer context."
        )
    told_dropped(len(rows) - len(asked), len(rows), f"prompts of {what}", longest_prompt)
    told_dropped(len(asked) - len(kept), len(asked), what, context)
    return kept


def fits(prompt: Sequence[int], longest: int) -> bool:
    """Say whether a prompt has at most `longest` tokens; 0 is no limit."""
    return not longest or len(prompt) <= longest


def told_dropped(dropped: int, total: int, what: str, limit: int) -> None:
    """Say how many items were too long to be used."""
    if dropped:
        logger.warning("%d of %d %s are longer than %d tokens and are left out.", dropped, total, what, limit)


def completion_batch(rows: Sequence[Row], budget: int, share: float = 1.0) -> list[Weighted]:
    """Make the micro-batches of one optimizer step: weights are share / (counted tokens of the whole step)."""
    micros = [collate([rows[i] for i in part]) for part in cut([row.length for row in rows], budget)]
    return weigh(micros, share)


def text_batch(ids: Tensor, budget: int, share: float = 1.0) -> list[Weighted]:
    """Make micro-batches of packed text [rows, width]: every token but the first of each row counts."""
    step = max(1, budget // ids.shape[1])
    return weigh([of_width(part) for part in ids.split(step)], share)


def weigh(micros: Iterable[Rows], share: float = 1.0) -> list[Weighted]:
    """Give every counted token of the step the same weight; together they weigh `share`."""
    kept = list(micros)
    total = sum(len(rows.targets) for rows in kept)
    return [Weighted(rows, torch.full((len(rows.targets),), share / total, dtype=torch.float64)) for rows in kept]
