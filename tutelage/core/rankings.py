"""Orders with ties: groups of tied items (best first), ranks (0 is best, equal ranks are ties) and pairs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)
Groups = Sequence[Sequence[Item]]


def validate(groups: Groups[str], presented: Iterable[str]) -> None:
    """Raise ValueError, with one sentence, unless the groups hold each presented id exactly once and none is empty."""
    shown, placed = Counter(presented), Counter(item for group in groups for item in group)
    if not all(groups):
        raise ValueError("A ranking has an empty group; leave it out.")
    for what, wrong in (
        ("was presented twice", [item for item, count in shown.items() if count > 1]),
        ("is ranked twice", [item for item, count in placed.items() if count > 1]),
        ("is ranked but was not presented", list(placed - shown)),
        ("was presented but is not ranked", list(shown - placed)),
    ):
        if wrong:
            raise ValueError(f"Completion {min(wrong)!r} {what}; rank each presented completion exactly once.")


def ranks(groups: Groups[Item], items: Sequence[Item]) -> tuple[int, ...]:
    """Give the rank of each of `items`, in their order: the number of the group it is in, from 0."""
    place = {item: rank for rank, group in enumerate(groups) for item in group}
    return tuple(place[item] for item in items)


def groups(ranks: Sequence[int], items: Sequence[Item]) -> tuple[tuple[Item, ...], ...]:
    """Gather `items` of equal rank, lowest rank first; within a group they keep their order. Inverse of `ranks`."""
    tied: defaultdict[int, list[Item]] = defaultdict(list)
    for rank, item in zip(ranks, items, strict=True):
        tied[rank].append(item)
    return tuple(tuple(tied[rank]) for rank in sorted(tied))


def pairs(ranks: Sequence[int]) -> list[tuple[int, int]]:
    """List (winner, loser) by index for every pair of unequal rank; ties give none (paper, 3.5 and C.2).

    K completions without ties give K (K - 1) / 2 pairs.
    """
    return [
        (i, j) if ranks[i] < ranks[j] else (j, i) for i, j in combinations(range(len(ranks)), 2) if ranks[i] != ranks[j]
    ]


def preferences(groups: Groups[str]) -> dict[tuple[str, str], float]:
    """Say for each pair of ids (a, b), a < b, how a fared: 1 preferred to b, 1/2 tied, 0 not preferred."""
    place = sorted((item, rank) for rank, group in enumerate(groups) for item in group)
    return {(a, b): (1.0 if i < j else 0.5 if i == j else 0.0) for (a, i), (b, j) in combinations(place, 2)}


def mean_rank_order(rankings: Sequence[Groups[str]]) -> tuple[tuple[str, ...], ...]:
    """Merge several rankings of the same ids into one: order by mean midrank (Borda), equal means are ties.

    A group of m ids after p better ones has midrank p + (m - 1) / 2; the sums are kept doubled, so ties are exact.
    ValueError where the rankings are not of the same ids.
    """
    totals: Counter[str] = Counter()
    for ranking in rankings:
        better = 0
        for group in ranking:
            totals.update({item: 2 * better + len(group) - 1 for item in group})
            better += len(group)
    if any({item for group in ranking for item in group} != set(totals) for ranking in rankings):
        raise ValueError("Rankings of different completions have no mean order; merge rankings of one set only.")
    items = sorted(totals)
    return groups([totals[item] for item in items], items)
