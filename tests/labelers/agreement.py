"""How often simulated labelers agree: the figure to which their noise is calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from tutelage.labelers.protocol import Instructions, Labeler


def agreement_on(
    prompts: Sequence[str],
    completions: Sequence[Sequence[str]],
    labelers: Sequence[Labeler],
    instructions: Instructions = "training",
) -> float:
    """Return the share of pairs that two labelers order alike, over all pairs of answers that neither of them ties."""
    alike = compared = 0
    for prompt, texts in zip(prompts, completions, strict=True):
        ranks = [labeler.rank(prompt, texts, instructions) for labeler in labelers]
        for first, second in combinations(ranks, 2):
            for i, j in combinations(range(len(texts)), 2):
                if first[i] != first[j] and second[i] != second[j]:
                    compared += 1
                    alike += (first[i] < first[j]) == (second[i] < second[j])
    return alike / compared
