from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutelage.prompts.dedupe import Text, are_duplicates, common_prefix, duplicates


def drop(*texts: str, min_prefix: int = 4, share: float = 0.8) -> dict[str, str]:
    """Deduplicate texts that arrive in this order, named by their place."""
    return duplicates([Text(str(n), text, (n,)) for n, text in enumerate(texts)], min_prefix=min_prefix, share=share)


@given(st.text("ab", max_size=12), st.text("ab", max_size=12))
def test_the_common_prefix_is_that_of_a_loop(a: str, b: str) -> None:
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    assert common_prefix(a, b) == n


@pytest.mark.parametrize(
    "a, b, expected",
    [
        ("abcd", "abcd", True),
        ("ab", "ab", True),  # equal texts, however short
        ("abcde", "abcdX", True),  # 4 of 5 characters
        ("abcdef", "abcdXX", False),  # 4 of 6 are less than 80 %
        ("abc", "abcdefgh", False),  # 3 are under the least prefix
        ("abcd", "abcdefghijkl", True),  # all of the shorter one
    ],
)
def test_two_texts(a: str, b: str, expected: bool) -> None:
    assert are_duplicates(a, b, min_prefix=4, share=0.8) is expected
    assert are_duplicates(b, a, min_prefix=4, share=0.8) is expected


def test_the_first_of_a_group_stays() -> None:
    assert drop("write it 1", "another", "write it", "write it 2") == {"2": "0", "3": "0"}


def test_a_rank_decides_who_stays_and_a_fixed_text_always_does() -> None:
    texts = [Text("a", "same text", (1,)), Text("b", "same text", (0,)), Text("c", "same text", (2,))]
    assert duplicates(texts, min_prefix=4, share=0.8) == {"a": "b", "c": "b"}
    fixed = [texts[0], texts[1], texts[2]._replace(fixed=True), Text("d", "same text", (9,), True)]
    assert duplicates(fixed, min_prefix=4, share=0.8) == {"a": "c", "b": "c"}


def test_neighbours_that_meet_when_one_between_is_gone_are_compared_too() -> None:
    # Sorted: 1, 2, 0. The long 2 is like 1; 0 is unlike 2 but like 1, its neighbour once 2 is gone.
    first, second, third = "abcdefgz", "abcdef", "abcdefgh" + "q" * 20
    assert drop(first, second, third) == {"1": "0", "2": "0"}


@given(
    st.lists(st.text("ab", min_size=1, max_size=9), max_size=25), st.integers(1, 5), st.sampled_from([0.5, 0.8, 1.0])
)
def test_no_two_neighbours_of_the_result_are_duplicates_and_what_goes_has_one_that_stays(
    texts: list[str], min_prefix: int, share: float
) -> None:
    gone = drop(*texts, min_prefix=min_prefix, share=share)
    left = sorted(text for n, text in enumerate(texts) if str(n) not in gone)
    assert not any(
        are_duplicates(a, b, min_prefix=min_prefix, share=share) for a, b in zip(left, left[1:], strict=False)
    )
    assert set(gone.values()).isdisjoint(gone)
    assert len(left) >= min(1, len(texts))


@given(st.lists(st.text("ab", min_size=1, max_size=6), max_size=15), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter_only_their_rank(texts: list[str], rng: random.Random) -> None:
    rows = [Text(str(n), text, (n,)) for n, text in enumerate(texts)]
    mixed = list(rows)
    rng.shuffle(mixed)
    assert duplicates(rows, min_prefix=2, share=0.8) == duplicates(mixed, min_prefix=2, share=0.8)
