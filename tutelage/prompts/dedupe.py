"""Near-duplicates among prompts: equal texts, and texts that share a long common prefix (paper, 3.2 and A.2).

The paper gives no threshold; ours is a setting. Sorted, texts with a common prefix are neighbours, so only neighbours
are compared: O(n log n).
"""

from collections.abc import Sequence
from typing import NamedTuple


class Text(NamedTuple):
    """A normalised text. Of a group the fixed ones stay, else the one with the smallest `rank`."""

    id: str
    text: str
    rank: tuple[int, ...]
    fixed: bool = False


def duplicates(texts: Sequence[Text], *, min_prefix: int, share: float) -> dict[str, str]:
    """Return, for each text to drop, the id of the one that stays for it.

    Two neighbours are duplicates when they are equal, or when their common prefix has at least `min_prefix` characters
    and at least `share` of the shorter text; neighbours of neighbours belong to one group. A dropped text leaves new
    neighbours behind, so this is repeated until nothing is dropped: then no two neighbours are duplicates.
    """
    kept_for: dict[str, str] = {}
    left = sorted(texts, key=lambda one: (one.text, one.rank))
    while True:
        dropped = _pass(left, min_prefix, share)
        if not dropped:
            break
        kept_for |= dropped
        left = [one for one in left if one.id not in dropped]
    return {one: _root(kept_for, one) for one in kept_for}


def common_prefix(a: str, b: str) -> int:
    """Return the number of characters that two texts have in common at the start, by bisection."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def are_duplicates(a: str, b: str, *, min_prefix: int, share: float) -> bool:
    """Say whether two normalised texts count as one prompt."""
    return a == b or common_prefix(a, b) >= max(min_prefix, share * min(len(a), len(b)))


def _pass(ordered: Sequence[Text], min_prefix: int, share: float) -> dict[str, str]:
    """Join neighbours once; return each dropped text with the one that stays for it."""
    dropped: dict[str, str] = {}
    group: list[Text] = []
    for one in [*ordered, None]:
        joins = one and group and are_duplicates(group[-1].text, one.text, min_prefix=min_prefix, share=share)
        if not joins and len(group) > 1:
            kept = min(group, key=lambda member: (not member.fixed, member.rank))
            dropped |= {member.id: kept.id for member in group if member is not kept and not member.fixed}
        if one is not None:
            group = [*group, one] if joins else [one]
    return dropped


def _root(kept_for: dict[str, str], one: str) -> str:
    while one in kept_for:
        one = kept_for[one]
    return one
