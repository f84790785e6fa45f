"""A second reward model as PPO's judge: the policy never learns from it, so it shows where more reward is no better."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tutelage.errors import SettingsError
from tutelage.models.scoring import Answer, Scorer
from tutelage.models.tokens import Template
from tutelage.train.validation import Judge


def gold_judge(model: Path, template: Template, watched: Sequence[str]) -> Judge:
    """Give the mean score of answers by a reward model; without prompts to watch the policy on nobody asks it."""
    if not watched:
        raise SettingsError("--gold judges answers to held-out prompts, and there are none; name some with --heldout.")
    scorer = Scorer(model, template)

    def judged(answers: Sequence[Answer]) -> float:
        scores = scorer.score(answers)
        return sum(scores) / len(scores)

    return judged
