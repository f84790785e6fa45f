"""Finds near-duplicates among texts: Jaccard similarity of the sets of three-word shingles, exactly."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict


def shingles(text: str, width: int = 3) -> frozenset[tuple[str, ...]]:
    """Return every run of `width` words in lower case; of a shorter text the whole."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    if len(words) <= width:
        return frozenset({tuple(words)})
    return frozenset(tuple(words[i : i + width]) for i in range(len(words) - width + 1))


def jaccard(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> float:
    """Return |a and b| / |a or b|."""
    return len(a & b) / len(a | b)


class NearDuplicates:
    """A set of texts that knows whether another text is at least `threshold` similar to one of them.

    Two sets with Jaccard >= t share at least ceil(t * |a|) of the shingles of `a`, so at least one among any
    |a| - ceil(t * |a|) + 1 of them: only texts sharing one of the rarest are compared.
    """

    def __init__(self, texts: list[str] | None = None, threshold: float = 0.8) -> None:
        self.threshold = threshold
        self._sets: list[frozenset[tuple[str, ...]]] = []
        self._holders: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for text in texts or []:
            self.add(text)

    def add(self, text: str) -> None:
        """Remember a text."""
        found = shingles(text)
        for shingle in found:
            self._holders[shingle].append(len(self._sets))
        self._sets.append(found)

    def nearest(self, text: str) -> float:
        """Return the highest similarity to a remembered text, or 0.0 where it is below the threshold."""
        found = shingles(text)
        rare = sorted(found, key=lambda shingle: (len(self._holders.get(shingle, ())), shingle))
        checked = rare[: len(found) - math.ceil(self.threshold * len(found)) + 1]
        candidates = Counter(i for shingle in checked for i in self._holders.get(shingle, ()))
        best = max((jaccard(found, self._sets[i]) for i in candidates), default=0.0)
        return best if best >= self.threshold else 0.0

    def has_like(self, text: str) -> bool:
        return self.nearest(text) > 0.0
