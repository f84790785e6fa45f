"""Watch a policy in training on prompts it is not trained on: its last weights and their average, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from tutelage.core.kl import k1
from tutelage.models.policy import spread
from tutelage.models.scoring import Answer
from tutelage.models.tokens import Renderer
from tutelage.train.checkpoint import load_model_tensors, model_tensors
from tutelage.train.ema import Ema
from tutelage.train.rollout import Models, micro_batches, sample, scored

#: Says how good answers are on average, for a caller who knows better than the reward model.
Judge = Callable[[Sequence[Answer]], float]
#: Seeds of validation samples start far from those of rollouts; they are the same every time, so that runs compare.
FIRST_SEED = 1 << 62


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Sample, score and compare with the reference. It leaves every weight and every random state as it was.

    `trained` are the policy's weights that are trained, and averaged.
    """

    models: Models
    trained: nn.Module
    ema: Ema
    renderer: Renderer
    texts: Sequence[str]
    prompts: Sequence[Sequence[int]]
    max_tokens: int
    micro_tokens: int

    def measure(self, judge: Judge | None = None) -> dict[str, float]:
        """Give mean score, KL and length of the policy and of its average, and the mean of what a judge says."""
        found = self._measure("policy", judge)
        with weights_of(self.ema, self.trained):
            return found | self._measure("ema", judge)

    def _measure(self, name: str, judge: Judge | None) -> dict[str, float]:
        episodes = sample(self.models, self.renderer, self.prompts, self.max_tokens, FIRST_SEED)
        micros = micro_batches(episodes, self.micro_tokens)
        parts = scored(self.models, micros, lambda micro: [0.0] * len(micro))
        scores = torch.cat([part.scores for part in parts])
        kl = torch.cat([spread(k1(part.old, part.reference), part.rows.mask).sum(1) for part in parts])
        found = {
            f"validation/{name}/score": float(scores.mean()),
            f"validation/{name}/kl": float(kl.mean()),
            f"validation/{name}/length": sum(len(episode.row.completion) for episode in episodes) / len(episodes),
        }
        if judge is not None:
            written = [self.renderer.decode(episode.row.completion) for episode in episodes]
            ended = [episode.ended for episode in episodes]
            found[f"validation/{name}/judged"] = judge(list(map(Answer, self.texts, written, ended)))
        return found


@contextmanager
def weights_of(ema: Ema, model: nn.Module) -> Iterator[None]:
    """Put the average into the model inside the block; afterwards its own weights are back, bit by bit."""
    own = {name: tensor.clone() for name, tensor in model_tensors(model).items()}
    load_model_tensors(model, ema.tensors())
    try:
        yield
    finally:
        load_model_tensors(model, own)
