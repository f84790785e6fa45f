"""Each constraint on answers that keep it and answers that do not, decided by hand."""

from __future__ import annotations

import pytest

from tutelage.errors import DataError
from tutelage.starter.constraints import Constraint

TABLE = "| Day | Dish |\n|---|---|\n| Monday | Soup |"
#: kind, low, high, texts, answers that keep it, answers that break it
CASES = [
    ("words", 2, 4, (), ["two words", "a well-known - fact", "it's 3 now"], ["one", "one two three four five"]),
    ("sentences", 2, 2, (), ["One. Two!", "Dr. Bell left at 3 p.m. sharp. No.", "A\nb"], ["One.", "Go. Run. Hi."]),
    ("sentences", 1, 1, (), ['"Stop!"', "It cost 3.50 in all"], ['"Stop!" he said. Then he left.']),
    ("lines", 2, 2, (), ["a\n\nb"], ["a", "a\nb\nc"]),
    ("paragraphs", 1, 1, (), ["a\nb"], ["a\n\nb"]),
    ("items", 3, 3, (), ["- a\n- b\n- c", "Here:\n1. a\n2. b\n3. c", "a\nb\nc", "a, b and c"], ["- a\n- b", "one"]),
    ("characters", None, 5, (), ["12345"], ["123456"]),
    ("words_each", None, 2, (), ["- a b\n- c"], ["- a b c\n- d"]),
    ("sentence_words", None, 3, (), ["A b c. D e."], ["A b c. D e f g."]),
    ("starts", None, None, ("Dear",), ["Dear Ann", "dear Ann"], ["My dear"]),
    ("ends", None, None, ("see you",), ["Bye, see you!", 'He said "see you."'], ["see you soon"]),
    ("ends", None, None, ("?",), ["Really?"], ["Really.", "Why? Because."]),
    ("each_starts", None, None, ("The",), ["The a.\nThe b.", "The sun rose, red. The day went."], ["The a. A b."]),
    ("include", None, None, ("river", "boat"), ["A boat on the River."], ["A boat.", "Rivers and boats."]),
    ("include", 1, 1, ("egg*",), ["Eggs!"], ["Egg and eggs.", "None."]),
    ("exclude", None, None, ("leaf", "!"), ["A leaflet."], ["A leaf.", "Oh!"]),
    ("order", None, None, ("left", "church", "right"), ["Left, past the church, right."], ["Right, church, left."]),
    ("format", None, None, ("json",), ['{"a": 1}', "```json\n[1]\n```"], ["a: 1", "3"]),
    ("format", None, None, ("numbered",), ["1. a\n2) b"], ["- a", "a"]),
    ("format", None, None, ("bulleted",), ["- a\n* b"], ["1. a", "a"]),
    ("format", None, None, ("table",), [TABLE, "a | b\n--- | ---\nc | d"], ["| a | b |", TABLE + "\n| x |"]),
    ("format", None, None, ("comma",), ["a, b"], ["a", "- a, b", "a,\nb"]),
    ("format", None, None, ("plain",), ["Just text."], ["- a", TABLE]),
    ("keys", None, None, ("a", "b"), ['{"a": 1, "b": 2}', '[{"b": 1, "a": 2}]'], ['{"a": 1}', "a b", "[]"]),
    ("case", None, None, ("upper",), ["STOP 3!"], ["Stop"]),
    ("case", None, None, ("lower",), ["stop it"], ["Stop"]),
    ("case", None, None, ("title",), ["The Big 3"], ["The big 3"]),
    ("digits", None, None, ("none",), ["three"], ["3"]),
    ("digits", None, None, ("only",), ["1,250.5"], ["12 eggs"]),
    ("without_letter", None, None, ("e",), ["A rapid fox"], ["The fox", "E"]),
    ("initials", None, None, ("CAT",), ["Come\n- and\ntalk"], ["Come\nand\nsing"]),
    ("sorted", None, None, (), ["apple, Bear, cat"], ["bear, apple", "apple"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "low", "high", "texts", "kept", "broken"), CASES, ids=[f"{c[0]} {c[3]}" for c in CASES]
)
def test_by_hand(
    kind: str, low: int | None, high: int | None, texts: tuple[str, ...], kept: list[str], broken: list[str]
) -> None:
    constraint = Constraint(kind=kind, low=low, high=high, texts=texts)  # type: ignore[arg-type]
    assert [text for text in kept if not constraint.holds(text)] == []
    assert [text for text in broken if constraint.holds(text)] == []
    assert not constraint.holds(" \n")


def test_every_kind_has_a_case() -> None:
    from typing import get_args

    from tutelage.starter.constraints import ConstraintKind

    assert {case[0] for case in CASES} == set(get_args(ConstraintKind))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"kind": "lines"}, "needs low, high or both"),
        ({"kind": "words", "low": 3, "high": 2}, "the lower first"),
        ({"kind": "include"}, "needs texts"),
        ({"kind": "starts", "texts": ("",)}, "needs texts"),
        ({"kind": "case", "texts": ("bold",)}, "takes one of lower, title, upper"),
    ],
)
def test_what_no_answer_could_keep_is_refused(fields: dict[str, object], told: str) -> None:
    with pytest.raises(DataError, match=told):
        Constraint(**fields)  # type: ignore[arg-type]
