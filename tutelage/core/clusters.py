"""What rows have in common, and how their mean varies when some share a prompt, a labeler, or one of two labelers.

D rows. A *way* is one thing that rows may share: prompts, of which a row has one, or labelers, of whom a row has one
or, where it tells how two agree, two. Rows of a cluster may depend on each other in any way; only rows that share
nothing are independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


class Spread(NamedTuple):
    """An estimate of the variance of a mean, as a sum of parts, each with its degrees of freedom."""

    parts: tuple[tuple[float, float], ...]

    @property
    def variance(self) -> float:
        """Add up the parts."""
        return math.fsum(variance for variance, _ in self.parts)

    def reach(self, level: float) -> float:
        """Give the quantile that a standard error is multiplied by (`statistics.two_way`); infinite without freedom."""
        if any(freedom <= 0 for _, freedom in self.parts):
            return math.inf
        share = (1 + level) / 2
        if not self.variance:
            return float(stdtrit(self.parts[0][1], share))
        whole = self.variance**2 / math.fsum(variance**2 / freedom for variance, freedom in self.parts)
        weighted = math.fsum(variance * stdtrit(freedom, share) for variance, freedom in self.parts) / self.variance
        return float(stdtrit(whole, share) + weighted) / 2


class Components(NamedTuple):
    """The variance of single judgements by what it comes from: their prompt, their labeler, and the rest."""

    prompt: float
    labeler: float
    rest: float


class Way(NamedTuple):
    """One thing that rows share, as one or two columns of codes 0 ... G - 1 [D]; a row's two codes differ."""

    columns: tuple[Codes, ...]

    @classmethod
    def of(cls, names: ArrayLike, n: int) -> Way:
        """Number the names [D]; ValueError where there is not one for each of n rows."""
        given = np.asarray(names)
        if given.shape != (n,):
            raise ValueError(
                f"There must be one cluster name for each of {n} rows, not an array of shape {given.shape}."
            )
        return cls.numbered([given])

    @classmethod
    def of_one_or_two(cls, names: ArrayLike, n: int) -> Way:
        """Number the names [D], or those of two to a row [D, 2]."""
        given = np.asarray(names)
        return cls.numbered([given[:, 0], given[:, 1]]) if given.shape == (n, 2) else cls.of(given, n)

    @classmethod
    def numbered(cls, columns: Sequence[NDArray[Any]]) -> Way:
        """Number the names of columns, the same name alike in every column."""
        codes = np.unique(np.concatenate(columns), return_inverse=True)[1]
        return cls(tuple(np.split(codes, len(columns))))

    @property
    def members(self) -> Codes:
        """Give the codes of all columns, one below the other."""
        return np.concatenate(self.columns)

    @property
    def size(self) -> int:
        """Count the clusters."""
        return int(self.members.max()) + 1

    @property
    def is_double(self) -> bool:
        """Say whether a row has two of what it shares."""
        return len(self.columns) == 2

    @property
    def pairs(self) -> Way:
        """Name the two clusters of a row as one."""
        first, second = self.columns
        return Way.numbered([np.minimum(first, second) * self.size + np.maximum(first, second)])

    @property
    def effective(self) -> float:
        """Give the number of clusters, as many alike ones as hold as much: n^2 / sum of n_g^2 (Kish 1965)."""
        counts = np.bincount(self.members).astype(np.float64)
        return float(counts.sum() ** 2 / np.square(counts).sum())

    def within(self, other: Way) -> Way:
        """Name what rows share in both ways at once; one of them has a single column."""
        return Way.numbered([one * other.size + two for one in self.columns for two in other.columns])

    def squares(self, rows: Floats) -> float:
        """Sum x_i x_j over ordered pairs of rows, itself included, as often as they share a cluster."""
        sums = np.bincount(self.members, weights=np.tile(rows, len(self.columns)))
        return float(np.square(sums).sum())

    def meetings(self) -> Floats:
        """Count, for each row, the rows that it shares a cluster with, as often as it does [D]."""
        counts = np.bincount(self.members).astype(np.float64)
        found: Floats = np.sum([counts[column] for column in self.columns], axis=0)
        return found

    def differences(self, rows: Floats) -> Floats:
        """Sum (y_i - y_j)^2 over ordered pairs of other rows, as often as they share a cluster, and count them [2]."""
        members, values = self.members, np.tile(rows, len(self.columns))
        size = np.bincount(members).astype(np.float64)
        squares, sums = np.bincount(members, weights=values**2), np.bincount(members, weights=values)
        return np.array([2 * (size * squares - sums**2).sum(), (size * (size - 1)).sum()])


