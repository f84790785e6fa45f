"""What could be filed for people, and what filing it makes: once, whoever else files at the same time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.feedback.conftest import NOW, Desk, later, ranking
from tests.feedback.test_races import together
from tutelage.errors import DataError, MissingError
from tutelage.feedback import filing, work
from tutelage.feedback.filing import Filing
from tutelage.records import Instructions
from tutelage.store import choices, jobs, labelers, tasks, withdrawals
from tutelage.store import filing as stored
from tutelage.store.choices import Choice
from tutelage.store.jobs import NewJob


def file(desk: Desk, what: Any = "rank", count: int = 2, *, name: str = "filed-x", **chosen: Any) -> int:
    return filing.file(desk.store, [Filing(what=what, count=count, **chosen)], name=name, now=NOW)


@pytest.fixture
def stocked(desk: Desk) -> Desk:
    """Three prompts to answer and two to rank, beside others that nobody may work on."""
    for name in ("a", "b", "c"):
        desk.prompt(name, stage="sft")
    for name in ("x", "y"):
        desk.prompt(name, stage="reward")
        desk.outputs(name, 11 if name == "y" else 4)
    desk.prompt("one", stage="reward")
    desk.outputs("one", 1)
    for name, changes in (
        ("test", {"split": "test"}),
        ("soiled", {"pii": "quarantined"}),
        ("twice", {"status": "duplicate"}),
        ("silent", {"consent": ""}),
    ):
        desk.prompt(name, stage="sft", **changes)
        desk.outputs(name, 4)
    return desk


def test_only_what_may_be_trained_on_and_no_person_labeled_is_possible(stocked: Desk) -> None:
    # Whoever may be trained on may be looked through, and so may what was found to hold personal data.
    found = {"demonstrate": 3, "rate": 3, "rank": 2, "review": 7, "toxicity": 1}
    assert filing.possible(stocked.store) == found


def test_the_first_filing_makes_tasks_that_people_get(stocked: Desk) -> None:
    first = filing.first(stocked.store)
    assert first == [Filing(what="demonstrate", count=3, stage="sft"), Filing(what="rank", count=2)]
    for _ in range(2):
        assert filing.file(stocked.store, first, name="first", now=NOW) == 5
    assert work.available(stocked.store, "anna", now=NOW) == {"demonstrate": 3, "rank": 2}
    assert work.available(stocked.store, "hal", now=NOW) == {}
    taken = {held.prompt_id: held for held in stocked.lease("anna")}
    assert {name: len(held.outputs) for name, held in taken.items() if held.kind == "rank"} == {"x": 4, "y": 9}
    assert {held.instruction_version for held in taken.values()} == {"demonstration-1", "comparison-1"}
    assert filing.possible(stocked.store) == {"rate": 3, "review": 7, "toxicity": 1}
    with pytest.raises(DataError, match="nothing left of this to file"):
        file(stocked)
    assert filing.first(stocked.store) == [Filing(what="plain", count=20)]


def test_prompts_purpose_and_outputs_are_chosen(stocked: Desk) -> None:
    chosen: dict[str, Any] = {"outputs": 3, "stage": "reward", "overlap": 2}
    assert sorted(filing.prompts_for(stocked.store, Filing(what="rank", count=1, **chosen))) == ["x", "y"]
    for _ in range(2):
        assert file(stocked, count=1, **chosen) == 1
    assert len(filing.prompts_for(stocked.store, Filing(what="rank", count=1, **chosen))) == 1
    made = tasks.get(stocked.store, "filed-x-rank-0")
    assert (made.kind, made.purpose, made.group, made.overlap) == ("rank", "train", "training", 2)
    assert len(set(made.completion_ids)) == 3
    assert [len(held.outputs) for held in stocked.lease("anna")] == [3]
    assert file(stocked, count=50, name="filed-y", **chosen) == 1
    # Another purpose is another task, and every split may be measured.
    assert file(stocked, "rate", 50, name="gold", purpose="gold", outputs=4, split="") == 3
    assert {held.purpose for held in stocked.lease("ben", kind="rate")} == {"gold"}


def test_a_simulated_label_leaves_the_prompt_to_people_and_a_persons_does_not(desk: Desk) -> None:
    desk.labelers("sim", kind="simulated")
    for name, who in (("p", "anna"), ("s", "sim"), ("w", "cleo")):
        desk.task(name, "rank", prompt={"stage": "reward"})
        (held,) = desk.lease(who)
        desk.submit(ranking(held, f"s-{who}"))
    desk.rank("imported")
    desk.rank("model", kind="model")
    assert sorted(filing.prompts_for(desk.store, Filing(what="rank", count=1))) == ["model", "s"]
    withdrawals.withdraw(desk.store, "cleo", by="", now=NOW)
    assert file(desk, count=9, overlap=2) == 3
    assert {held.prompt_id for held in desk.lease("ben", at=5)} == {"s", "model", "w"}
    assert "rank" not in filing.possible(desk.store)


def test_a_name_is_not_taken_for_a_longer_one(stocked: Desk) -> None:
    assert file(stocked, count=1, name="filed-x_1") == file(stocked, count=1, name="filed-x") == 1
    assert stored.beginning_with(stocked.store, "filed-x-") == ["filed-x-rank-0"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"count": 0}, "1 to 10,000"),
        ({"count": 10_001}, "1 to 10,000"),
        ({"overlap": 0}, "1 to 50 labelers"),
        ({"overlap": 51}, "1 to 50 labelers"),
        ({"outputs": 1}, "2 to 9 outputs"),
        ({"what": "demonstrate", "outputs": 1}, "0 to 0 outputs"),
        ({"what": "sing"}, "'sing' is nothing to file"),
        ({"group": "heldout"}, "its group must be 'training'"),
        ({"what": "plain", "group": "heldout"}, "its group must be 'training'"),
        ({"version": "evaluation-1"}, "cannot be done under the instructions"),
        ({"what": "user_based"}, "at least one use"),
    ],
)
def test_what_the_rules_refuse_is_not_filed(stocked: Desk, wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        file(stocked, **wrong)
    assert work.progress(stocked.store) == []


def test_the_usual_instructions_are_the_newest_for_the_purpose(desk: Desk) -> None:
    def told(what: Any, purpose: Any = "train") -> str:
        return filing.told(desk.store, Filing(what=what, count=1, purpose=purpose))

    assert [told("rank", "gold"), told("rate", "evaluation")] == ["comparison-1", "evaluation-1"]
    assert [told("demonstrate"), told("review"), told("few_shot")] == ["demonstration-1", "privacy-1", "prompt-1"]
    labelers.publish(desk.store, Instructions(version="comparison-2", task="comparison", text="x"), now=later(1))
    assert told("rank") == "comparison-2"


def test_a_task_is_repeated_with_the_same_outputs(desk: Desk) -> None:
    task = desk.task("p", k=3)
    filing.repeat(desk.store, task.id, name="repeat-x", group="heldout", overlap=2, now=NOW)
    made = tasks.get(desk.store, "repeat-x")
    assert (made.purpose, made.group, made.overlap) == ("repeat", "heldout", 2)
    assert made.completion_ids == task.completion_ids
    with pytest.raises(MissingError, match="no task 'none'"):
        filing.repeat(desk.store, "none", name="repeat-y", group="heldout", overlap=2, now=NOW)


def ranks(desk: Desk, prompt: str, id: str, outputs: tuple[int, ...], **changes: Any) -> work.Task:
    fields: dict[str, Any] = {"kind": "rank", "purpose": "train", "instruction_version": "comparison-1"}
    shown = tuple(f"{prompt}-sft-{n}" for n in outputs)
    return work.Task(id=id, prompt_id=prompt, completion_ids=shown, **{**fields, **changes})


def test_what_an_open_task_asks_is_not_filed_a_second_time(desk: Desk) -> None:
    desk.outputs(desk.prompt("p"), 5)

    def add(id: str, *outputs: int, **changes: Any) -> int:
        return work.file_unasked(desk.store, [ranks(desk, "p", id, outputs, **changes)], now=NOW)

    assert add("worker", 0, 1, 2) == add("worker", 0, 1, 2) == 1, "the same task again is the same task"
    assert add("equal", 2, 1, 0) == add("part", 0, 1) == add("more", 0, 1, 2, 3) == 0
    assert add("crossing", 2, 3) == 1, "what is new beside an old output is another question"
    gold = {"purpose": "gold"}
    assert add("gold", 0, 1, 2, **gold) == add("heldout", 0, 1, 2, group="heldout", **gold) == 1
    (held,) = desk.lease("anna", limit=1)
    desk.submit(ranking(held))
    assert add("again", 0, 1, 2) == 1, "the first one is finished"
    assert stored.beginning_with(desk.store, "") == ["worker", "crossing", "gold", "heldout", "again"]


def test_a_lead_and_workers_at_once_file_every_ranking_once(desk: Desk) -> None:
    names = [f"p{n}" for n in range(6)]
    for name in names:
        desk.outputs(desk.prompt(name), 2)

    def worker(key: str) -> Any:
        def run() -> None:
            for name in names:
                work.file_unasked(desk.store, [ranks(desk, name, f"{key}/{name}", (0, 1))], now=NOW)

        return run

    def lead(key: str) -> Any:
        def run() -> None:
            for number in range(6):
                try:
                    file(desk, count=1, name=f"filed-{key}-{number}")
                except DataError as error:
                    assert "nothing left" in str(error)

        return run

    together([worker("one"), lead("three"), worker("two"), lead("four")])
    filed = Counter(tasks.get(desk.store, id).prompt_id for id in stored.beginning_with(desk.store, ""))
    assert filed == dict.fromkeys(names, 1)


def test_what_a_worker_is_about_to_draw_is_left_to_it(desk: Desk) -> None:
    for name in ("p", "q"):
        desk.outputs(desk.prompt(name), 2)
    draw = NewJob(kind="rank", arguments={"prompts": ["p"]})
    choices.record(desk.store, [Choice(task_id="k/p", prompt_id="p", reason="random")], [draw], now=NOW)
    assert filing.prompts_for(desk.store, Filing(what="rank", count=1)) == ["q"]
    assert filing.possible(desk.store)["rate"] == 2
    job = jobs.claim(desk.store, ["rank"], worker="w", now=NOW, until=later(9))
    assert job is not None
    jobs.finish(desk.store, job, {}, now=later(1))
    assert sorted(filing.prompts_for(desk.store, Filing(what="rank", count=1))) == ["p", "q"], "nothing came of it"
