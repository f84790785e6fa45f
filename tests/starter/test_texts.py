"""The texts: various in their openings, far from each other, and as long as they should be."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from statistics import median

from tutelage.prompts.similarity import jaccard, shingles
from tutelage.starter import rows

ROWS = rows.load()
DEMONSTRATED = [row for row in ROWS if row.demonstration]


def test_openings_of_five_words_repeat_in_under_5_percent_of_rows() -> None:
    openings = [" ".join(re.findall(r"\w+", row.prompt.casefold())[:5]) for row in ROWS]
    counts = Counter(openings)
    assert sum(counts[one] > 1 for one in openings) < 0.05 * len(ROWS)


def test_fewer_than_1_percent_of_prompts_are_like_another() -> None:
    """Exact: shingles of five characters of all pairs. "Pairs" counts the prompts that have a neighbour at 0.5."""
    found = [(row.id, shingles(row.prompt)) for row in ROWS]
    near = set()
    for (one, a), (other, b) in combinations(found, 2):
        # Two sets whose sizes differ by more than half cannot reach a Jaccard similarity of 0.5.
        if 2 * min(len(a), len(b)) >= max(len(a), len(b)) and jaccard(a, b) >= 0.5:
            near |= {one, other}
    assert len(near) < 0.01 * len(ROWS), sorted(near)


def test_the_median_demonstration_has_40_to_150_words() -> None:
    assert 40 <= median(len(row.demonstration.split()) for row in DEMONSTRATED) <= 150
    assert max(len(row.demonstration.split()) for row in DEMONSTRATED) <= 250


def test_prompts_are_mostly_short() -> None:
    """A token of English is at least three quarters of a word, so 110 words are about 150 tokens."""
    lengths = sorted(len(row.prompt.split()) for row in ROWS)
    assert lengths[int(0.95 * len(lengths))] <= 110


def test_no_text_holds_marks_of_its_making() -> None:
    for row in ROWS:
        for text in (row.prompt, row.demonstration, *row.bad):
            assert text == text.strip(), row.id
            assert not re.search(r"TODO|lorem ipsum|https?://|\S@\S+\.\S", text), row.id
