"""Score texts with a reward model, many at a time: for choosing checkpoints, best of n, and reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from tutelage.errors import DataError
from tutelage.models.policy import Row, collate, cut
from tutelage.models.scalar import ScalarModel, load_scalar
from tutelage.models.tokens import Renderer, Template

#: Padded tokens per forward pass.
BUDGET = 8192


class Answer(NamedTuple):
    """A prompt with a completion to be scored; `ended` is False when the length cap cut it, so it has no end token."""

    prompt: str
    completion: str
    ended: bool = True


class Scorer:
    """A reward model that reads texts."""

    def __init__(self, path: Path | str, template: Template = "plain") -> None:
        self.model, tokenizer = load_scalar(path)
        self.renderer = Renderer(tokenizer, template)

    def score(self, answers: Sequence[Answer]) -> list[float]:
        """Score each answer, in their order."""
        prompts = self.renderer.prompts_ids([answer.prompt for answer in answers])
        completions = self.renderer.completions_ids([answer.completion for answer in answers], end=False)
        end = [self.renderer.end_id]
        rows = [
            Row(prompt, completion + end if answer.ended else completion)
            for prompt, completion, answer in zip(prompts, completions, answers, strict=True)
        ]
        return score_rows(self.model, rows)


@torch.no_grad()
def score_rows(model: ScalarModel, rows: Sequence[Row], budget: int = BUDGET) -> list[float]:
    """Score each row at its last token, in their order."""
    for row in rows:
        if not row.completion:
            raise DataError("A completion without a single token has no score; leave it out.")
    scores = [0.0] * len(rows)
    device = model.head.weight.device
    for part in cut([row.length for row in rows], budget):
        found = model.score(collate([rows[i] for i in part]).to(device))
        for index, score in zip(part, found.tolist(), strict=True):
            scores[index] = score
    return scores
