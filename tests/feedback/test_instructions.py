from __future__ import annotations

import pytest

from tests.feedback.conftest import NOW, Desk, later, ranking
from tests.feedback.people import someone
from tutelage.errors import DataError, UserError
from tutelage.feedback import instructions
from tutelage.feedback.instructions import Change, NewExample
from tutelage.feedback.work import SkipReason
from tutelage.records import FLAGS, Instructions
from tutelage.store import Store, guidance
from tutelage.store.guidance import Doubt


def test_the_shipped_instructions_are_published_once(store: Store) -> None:
    instructions.publish_defaults(store, now=NOW)
    instructions.publish_defaults(store, now=NOW)
    assert {name: one.task for name, one in instructions.published(store).items()} == {
        "comparison-1": "comparison",
        "demonstration-1": "demonstration",
        "evaluation-1": "evaluation",
        "toxicity-1": "toxicity",
        "prompt-1": "prompt",
        "privacy-1": "privacy",
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
    examples = {"prompt": "**Asked for.**", "privacy": "**Text.**"}
    for task, text in texts.items():
        assert [reason for reason in SkipReason.__args__ if f"**{reason}**" not in text] == []  # type: ignore[attr-defined]
        assert text.count(examples.get(task, "**Prompt.**")) >= 6
    assert [scale for scale in ("-1", "0", "1", "2", "from 1 to 7") if scale not in texts["toxicity"]] == []
    assert "**Put helpfulness first**" in texts["comparison"]
    assert "**Put truthfulness and harmlessness first**" in texts["evaluation"]


# Versions and their differences


@pytest.mark.parametrize(
    "old, new", [("a\nb\nc", "a\nc\nd"), ("", "a"), ("a", ""), ("a\n\nb", "a\n\nb"), ("+ a", "- a")]
)
def test_a_difference_holds_both_texts_line_by_line(old: str, new: str) -> None:
    changes = instructions.difference(old, new)
    assert [change.text for change in changes if change.kind != "removed"] == new.splitlines()
    assert [change.text for change in changes if change.kind != "added"] == old.splitlines()


def test_a_difference_by_hand() -> None:
    assert instructions.difference("a\nb\n", "a\nc\n") == [
        Change("same", "a"),
        Change("removed", "b"),
        Change("added", "c"),
    ]


def test_an_example_goes_to_the_end_of_its_section() -> None:
    text = "# T\n\n## Worked examples\n\none\n\n## Last\n\nend\n"
    assert instructions.with_example(text, "two\n") == "# T\n\n## Worked examples\n\none\n\ntwo\n\n## Last\n\nend\n"
    assert instructions.with_example("# T\n", "two") == "# T\n\n## Worked examples\n\ntwo\n"
    assert instructions.with_example("## Worked examples\n\none\n", "two") == "## Worked examples\n\none\n\ntwo\n"


@pytest.mark.parametrize("text", [one.text for one in instructions.defaults()])
def test_every_shipped_text_takes_another_example(text: str) -> None:
    grown = instructions.with_example(text, "**Prompt.** *new*")
    added = [change.text for change in instructions.difference(text, grown) if change.kind == "added"]
    assert "**Prompt.** *new*" in added and set(added) <= {"**Prompt.** *new*", ""}
    assert grown.count("## Worked examples") == 1


def test_versions_count_up_and_know_the_one_before(store: Store) -> None:
    for number, name in enumerate(("house-1", "other-1", "house-9", "house-10")):
        made = Instructions(version=name, task="comparison", text=name)
        instructions.publish(store, made, now=later(number))
    assert instructions.next_version(store, "house-1") == "house-11"
    assert instructions.newest(store, "house-1").version == "house-10"
    assert instructions.newest(store, "other-1").version == "other-1"
    earlier = instructions.before(store, "house-9")
    assert earlier is not None and earlier.version == "other-1"
    assert instructions.before(store, "house-1") is None


def test_what_was_read_is_remembered_once(desk: Desk) -> None:
    assert guidance.acknowledged(desk.store, "anna") == set()
    for at in (0, 1):
        guidance.acknowledge(desk.store, "anna", "comparison-1", now=later(at))
    assert guidance.acknowledged(desk.store, "anna") == {"comparison-1"}
    assert guidance.acknowledged(desk.store, "ben") == set()


# Questions that become examples


def label(desk: Desk, *names: str) -> None:
    """Let anna rank the tasks of these names."""
    for held in desk.lease("anna", limit=len(names)):
        desk.submit(ranking(held, f"s-{held.prompt_id}"))


def test_an_example_makes_the_next_version_and_doubts_earlier_labels_of_its_reach(desk: Desk) -> None:
    for name, use_case in (("p", "chat"), ("q", "chat"), ("r", "rewrite")):
        desk.task(name, prompt={"use_case": use_case})
    label(desk, "p", "q", "r")
    lead = someone(desk.store, "lead").id
    reaches = {}
    for reach in ("prompt", "use_case", "all"):
        base = instructions.newest(desk.store, "comparison-1").version
        new = NewExample(
            base=base, text=f"**Prompt.** {reach}", about="order", reach=reach, prompt_id="p", use_case="chat"
        )  # type: ignore[arg-type]
        example, doubts = instructions.publish_example(desk.store, new, by=lead, now=later(60))
        reaches[example.version] = [doubt.judgement for doubt in doubts]
        assert guidance.doubts_of(desk.store, example.id) == doubts
        assert guidance.examples_of(desk.store, example.version) == [example]
        assert f"**Prompt.** {reach}" in instructions.get(desk.store, example.version).text
    assert reaches == {
        "comparison-2": ["s-p"],
        "comparison-3": ["s-p", "s-q"],
        "comparison-4": ["s-p", "s-q", "s-r"],
    }


def test_corrected_labels_and_labels_of_other_tasks_are_not_in_doubt(desk: Desk) -> None:
    desk.task("p")
    desk.task("q", group="heldout", purpose="evaluation", instruction_version="evaluation-1")
    label(desk, "p")
    (held,) = desk.lease("hal")
    desk.submit(ranking(held, "s-hal"))
    (first,) = instructions_in_doubt(desk)
    assert first == Doubt(kind="ranking", judgement="s-p", labeler="anna")


def instructions_in_doubt(desk: Desk) -> list[Doubt]:
    new = NewExample(base="comparison-1", text="t", about="order", reach="all")
    return guidance.in_doubt(desk.store, instructions.scope_of(desk.store, new))


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"text": " "}, "example is empty"),
        ({"about": "taste"}, "'taste' is nothing"),
        ({"reach": "prompt"}, "no such prompt"),
        ({"reach": "use_case"}, "no such prompt or use case"),
        ({"base": "none-1"}, "no instructions 'none-1'"),
    ],
)
def test_an_example_that_can_not_be_published_changes_nothing(desk: Desk, changes: dict[str, str], told: str) -> None:
    fields = {"base": "comparison-1", "text": "t", "about": "order", "reach": "all"} | changes
    with pytest.raises(UserError, match=told):
        instructions.publish_example(desk.store, NewExample(**fields), by="", now=NOW)  # type: ignore[arg-type]
    assert guidance.examples_of(desk.store) == []
    assert "comparison-2" not in instructions.published(desk.store)


def test_an_example_is_added_to_the_newest_version_only(desk: Desk) -> None:
    lead = someone(desk.store, "lead").id
    new = NewExample(base="comparison-1", text="t", about="order", reach="all")
    instructions.publish_example(desk.store, new, by=lead, now=later(1))
    with pytest.raises(DataError, match="comparison-2 are newer than comparison-1"):
        instructions.publish_example(desk.store, new, by=lead, now=later(2))
