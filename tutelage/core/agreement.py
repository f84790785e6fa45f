"""How far labelers agree: on which of two outputs is better, and on flags.

The paper reports 72.6 +- 1.5 % for its training labelers (3.4) and does not say what it did with ties; so three
readings are given side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tutelage.core.rankings import Groups, preferences
from tutelage.core.statistics import Estimate, Floats, Resampling, cluster_bootstrap


class Tally(NamedTuple):
    """Counts over pairs of outputs that two labelers both ranked; tallies add up.

    `untied` pairs are those that neither called a tie, `same` of them were ordered alike; `credit` is 1 - |a - b| with
    preferences a, b in {1, 1/2, 0}: 1 for the same verdict, 1/2 where only one saw a tie, 0 for opposite orders;
    `exact` pairs got the same of three verdicts.
    """

    pairs: int = 0
    untied: int = 0
    same: int = 0
    credit: float = 0.0
    exact: int = 0


class Agreement(NamedTuple):
    """Three readings of pairwise agreement, None where no pair qualifies; n counts pairs of outputs.

    Chance alone gives 1/2 only in `ties_excluded`. In `tie_half` a tie is half an agreement with either order; in
    `exact` better, tie and worse are three verdicts.
    """

    ties_excluded: Estimate | None
    tie_half: Estimate | None
    exact: Estimate | None


def compare(first: Groups[str], second: Groups[str]) -> Tally:
    """Compare two rankings over every pair of ids that both contain."""
    a, b = preferences(first), preferences(second)
    verdicts = [(a[pair], b[pair]) for pair in a.keys() & b.keys()]
    untied = [(x, y) for x, y in verdicts if x != 0.5 and y != 0.5]
    return Tally(
        pairs=len(verdicts),
        untied=len(untied),
        same=sum(x == y for x, y in untied),
        credit=sum(1 - abs(x - y) for x, y in verdicts),
        exact=sum(x == y for x, y in verdicts),
    )


def within(rankings: Sequence[Groups[str]]) -> Tally:
    """Compare every two of one prompt's rankings, each by another labeler."""
    return _total([compare(first, second) for first, second in combinations(rankings, 2)])


def between(first: Sequence[Groups[str]], second: Sequence[Groups[str]]) -> Tally:
    """Compare one prompt's rankings by one group of labelers (or a model) with those by another."""
    return _total([compare(a, b) for a, b in product(first, second)])


def agreement(prompts: Sequence[Tally], how: Resampling) -> Agreement:
    """Give the share of agreeing pairs, from one tally per prompt, with bootstrap intervals over *prompts*.

    The pairs of one prompt depend on each other, so prompts are drawn, not pairs.
    """
    sums = np.array(prompts, dtype=np.float64).reshape(-1, len(Tally._fields))
    total = _total(prompts)

    def share(agreeing: str, of: str) -> Estimate | None:
        columns = [Tally._fields.index(agreeing), Tally._fields.index(of)]
        return cluster_bootstrap(sums[:, columns], _ratio, int(getattr(total, of)), how)

    return Agreement(share("same", "untied"), share("credit", "pairs"), share("exact", "pairs"))


def gwet_ac1(counts: ArrayLike, how: Resampling, prompts: ArrayLike | None = None) -> Estimate | None:
    """Give Gwet's AC1 (2008) for categories such as a flag's yes and no; sound where one answer is rare.

    `counts` [items, categories] says how many labelers chose each category; items with no answer are left out and an
    item with one answer only tells how common the categories are. AC1 = (p_a - p_e) / (1 - p_e) with p_a the mean over
    items of the share of agreeing pairs of labelers and p_e = sum_k pi_k (1 - pi_k) / (categories - 1), pi_k the mean
    share of category k. The interval draws items, or whole `prompts` where given; n counts items with two answers.
    ValueError where there are not two categories or more.
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(f"AC1 needs counts of two or more categories per item, not an array of shape {table.shape}.")
    answers = table.sum(axis=1, keepdims=True)
    judged, twice = answers[:, 0] > 0, answers[:, 0] > 1
    share = table / np.maximum(answers, 1)
    agreeing = (share * (table - 1)).sum(axis=1) / np.maximum(answers[:, 0] - 1, 1)
    sums = np.column_stack([agreeing, twice, judged, share])
    if prompts is not None:
        codes = np.unique(np.asarray(prompts), return_inverse=True)[1]
        sums = np.stack([np.bincount(codes, weights=column) for column in sums.T], axis=1)
    return cluster_bootstrap(sums, _ac1, int(twice.sum()), how)


def _ac1(sums: Floats) -> Floats:
    """Give AC1 from the sums [..., (agreement, items with two answers, items with one, share of each category)]."""
    observed = _ratio(sums[..., :2])
    common = _ratio(np.stack(np.broadcast_arrays(sums[..., 3:], sums[..., 2:3]), axis=-1))
    chance = (common * (1 - common)).sum(axis=-1) / (common.shape[-1] - 1)
    corrected: Floats = (observed - chance) / (1 - chance)
    return corrected


def _ratio(sums: Floats) -> Floats:
    """Give sums[..., 0] / sums[..., 1], NaN where the latter is 0."""
    whole = sums[..., 1]
    return np.divide(sums[..., 0], whole, out=np.full_like(whole, np.nan), where=whole > 0)


def _total(tallies: Sequence[Tally]) -> Tally:
    return Tally(*(sum(column) for column in zip(*tallies, strict=True))) if tallies else Tally()
