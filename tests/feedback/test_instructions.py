from __future__ import annotations

import pytest

from tests.feedback.conftest import NOW
from tutelage.errors import DataError
from tutelage.feedback import instructions
from tutelage.feedback.work import SkipReason
from tutelage.records import FLAGS, Instructions
from tutelage.store import Store


def test_the_shipped_instructions_are_published_once(store: Store) -> None:
    instructions.publish_defaults(store, now=NOW)
    instructions.publish_defaults(store, now=NOW)
    assert {name: one.task for name, one in instructions.published(store).items()} == {
        "comparison-1": "comparison",
        "demonstration-1": "demonstration",
        "evaluation-1": "evaluation",
    }


def test_a_published_version_never_changes(store: Store) -> None:
    made = Instructions(version="house-1", task="comparison", text="Prefer the shorter one.")
    instructions.publish(store, made, now=NOW)
    with pytest.raises(DataError, match="'house-1' are published with another text; give the new text a new version"):
        instructions.publish(store, Instructions(version="house-1", task="comparison", text="Longer."), now=NOW)
    with pytest.raises(DataError, match="published with another text"):
        instructions.publish(store, Instructions(version="house-1", task="evaluation", text=made.text), now=NOW)
    assert instructions.published(store)["house-1"] == made


@pytest.mark.parametrize("version, text", [("", "text"), ("v", " ")])
def test_empty_instructions_are_refused(store: Store, version: str, text: str) -> None:
    with pytest.raises(DataError, match="not empty"):
        instructions.publish(store, Instructions(version=version, task="comparison", text=text), now=NOW)


def test_the_shipped_texts_name_every_flag_reason_and_their_priority() -> None:
    texts = {one.task: one.text for one in instructions.defaults()}
    for task in ("comparison", "evaluation"):
        assert [flag for flag in FLAGS if f"*{flag}*" not in texts[task]] == []
    for text in texts.values():
        assert [reason for reason in SkipReason.__args__ if f"**{reason}**" not in text] == []  # type: ignore[attr-defined]
        assert text.count("**Prompt.**") >= 5
    assert "**Put helpfulness first**" in texts["comparison"]
    assert "**Put truthfulness and harmlessness first**" in texts["evaluation"]
