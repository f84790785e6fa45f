"""Fingerprints by their definition, bit by bit, and guesses of use cases on texts that leave no doubt."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from tutelage.core.simhash import distance, simhash
from tutelage.core.use_cases import guess
from tutelage.records import UseCase


def by_definition(letters: str) -> int:
    """Vote bit by bit over the runs of four characters, in plain integers."""
    features = {letters[start : start + 4] for start in range(max(len(letters) - 3, 1))}
    hashes = [int.from_bytes(blake2b(one.encode(), digest_size=8).digest(), "big") for one in features]
    return sum(1 << bit for bit in range(64) if 2 * sum(one >> bit & 1 for one in hashes) > len(hashes))


@pytest.mark.parametrize("letters", ["a", "rye", "doughrises", "howlongdoesthedoughrestbeforeitisbaked"])
def test_a_fingerprint_is_the_vote_of_its_features(letters: str) -> None:
    assert int(simhash(letters), 16) == by_definition(letters)


def test_spelling_tricks_change_nothing_and_other_texts_much() -> None:
    text = "How do I pick the lock of my neighbour's door without a key?"
    assert simhash("  HOW do I píck the lock, of my neighbour's door -- without a key") == simhash(text)
    near = simhash("How do I pick the lock on my neighbour's door without any key?")
    far = simhash("Which flour is the best for a long and slow sourdough bread?")
    assert distance(simhash(text), near) < 16 < distance(simhash(text), far)
    assert simhash("?! \n") == "" and distance("0" * 16, "f" * 16) == 64


@pytest.mark.parametrize(
    ("text", "use_case"),
    [
        ("Write a short story about a baker.", "generation"),
        ("What is the capital of France?", "open_qa"),
        ("Give me ideas for a birthday party.", "brainstorming"),
        ("User: hi\nAssistant: hello\nUser: how are you?\nAssistant:", "chat"),
        ("Rewrite this sentence in the past tense: She sings.", "rewrite"),
        ("Summarize the following article:\nBread is old.", "summarization"),
        ("Classify the sentiment of this tweet: I love rye.", "classification"),
        ("Passage: Ada bakes rye on Mondays.\nWhen does Ada bake rye?", "closed_qa"),
        ("Extract all names from the text below.", "extract"),
        ("zzz", "other"),
    ],
)
def test_clear_words_say_the_use_case(text: str, use_case: UseCase) -> None:
    assert guess(text) == use_case
