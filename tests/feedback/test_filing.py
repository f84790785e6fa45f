"""What could be filed for people, and what filing it makes."""

from __future__ import annotations

import pytest

from tests.feedback.conftest import NOW, Desk, later, ranking
from tutelage.errors import DataError
from tutelage.feedback import filing, work
from tutelage.feedback.filing import Filing


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
    assert filing.possible(stocked.store) == {"demonstrate": 3, "rank": 2, "review": 7, "toxicity": 1}


def test_the_first_filing_makes_tasks_that_people_get(stocked: Desk) -> None:
    assert filing.first(stocked.store) == [Filing(what="demonstrate", count=3), Filing(what="rank", count=2)]
    assert filing.file(stocked.store, filing.first(stocked.store), now=NOW) == 5
    assert work.available(stocked.store, "anna", now=NOW) == {"demonstrate": 3, "rank": 2}
    assert work.available(stocked.store, "hal", now=NOW) == {}
    taken = {held.prompt_id: held for held in stocked.lease("anna")}
    assert {name: len(held.outputs) for name, held in taken.items() if held.kind == "rank"} == {"x": 4, "y": 9}
    assert {held.instruction_version for held in taken.values()} == {"demonstration-1", "comparison-1"}
    assert filing.possible(stocked.store) == {"review": 7, "toxicity": 1}
    with pytest.raises(DataError, match="Nothing is left"):
        filing.file(stocked.store, [Filing(what="rank", count=1)], now=NOW)
    assert filing.first(stocked.store) == [Filing(what="plain", count=20)]


def test_a_simulated_label_leaves_the_prompt_to_people_and_a_persons_does_not(desk: Desk) -> None:
    desk.labelers("sim", kind="simulated")
    for name, who in (("p", "anna"), ("s", "sim")):
        desk.task(name, "rank", prompt={"stage": "reward"})
        (held,) = desk.lease(who)
        desk.submit(ranking(held, f"s-{who}"))
    assert filing.possible(desk.store)["rank"] == 1
    filing.file(desk.store, [Filing(what="rank", count=9, overlap=2)], now=NOW)
    assert [held.prompt_id for held in desk.lease("ben", at=5)] == ["s"]
    assert [held.prompt_id for held in desk.lease("cleo", at=5)] == ["s"]
    assert "rank" not in filing.possible(desk.store)


@pytest.mark.parametrize("wrong", [{"count": 0}, {"count": 10_001}, {"overlap": 0}, {"overlap": 21}])
def test_counts_beyond_reason_are_refused(stocked: Desk, wrong: dict[str, int]) -> None:
    with pytest.raises(DataError, match="File 1 to 10000 tasks"):
        filing.file(stocked.store, [Filing(what="rank", **{"count": 1, **wrong})], now=later(1))
    assert work.progress(stocked.store) == []
