"""How texts are read, by hand."""

from __future__ import annotations

import pytest

from tutelage.starter import reading


def test_words_for_matching_lose_case_and_punctuation() -> None:
    assert reading.tokens("It’s 1,440 well-known 3.5% H2O!") == ["it's", "1440", "well", "known", "3.5", "h", "2", "o"]


def test_a_phrase_is_found_word_by_word() -> None:
    assert reading.says("A walk-through.", "walk through")
    assert not reading.says("Sidewalk through", "walk through")
    assert reading.says("Walking home", "walk* home")
    assert not reading.says("walk", "walk home")
    assert reading.times("egg, eggs and egg", "egg") == 2
    assert reading.times("egg egg egg", "egg egg") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two? Three!", 3),
        ("Mr. Hill came.", 1),
        ("At 3.50 it was dear", 1),
        ('"Go!" she said.', 2),
        ("1. First thing\n2. Second thing", 2),
        ("Wait... what?", 2),
        ("", 0),
        ("...", 0),
    ],
)
def test_sentences(text: str, expected: int) -> None:
    assert len(reading.sentences(text)) == expected


def test_items_are_marked_lines_else_lines_else_parts() -> None:
    assert reading.items("Here you are:\n- a\n• b") == ["a", "b"]
    assert reading.items("a) tea\nB. milk") == ["tea", "milk"]
    assert reading.items("one\n\ntwo") == ["one", "two"]
    assert reading.items("tea, milk, and sugar.") == ["tea", "milk", "sugar"]
    assert reading.items("") == []


def test_words_as_an_editor_counts_them() -> None:
    assert reading.count_words("It's a well-known fact - 3 times") == 6
    assert reading.count_words(" — ") == 0


def test_speech_is_what_stands_in_quotation_marks() -> None:
    assert reading.unquoted('He said "no" and “never”.').split() == ["He", "said", "and", "."]


def test_numbers_in_digits_come_before_those_in_words() -> None:
    assert reading.numbers("two of 1,200 at -3.5") == [1200, -3.5]
    assert reading.numbers("two and forty") == [2, 40]
