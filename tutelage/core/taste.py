"""Reward models for labelers who want different things: how a prompt names a group, and rules that join their scores.

C completions of one prompt, G groups of labelers, each with a reward model of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tutelage.core.clusters import Floats


def conditioned(prompt: str, group: str) -> str:
    """Write a prompt as asked on behalf of a group: the last line names it, so that shortening from the front keeps it.

    A reward model that learned from prompts written so judges for the group that it is asked about, and a policy that
    was trained on them writes for it.
    """
    return f"{prompt}\n\nWritten for: {group}"


def balance(groups: Sequence[str]) -> list[float]:
    """Weigh rankings so that every group counts alike, however many of them it made; the mean weight is 1."""
    sizes = {group: groups.count(group) for group in set(groups)}
    return [len(groups) / (len(sizes) * sizes[group]) for group in groups]


def favour(groups: Sequence[str], concerned: Sequence[str], times: float) -> list[float]:
    """Weigh rankings by the group that a prompt concerns `times` as much as the others of it; "" concerns nobody."""
    return [times if concern and group == concern else 1.0 for group, concern in zip(groups, concerned, strict=True)]


def standard(scores: Sequence[ArrayLike]) -> list[Floats]:
    """Centre the scores [C] of each prompt, and divide all by the root of their mean square, which then is 1.

    So models whose scores spread differently can be compared; where no two scores differ, all are 0.
    """
    rows = [np.asarray(row, dtype=np.float64) for row in scores]
    centred: list[Floats] = [row - row.mean() for row in rows]
    size = float(np.sqrt(np.mean(np.square(np.concatenate(centred))))) if centred else 0.0
    return [row / size if size else row for row in centred]


def joined(by_group: ArrayLike, rule: str) -> Floats:
    """Join the standard scores [G, C] of the groups' own models into one score for all [C].

    `mean` serves the sum of the groups, `least` the group that likes a completion least (Rawls 1971). ValueError for
    another rule.
    """
    scores = np.asarray(by_group, dtype=np.float64)
    if rule not in ("mean", "least"):
        raise ValueError(f"There is no rule {rule!r}; there are mean and least.")
    found: Floats = scores.mean(axis=0) if rule == "mean" else scores.min(axis=0)
    return found


def chosen(scores: ArrayLike, ranks: ArrayLike) -> float:
    """Say how the completion with the highest score fares against the others in a ranking: 1 beats all, a tie 1/2.

    `scores` and `ranks` [C], of which lower ranks are better; of equal highest scores, the mean. ValueError for one
    completion.
    """
    values, places = np.asarray(scores, dtype=np.float64), np.asarray(ranks)
    if len(values) < 2:
        raise ValueError("A choice needs two completions or more.")
    wins = (1 + np.sign(places[None, :] - places[:, None])) / 2
    against = (wins.sum(axis=1) - 0.5) / (len(values) - 1)
    return float(against[values == values.max()].mean())
