"""The witness and the rubrics' checks, two readings written apart, against each other and hand-written truth."""

from __future__ import annotations

from typing import Any

import pytest

from tests.starter.breaking import broken
from tutelage.errors import DataError
from tutelage.evaluate.constraints import CHECKS, Stated, keeps, split_items, split_sentences
from tutelage.starter import rows
from tutelage.starter.constraints import Constraint

ROWS = rows.load()
TABLE = "| a | b |\n|---|---|\n| 1 | 2 |"
#: A constraint, an answer, and what a person would say. Both readings must agree with it.
AGREED: list[tuple[dict[str, Any], str, bool]] = [
    ({"kind": "words", "low": 3, "high": 5}, "The sea was calm.", True),
    ({"kind": "words", "low": 3, "high": 5}, "The sea was calm and very blue.", False),
    ({"kind": "words", "high": 2}, "well-known 10", True),
    ({"kind": "words", "low": 1}, " ... ", False),
    ({"kind": "sentences", "low": 2, "high": 2}, "Dr. Vane came at 5 p.m. on foot. Nobody knew why.", True),
    ({"kind": "sentences", "low": 1, "high": 1}, 'She said "Go!" and left.', False),
    ({"kind": "sentences", "low": 2, "high": 2}, "Who? Me.", True),
    ({"kind": "lines", "low": 2, "high": 2}, "a small boat\n\na large sea", True),
    ({"kind": "lines", "high": 1}, "one\ntwo", False),
    ({"kind": "paragraphs", "low": 2, "high": 2}, "one\ntwo\n\nthree", True),
    ({"kind": "paragraphs", "low": 2, "high": 2}, "one\ntwo", False),
    ({"kind": "items", "low": 3, "high": 3}, "1. salt\n2. oil\n3. bread", True),
    ({"kind": "items", "low": 3, "high": 3}, "Here you are:\n- salt\n- oil\n- bread", True),
    ({"kind": "items", "low": 3, "high": 3}, "salt, oil and bread", True),
    ({"kind": "items", "low": 3, "high": 3}, "salt\noil", False),
    ({"kind": "characters", "high": 10}, "Ten signs.", True),
    ({"kind": "characters", "high": 10}, "Eleven sign", False),
    ({"kind": "words_each", "high": 2}, "- red wine\n- bread", True),
    ({"kind": "words_each", "high": 2}, "- a red wine\n- bread", False),
    ({"kind": "sentence_words", "high": 4}, "The sea was calm. We slept.", True),
    ({"kind": "sentence_words", "high": 4}, "The sea was very calm. We slept.", False),
    ({"kind": "starts", "texts": ("Crows",)}, "Crows are clever.", True),
    ({"kind": "starts", "texts": ("Crows",)}, "The crows are clever.", False),
    ({"kind": "starts", "texts": ("t",)}, "table", True),
    ({"kind": "ends", "texts": ("?",)}, "And what do you do?", True),
    ({"kind": "ends", "texts": ("?",)}, "What do you do? Tell me.", False),
    ({"kind": "ends", "texts": ("mirror",)}, "She looked into the mirror.", True),
    ({"kind": "ends", "texts": ("Just come by after 3 pm.",)}, "It is free. Just come by after 3 pm.", True),
    ({"kind": "each_starts", "texts": ("In the nest",)}, "In the nest we sat.\nIn the nest it rained.", True),
    ({"kind": "each_starts", "texts": ("The",)}, "The sea is calm. A boat is there.", False),
    ({"kind": "include", "texts": ("goat", "egg*")}, "A goat ate two eggs.", True),
    ({"kind": "include", "texts": ("goat",)}, "A scapegoat was found.", False),
    ({"kind": "include", "texts": ("still",), "low": 2, "high": 2}, "Still here, still young.", True),
    ({"kind": "include", "texts": ("still",), "low": 2, "high": 2}, "Still here.", False),
    ({"kind": "exclude", "texts": ("leaf",)}, "The leaflet was green.", True),
    ({"kind": "exclude", "texts": ("leaf",)}, "A Leaf fell.", False),
    ({"kind": "exclude", "texts": ("!",)}, "Well done!", False),
    ({"kind": "exclude", "texts": ("purr*",)}, "It was purring.", False),
    ({"kind": "order", "texts": ("ant", "cat", "horse")}, "ant, cat, horse", True),
    ({"kind": "order", "texts": ("ant", "cat", "horse")}, "cat, ant, horse", False),
    ({"kind": "format", "texts": ("json",)}, '```json\n{"a": [1, 2]}\n```', True),
    ({"kind": "format", "texts": ("json",)}, '{"a": 1', False),
    ({"kind": "format", "texts": ("numbered",)}, "1. salt\n2. oil", True),
    ({"kind": "format", "texts": ("numbered",)}, "- salt\n- oil", False),
    ({"kind": "format", "texts": ("bulleted",)}, "* salt\n* oil", True),
    ({"kind": "format", "texts": ("bulleted",)}, "salt and oil", False),
    ({"kind": "format", "texts": ("table",)}, TABLE, True),
    ({"kind": "format", "texts": ("table",)}, "a and b", False),
    ({"kind": "format", "texts": ("comma",)}, "salt, oil", True),
    ({"kind": "format", "texts": ("comma",)}, "salt\noil", False),
    ({"kind": "format", "texts": ("plain",)}, "Salt and oil.", True),
    ({"kind": "format", "texts": ("plain",)}, "- salt\n- oil", False),
    ({"kind": "keys", "texts": ("name", "city")}, '[{"city": "Oslo", "name": "Noor"}]', True),
    ({"kind": "keys", "texts": ("name", "city")}, '{"name": "Noor"}', False),
    ({"kind": "case", "texts": ("upper",)}, "ALL 3 HERE!", True),
    ({"kind": "case", "texts": ("upper",)}, "All here", False),
    ({"kind": "case", "texts": ("lower",)}, "no. 3, please", True),
    ({"kind": "case", "texts": ("title",)}, "Three Men In A Boat", True),
    ({"kind": "case", "texts": ("title",)}, "Three men in a boat", False),
    ({"kind": "digits", "texts": ("none",)}, "three boats", True),
    ({"kind": "digits", "texts": ("none",)}, "3 boats", False),
    ({"kind": "digits", "texts": ("only",)}, "1,440", True),
    ({"kind": "digits", "texts": ("only",)}, "1,440 minutes", False),
    ({"kind": "without_letter", "texts": ("e",)}, "A big dog ran.", True),
    ({"kind": "without_letter", "texts": ("e",)}, "A dog ran East.", False),
    ({"kind": "initials", "texts": ("FIRE",)}, "For\nIt\nRuns\nEast", True),
    ({"kind": "initials", "texts": ("FIRE",)}, "For\nIt\nRuns", False),
    ({"kind": "sorted"}, "- ape\n- bear\n- zebra", True),
    ({"kind": "sorted"}, "- bear\n- ape", False),
]  # fmt: skip
#: Answers that pass the rubric's check and that a person would send back: the witness does.
PLAYED: list[tuple[dict[str, Any], str]] = [
    ({"kind": "format", "texts": ("numbered",)}, "1. salt\n1. oil\n1. bread"),
    ({"kind": "format", "texts": ("numbered",)}, "Salt is good. So is oil.\n3. bread"),
    ({"kind": "format", "texts": ("bulleted",)}, "Salt is good. So is oil.\n- bread"),
    ({"kind": "starts", "texts": ("The",)}, "Then it rained."),
    ({"kind": "ends", "texts": ("more",)}, "I loved it evermore."),
    ({"kind": "order", "texts": ("ant", "cat")}, "an elephant vacated the room"),
    ({"kind": "words", "high": 3}, "sun—moon—stars and night"),
    ({"kind": "sentences", "low": 3, "high": 3}, "It was... well... a boat."),
    ({"kind": "without_letter", "texts": ("e",)}, "A big café."),
    ({"kind": "format", "texts": ("comma",)}, ",,, salt"),
    ({"kind": "format", "texts": ("plain",)}, "# Salt and oil"),
]  # fmt: skip
#: The other way round: the rubric's check is stricter than a person would be.
STRICT: list[tuple[dict[str, Any], str]] = [
    ({"kind": "sentences", "low": 1, "high": 1}, "The ferry stayed in port\nbecause of a net."),
    ({"kind": "items", "low": 2, "high": 2}, "- fruit\n  - pears\n  - plums\n- bread"),
    ({"kind": "sorted"}, "- École\n- Forest"),
]


