"""How far labelers agree: on which of two outputs is better, on whole orders, on a scale, and on flags.

The paper reports 72.6 +- 1.5 % for its training labelers (3.4) and does not say what it did with ties; so three
readings are given side by side.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tutelage.core import dyads
from tutelage.core.clusters import Floats
from tutelage.core.dyads import Sharing, ratio
from tutelage.core.rankings import Groups, preferences
from tutelage.core.statistics import Estimate, Resampling, cluster_bootstrap


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
        return cluster_bootstrap(sums[:, columns], ratio, int(getattr(total, of)), how)

    return Agreement(share("same", "untied"), share("credit", "pairs"), share("exact", "pairs"))


def pairwise(tallies: Sequence[Tally], sharing: Sharing) -> Agreement:
    """Give the share of agreeing pairs, from one tally per prompt and two labelers.

    The intervals are for new prompts and new labelers (`dyads.share`).
    """
    counts = np.array(tallies, dtype=np.float64).reshape(-1, len(Tally._fields))

    def share(agreeing: str, of: str) -> Estimate | None:
        part, whole = (counts[:, Tally._fields.index(name)] for name in (agreeing, of))
        return dyads.share(part, whole, sharing)

    return Agreement(share("same", "untied"), share("credit", "pairs"), share("exact", "pairs"))


def kendall_tau(first: Groups[str], second: Groups[str]) -> float | None:
    """Give Kendall's tau-b (1945) of two rankings over the ids that both contain; None where one ties everything.

    tau_b = sum s_a s_b / sqrt(sum s_a^2 * sum s_b^2) over pairs, with s the sign of a pair in an order, 0 for a tie.
    """
    a, b = preferences(first), preferences(second)
    signs = [(2 * a[pair] - 1, 2 * b[pair] - 1) for pair in a.keys() & b.keys()]
    size = math.sqrt(sum(x * x for x, _ in signs) * sum(y * y for _, y in signs))
    return sum(x * y for x, y in signs) / size if size else None


def krippendorff_alpha(
    units: Mapping[tuple[str, str], Mapping[str, int]], metric: Literal["nominal", "ordinal", "interval"]
) -> Estimate | None:
    """Give Krippendorff's alpha (Content Analysis, 2004, 11.3) of whole numbers; None where it is undefined.

    `units` names, by (prompt, thing judged), each labeler's value. alpha = 1 - D_o / D_e: with o_ck the coincidences of
    the values c and k (a pair of labelers adds 1 / (m - 1) for a thing that m judged), n_c = sum_k o_ck, n = sum_c n_c,
    D_o = sum o_ck d_ck / n and D_e = sum n_c n_k d_ck / (n (n - 1)). The difference d is 0 or 1 for `nominal`,
    (c - k)^2 for `interval`, and (sum_{g=c..k} n_g - (n_c + n_k) / 2)^2 for `ordinal`. Things with one value do not
    count. The interval is for new prompts and labelers (`dyads.estimate`); n counts things that two or more judged.
    """
    values = sorted({value for given in units.values() if len(given) > 1 for value in given.values()})
    place = {value: at for at, value in enumerate(values)}
    rows: defaultdict[tuple[str, str, str], Floats] = defaultdict(lambda: np.zeros((len(values), len(values))))
    for (prompt, _), given in units.items():
        for first, second in combinations(sorted(given), 2):
            a, b = place[given[first]], place[given[second]]
            for cell in ((a, b), (b, a)):
                rows[prompt, first, second][cell] += 1 / (len(given) - 1)
    if not rows:
        return None
    distances = {"nominal": _nominal, "ordinal": _ordinal, "interval": _interval}[metric]

    def alpha(sums: Floats) -> Floats:
        return _alpha(sums.reshape(*sums.shape[:-1], len(values), len(values)), distances(sums, np.array(values)))

    sharing = Sharing(*(list(names) for names in zip(*rows, strict=True)))
    found = dyads.estimate(
        np.stack([row.ravel() for row in rows.values()]),
        alpha,
        sharing,
        sum(len(given) > 1 for given in units.values()),
    )
    return found and found._replace(low=max(-1.0, found.low), high=min(1.0, found.high))


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
    observed = ratio(sums[..., :2])
    common = ratio(np.stack(np.broadcast_arrays(sums[..., 3:], sums[..., 2:3]), axis=-1))
    chance = (common * (1 - common)).sum(axis=-1) / (common.shape[-1] - 1)
    corrected: Floats = (observed - chance) / (1 - chance)
    return corrected


def _alpha(coincidences: Floats, distances: Floats) -> Floats:
    """Give alpha from coincidences [..., C, C] and differences of the same shape; NaN where nothing could differ."""
    common = coincidences.sum(axis=-1)
    n = common.sum(axis=-1)
    observed = (coincidences * distances).sum(axis=(-2, -1))
    expected = (common[..., :, None] * common[..., None, :] * distances).sum(axis=(-2, -1)) / (n - 1)
    return 1 - np.divide(observed, expected, out=np.full_like(n, np.nan), where=expected > 0)


def _nominal(sums: Floats, values: Floats) -> Floats:
    return np.broadcast_to(1 - np.eye(len(values)), (*sums.shape[:-1], len(values), len(values)))


def _interval(sums: Floats, values: Floats) -> Floats:
    apart = np.square(values[:, None] - values[None, :]).astype(np.float64)
    return np.broadcast_to(apart, (*sums.shape[:-1], len(values), len(values)))


def _ordinal(sums: Floats, values: Floats) -> Floats:
    common = sums.reshape(*sums.shape[:-1], len(values), len(values)).sum(axis=-1)
    # The values up to the middle of each value's own: their distance is the number of judgements between two middles.
    middles = np.cumsum(common, axis=-1) - common / 2
    return np.square(middles[..., :, None] - middles[..., None, :])


def _total(tallies: Sequence[Tally]) -> Tally:
    return Tally(*(sum(column) for column in zip(*tallies, strict=True))) if tallies else Tally()