def one_way(rows: Floats, way: Way) -> Spread:
    """Give the cluster-robust variance of the mean by a way of one column (`statistics.mean_estimate`).

    It is infinite for a single cluster, which cannot tell.
    """
    if way.size == 1:
        return Spread(((math.inf, 0.0),))
    effective = way.effective
    variance = effective / (effective - 1) * way.squares(rows - rows.mean()) / len(rows) ** 2
    return Spread(((variance, effective - 1),))


def crossed(rows: Floats, prompts: Way, labelers: Way) -> Spread:
    """Give the variance of the mean for rows that share prompts, labelers or both (`statistics.two_way`)."""
    if not labelers.is_double and min(prompts.size, labelers.size) == 1:
        return one_way(rows, max(prompts, labelers, key=lambda way: way.size))
    if prompts.size == 1:
        return one_way(rows, prompts)
    own = components(rows, prompts, labelers)
    ways = [(prompts, own.prompt), (labelers, own.labeler)]
    # The sums of labelers who stand in rows by twos tell too little of how labelers vary: see decision 038.
    (few, _), (other, part) = ways if labelers.is_double else sorted(ways, key=lambda way: way[0].effective)
    ((base, freedom),) = one_way(rows, few).parts
    # Few labelers can agree by chance, so that their sums hardly vary at all.
    base = max(base, float(rows.var()) / (len(rows) - 1) / 20)
    return Spread(((base, freedom), (part * _left(few, other), other.effective - 1)))


def components(rows: Floats, prompts: Way, labelers: Way) -> Components:
    """Estimate what rows vary by, from half the mean squared difference of pairs of them (`statistics.components`).

    Where a row has two labelers, `labeler` is the part of each: pairs with exactly one of them in common differ by the
    other's.
    """
    # Without its mean, so that large values lose no digits.
    rows = rows - rows.mean()
    everything = Way((np.zeros(len(rows), dtype=np.intp),)).differences(rows)
    of_prompt, by = prompts.differences(rows), labelers.differences(rows)
    of_both = prompts.within(labelers).differences(rows)
    # Pairs of rows that share one labeler, or both: the latter were counted twice.
    same, same_both = np.zeros(2), np.zeros(2)
    if labelers.is_double:
        same, same_both = (way.differences(rows) for way in (labelers.pairs, prompts.within(labelers.pairs)))
    between_labelers = _half_mean(of_prompt - (of_both - same_both))
    between_prompts = _half_mean((by - 2 * same) - (of_both - 2 * same_both))
    apart = _half_mean(everything - of_prompt - (by - same) + (of_both - same_both))
    prompt, labeler = max(0.0, apart - between_labelers), max(0.0, apart - between_prompts)
    prompt, labeler = (0.0 if math.isnan(part) else part for part in (prompt, labeler))
    whole = between_prompts if math.isnan(apart) else apart
    return Components(prompt, labeler, max(0.0, whole - prompt - len(labelers.columns) * labeler))


def _left(few: Way, other: Way) -> float:
    """Say how much of the other way's own variance Var(mean) holds beyond what is in the variance by the few clusters.

    With k_ij what rows i and j share of the other way, the mean holds k = mean k_ij of it. The residual sums by the few
    hold the mean over i, j of (k_ij - k_i - k_j + k) where i and j share one of the few and of 0 elsewhere (nothing
    where all are crossed alike), times G / (G - 1).
    """
    n, effective = len(few.columns[0]), few.effective
    shared = other.meetings() / n
    mean, ones = float(shared.mean()), np.ones(n)
    near = few.meetings()
    both = few.within(other).squares(ones)
    held = (both - 2 * float((near * shared).sum()) + mean * float(near.sum())) / n**2
    return max(0.0, mean - effective / (effective - 1) * held)


def _half_mean(pairs: Floats) -> float:
    """Give half the mean squared difference; NaN where there is no pair."""
    return float(pairs[0] / pairs[1] / 2) if pairs[1] else math.nan
