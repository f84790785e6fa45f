from __future__ import annotations

import random

import pytest

from tutelage.errors import DataError
from tutelage.prompts.similarity import jaccard, overlap, shingles


def test_shingles_and_jaccard_by_hand() -> None:
    assert shingles("Abc  DEF") == {"abc d", "bc de", "c def"}
    assert shingles("ab") == {"ab"}
    assert jaccard(frozenset("abc"), frozenset("bcd")) == 0.5


def test_a_near_copy_is_found_and_named_with_its_exact_similarity() -> None:
    text = "Write a letter to the baker of the village and ask whether the bread was rye."
    # 77 characters have 73 shingles, of which " the " comes three times and "the b" twice: 70. The copy adds 5.
    found = overlap({"h1": text + " Yes.", "h2": "How far is it to the mill?"}, {"t1": "Another one", "t2": text})
    assert found.near == (("h1", "t2", 70 / 75),)
    assert found.share == 0.5
    assert (found.heldout, found.training) == (2, 2)


def test_the_proposals_miss_nothing_that_comparing_all_pairs_finds() -> None:
    rng = random.Random(7)
    words = "bread mill river stone apple letter baker short write list name three why how old".split()
    training = {f"t{n}": " ".join(rng.choices(words, k=12)) for n in range(60)}
    heldout = {}
    for n in range(60):
        parts = training[f"t{n}"].split()
        parts[rng.randrange(12)] = rng.choice(words)
        heldout[f"h{n}"] = " ".join(parts)
    exact = {
        name
        for name, text in heldout.items()
        if any(jaccard(shingles(text), shingles(other)) >= 0.8 for other in training.values())
    }
    assert {name for name, _, _ in overlap(heldout, training).near} == exact
    assert 5 <= len(exact) <= 60


def test_nothing_to_compare_is_a_sentence() -> None:
    with pytest.raises(DataError, match="no held-out prompts"):
        overlap({}, {"t": "text"})
    assert overlap({"h": "text"}, {}).share == 0
