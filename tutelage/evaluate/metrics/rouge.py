"""ROUGE-L (Lin 2004) as the package rouge-score computes it without a stemmer."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

_WORD = re.compile(r"[a-z0-9]+")


def rouge_l(output: str, references: Sequence[str]) -> float:
    """Give the best F1 over the references: precision and recall of the longest common subsequence of words.

    Words are runs of ASCII letters and digits in lower case; everything else divides them.
    """
    given = _words(output)
    return max(_f1(given, _words(reference)) for reference in references)


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Give the length of the longest common subsequence, one machine operation for many cells of its table.

    Bit i of `row` is 0 where the table grows from column i to i + 1 (Crochemore et al. 2001; Hyyro 2004).
    """
    places: defaultdict[str, int] = defaultdict(int)
    for place, word in enumerate(first):
        places[word] |= 1 << place
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        match = row & places.get(word, 0)
        row = (row + match | row - match) & full
    return len(first) - row.bit_count()


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _f1(given: list[str], gold: list[str]) -> float:
    common = common_subsequence(given, gold)
    return 2 * common / (len(given) + len(gold)) if common else 0.0
