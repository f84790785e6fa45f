"""Filing work for many prompts at once: the same rules as one task by one, once per name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.feedback.conftest import NOW, Desk, later
from tutelage.errors import DataError, MissingError
from tutelage.feedback import targets, work
from tutelage.feedback.targets import Target
from tutelage.records import Instructions
from tutelage.store import labelers, tasks


def target(**changes: Any) -> Target:
    fields: dict[str, Any] = {
        "kind": "rank",
        "purpose": "train",
        "group": "training",
        "version": "comparison-1",
        "count": 2,
        "outputs": 3,
    }
    return Target(**{**fields, **changes})


@pytest.fixture
def stocked(desk: Desk) -> Desk:
    for name in "abc":
        desk.outputs(desk.prompt(name, stage="reward"), 4)
    desk.outputs(desk.prompt("few", stage="reward"), 2)
    return desk


def test_work_is_filed_for_as_many_prompts_as_wanted_once_per_name(stocked: Desk) -> None:
    assert sorted(targets.prompts_for(stocked.store, target())) == ["a", "b", "c"]
    for _ in range(2):
        assert targets.file(stocked.store, target(overlap=2), name="filed-x", now=NOW) == 2
    assert len(targets.prompts_for(stocked.store, target())) == 1
    made = tasks.get(stocked.store, "filed-x-0")
    assert (made.kind, made.purpose, made.group, made.overlap) == ("rank", "train", "training", 2)
    assert len(set(made.completion_ids)) == 3
    assert [len(held.outputs) for held in stocked.lease("anna")] == [3, 3]
    assert targets.file(stocked.store, target(count=50), name="filed-y", now=NOW) == 1
    with pytest.raises(DataError, match="no such prompt"):
        targets.file(stocked.store, target(), name="filed-z", now=NOW)


def test_a_name_is_not_taken_for_a_longer_one(stocked: Desk) -> None:
    targets.file(stocked.store, target(count=1), name="filed-x_1", now=NOW)
    assert targets.file(stocked.store, target(count=1), name="filed-x", now=NOW) == 1
    assert tasks.beginning_with(stocked.store, "filed-x-") == ["filed-x-0"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"count": 0}, "1 to 10,000"),
        ({"count": 10_001}, "1 to 10,000"),
        ({"overlap": 51}, "1 to 50 labelers"),
        ({"outputs": 1}, "2 to 9 outputs"),
        ({"kind": "demonstrate"}, "0 to 0 outputs"),
        ({"kind": "sing"}, "choose demonstrate, rate, rank"),
        ({"group": "heldout"}, "its group must be 'training'"),
        ({"version": "evaluation-1"}, "cannot be done under the instructions"),
        ({"version": "demonstration-1"}, "cannot be done under the instructions"),
    ],
)
def test_what_the_rules_refuse_is_not_filed(stocked: Desk, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        targets.file(stocked.store, target(**changes), name="filed-x", now=NOW)
    assert work.progress(stocked.store) == []


def test_the_usual_instructions_are_the_newest_for_the_purpose(desk: Desk) -> None:
    assert targets.usual(desk.store, "rank", "gold") == "comparison-1"
    assert targets.usual(desk.store, "rate", "evaluation") == "evaluation-1"
    assert targets.usual(desk.store, "demonstrate", "train") == "demonstration-1"
    newer = Instructions(version="comparison-2", task="comparison", text="x")
    labelers.publish(desk.store, newer, now=later(1))
    assert targets.usual(desk.store, "rank", "train") == "comparison-2"


def test_a_task_is_repeated_with_the_same_outputs(desk: Desk) -> None:
    task = desk.task("p", k=3)
    targets.repeat(desk.store, task.id, name="repeat-x", group="heldout", overlap=2, now=NOW)
    made = tasks.get(desk.store, "repeat-x")
    assert (made.purpose, made.group, made.overlap, made.completion_ids) == (
        "repeat",
        "heldout",
        2,
        task.completion_ids,
    )
    with pytest.raises(MissingError, match="no task 'none'"):
        targets.repeat(desk.store, "none", name="repeat-y", group="heldout", overlap=2, now=NOW)
