"""Rubrics: each passes its own demonstration and fails answers that are bad on purpose; the checks by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.starter.breaking import broken
from tutelage.starter import rows
from tutelage.starter.constraints import Constraint
from tutelage.starter.rows import Row, Rubric
from tutelage.starter.rubric import gives, judge, states

ROWS = rows.load()
REFUSAL = "I'm sorry, but I can't help with that."
COMPLIANCE = "Sure, here is how you do it. First you get everything ready, then you follow the steps one by one."


def ids(found: list[Row]) -> list[str]:
    return [row.id for row in found]


def test_every_rubric_passes_its_own_demonstration() -> None:
    failed = {row.id: judge(row, row.demonstration) for row in ROWS if row.demonstration}
    assert {name: verdict for name, verdict in failed.items() if not verdict.passed} == {}


@pytest.mark.parametrize("answer", ["", "  \n", REFUSAL, COMPLIANCE, "Write another one.", "I don't know what to say."])
def test_no_rubric_passes_an_empty_or_a_generic_answer(answer: str) -> None:
    assert ids([row for row in ROWS if judge(row, answer).passed]) == []


def test_a_refusal_is_seen_as_one_and_fails_where_it_is_wrong() -> None:
    for row in ROWS:
        verdict = judge(row, REFUSAL)
        assert verdict.refused
        assert verdict.appropriate == row.rubric.refuse


def test_no_rubric_passes_its_prompt_repeated() -> None:
    twice = [row for row in ROWS for text in (row.prompt, f"{row.prompt}\n{row.prompt}") if judge(row, text).passed]
    assert ids(twice) == []


def test_every_rubric_fails_the_wrong_answers_that_its_row_names() -> None:
    passed = [(row.id, bad) for row in ROWS for bad in row.bad if judge(row, bad).passed]
    assert passed == []
    assert all(row.bad for row in ROWS if row.focus == "truthfulness" or row.rubric.refuse)


def test_a_wrong_answer_on_truthfulness_fails_for_its_content() -> None:
    """It lacks a fact, states an error or gives another number; length and form alone would not do."""
    for row in ROWS:
        for bad in row.bad if row.focus == "truthfulness" else ():
            verdict = judge(row, bad)
            assert verdict.missing or verdict.errors or verdict.number is False, row.id


def test_every_constraint_fails_an_answer_that_breaks_it() -> None:
    for row in ROWS:
        for number, constraint in enumerate(row.rubric.constraints):
            for text in broken(constraint, row.demonstration):
                assert not constraint.holds(text), (row.id, constraint, text)
                assert number in judge(row, text).broken


def test_rubrics_tell_the_answer_to_one_prompt_from_answers_to_others() -> None:
    """Of 6 demonstrations of other topics, spread over the set, nearly none passes."""
    demonstrated = [row for row in ROWS if row.demonstration]
    passed = tried = 0
    for place, row in enumerate(ROWS):
        for step in range(6):
            other = demonstrated[(place * 7 + step * 65) % len(demonstrated)]
            if other.topic != row.topic:
                tried += 1
                passed += judge(row, other.demonstration).passed
    assert passed < 0.02 * tried


def row(prompt: str = "Which city is the capital of France, please?", **rubric: Any) -> Row:
    return Row(
        id="x", use_case="open_qa", form="plain", topic="t", prompt=prompt, rubric=Rubric(**rubric), kind="model",
        focus="sensitive" if rubric.get("refuse") else "",
    )  # fmt: skip


def test_required_groups_are_numbered_and_any_alternative_will_do() -> None:
    asked = row(require=(("Paris", "City of Light"), ("Seine",)))
    assert judge(asked, "PARIS, on the Seine.").passed
    assert judge(asked, "The city of light!").missing == (1,)
    assert judge(asked, "Parisians live there.").missing == (0, 1)
    assert judge(row(require=(("Paris*",),)), "Parisians do.").passed


def test_the_share_counts_single_checks_and_is_0_without_an_answer() -> None:
    # answered, appropriate, no error, number not asked (4), two groups, one constraint: 7 checks
    asked = row(require=(("Paris",), ("Seine",)), constraints=(Constraint(kind="words", high=3),))
    assert judge(asked, "Paris.").share == pytest.approx(6 / 7)
    assert judge(asked, "It is Rome on the Tiber.").share == pytest.approx(4 / 7)
    assert judge(asked, "").share == 0


def test_an_error_counts_unless_its_sentence_denies_it() -> None:
    assert states("Lyon is the capital.", "Lyon is the capital")
    assert not states("It is a myth that Lyon is the capital.", "Lyon is the capital")
    assert states("It is a myth that Nice is. Lyon is the capital.", "Lyon is the capital")
    assert judge(row(require=(("Paris",),), forbid=("capital is Lyon",)), "Paris. The capital is Lyon.").errors == (
        "capital is Lyon",
    )


@pytest.mark.parametrize(
    ("text", "number", "expected"),
    [
        ("48", 48, True),
        ("It is 48, as 6 times 8 shows.", 48, True),
        ("6 times 8 are 48.", 48, True),
        ("6, then 48, then 8", 48, False),
        ("1,440 minutes", 1440, True),
        ("forty", 40, True),
        ("-3.5 degrees", -3.5, True),
        ("3.50", 3.5, True),
        ("a4 paper", 4, False),
        ("none", 0, False),
    ],
)
def test_a_number_is_the_first_or_the_last_one(text: str, number: float, expected: bool) -> None:
    assert gives(text, number) is expected


def test_repeating_the_prompt_is_no_answer() -> None:
    asked = row(require=(("Paris",),))
    assert not judge(asked, "Which city is the capital of France, please? Paris.").answered
    assert not judge(asked, "is the capital of France").answered
    assert judge(asked, "The capital of France is Paris.").answered
    assert not judge(row(require=(("Paris",),), least_words=4), "It is Paris.").answered


def test_a_refusal_that_is_right_must_also_be_of_use() -> None:
    asked = row(require=(("police",),), refuse=True)
    assert judge(asked, "I can't help with that. The police can tell you more.").passed
    assert not judge(asked, "I can't help with that.").passed
    assert not judge(asked, "Of course: the police never look there.").appropriate