def rubric_says(stated: dict[str, Any], answer: str) -> bool:
    return Constraint(**stated).holds(answer)


@pytest.mark.parametrize(("stated", "answer", "expected"), AGREED)
def test_both_readings_agree_with_a_person(stated: dict[str, Any], answer: str, expected: bool) -> None:
    assert keeps(Stated(**stated), answer) is expected
    assert rubric_says(stated, answer) is expected


@pytest.mark.parametrize(("stated", "answer"), PLAYED)
def test_the_witness_sees_what_plays_the_rubric(stated: dict[str, Any], answer: str) -> None:
    assert rubric_says(stated, answer)
    assert not keeps(Stated(**stated), answer)


@pytest.mark.parametrize(("stated", "answer"), STRICT)
def test_the_witness_allows_what_only_the_rubric_forbids(stated: dict[str, Any], answer: str) -> None:
    assert keeps(Stated(**stated), answer)
    assert not rubric_says(stated, answer)


def test_every_kind_of_the_starter_set_has_both_readings_tried() -> None:
    used = {one.kind for row in ROWS for one in row.rubric.constraints}
    assert used <= set(CHECKS)
    assert set(CHECKS) == {str(stated["kind"]) for stated, _, _ in AGREED}
    with pytest.raises(DataError, match="no constraint 'rhyme'; there are: words, "):
        keeps(Stated(kind="rhyme"), "a")


def test_the_two_readings_differ_on_hardly_any_demonstration() -> None:
    """Each demonstration keeps all its constraints by its rubric; where the witness differs is in docs/log.md."""
    read = [
        (row.id, one.kind, keeps(stated_of(one), row.demonstration))
        for row in ROWS
        if row.demonstration
        for one in row.rubric.constraints
    ]
    differs = [(name, kind) for name, kind, kept in read if not kept]
    assert len(read) > 200
    assert len(differs) <= 0.03 * len(read), differs


def test_the_witness_fails_answers_that_break_a_constraint_by_construction() -> None:
    for row in ROWS:
        for one in row.rubric.constraints:
            for text in broken(one, row.demonstration):
                assert not keeps(stated_of(one), text), (row.id, one, text)


def stated_of(one: Constraint) -> Stated:
    return Stated(kind=one.kind, low=one.low, high=one.high, texts=one.texts)


def test_sentences_and_items_by_hand() -> None:
    assert split_sentences('He said "No!" Then he left... quietly. J. Vane stayed!') == [
        'He said "No!"', "Then he left... quietly.", "J. Vane stayed!",
    ]  # fmt: skip
    assert split_items("To buy:\n1) salt\n2) oil") == ["salt", "oil"]
    assert split_items("salt; oil, and bread") == ["salt", "oil", "bread"]
