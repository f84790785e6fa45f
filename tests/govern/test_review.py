"""How carefully a form is read, and what is asked: a table by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.firms import FORM
from tutelage.govern.review import checklist, tier
from tutelage.store.application_forms import RISKS

TIERS: list[tuple[dict[str, Any], str]] = [
    ({}, "low"),
    ({"end_users": 1000}, "low"),
    ({"end_users": 1001}, "middle"),
    ({"audience": "public"}, "low"),
    ({"audience": "public", "is_read_first": False}, "middle"),
    ({"is_read_first": False}, "low"),
    ({"risks": ("advice",)}, "middle"),
    ({"risks": ("advice",), "is_read_first": False}, "high"),
    ({"risks": ("persuasion",)}, "middle"),
    ({"risks": ("persuasion",), "audience": "public"}, "high"),
    ({"risks": ("sensitive",)}, "middle"),
    ({"risks": ("minors",)}, "high"),
    ({"risks": ("decisions",)}, "high"),
    ({"risks": ("sensitive", "acts_alone")}, "high"),
]


@pytest.mark.parametrize(("changes", "expected"), TIERS)
def test_the_tier_of_a_form(changes: dict[str, Any], expected: str) -> None:
    assert tier(replace(FORM, **changes)) == expected


def test_every_risk_has_its_question_and_size_adds_more() -> None:
    assert len(checklist(FORM)) == 1
    assert len(set(checklist(replace(FORM, risks=RISKS)))) == 1 + len(RISKS)
    large = replace(FORM, audience="public", is_read_first=False, answer_tokens=501, end_users=1001)
    assert len(checklist(large)) == 4
