from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from tests.feedback.conftest import NOW, Desk, later, ranking
from tutelage.errors import DataError, MissingError
from tutelage.feedback import people, work
from tutelage.records import Labeler
from tutelage.store import labels, prompts, tables
from tutelage.store.labels import Which


def submission(held: work.Assignment, **parts: Any) -> work.Submission:
    return work.Submission(**{"id": "s1", "assignment_id": held.id, "labeler": held.labeler} | parts)


def rate(quality: int = 4, **flags: bool | None) -> work.Judgement:
    return work.Judgement(quality=quality, flags=flags)


# Handing out


def test_a_labeler_sees_the_prompt_the_texts_and_the_instructions_but_no_policy(desk: Desk) -> None:
    desk.task("p", k=4)
    (held,) = desk.lease("anna")
    assert held.prompt == "Prompt p"
    assert sorted(output.text for output in held.outputs) == [f"p answer {n}" for n in range(4)]
    assert not any("sft" in output.id for output in held.outputs)
    assert held.instruction_version == "comparison-1" and "helpfulness first" in held.instructions
    assert held.lease_until == later(work.LEASE_SECONDS)


def test_tasks_come_in_the_order_of_filing_and_only_as_many_as_asked_for(desk: Desk) -> None:
    for name in ("b", "a", "c"):
        desk.task(name)
    assert [held.prompt_id for held in desk.lease("anna", limit=2)] == ["b", "a"]
    assert [held.prompt_id for held in desk.lease("anna", limit=2)] == ["c"]
    assert [held.prompt_id for held in work.held(desk.store, "anna")] == ["b", "a", "c"]


def test_the_kind_can_be_chosen(desk: Desk) -> None:
    desk.task("r")
    desk.task("d", "demonstrate")
    assert [held.kind for held in desk.lease("anna", kind="demonstrate")] == ["demonstrate"]
    assert [held.kind for held in desk.lease("anna")] == ["rank"]


def test_outputs_come_in_an_order_of_chance_that_differs_by_labeler_and_is_stored(desk: Desk) -> None:
    for n in range(60):
        desk.task(f"p{n}", k=4, overlap=2)
    orders = {name: [held.outputs for held in desk.lease(name, limit=60)] for name in ("anna", "ben")}
    texts = {name: [[output.text for output in one] for one in order] for name, order in orders.items()}
    assert texts["anna"] != texts["ben"]
    # Output 0 is first in a quarter of 120 orders: 30 on average, with a standard deviation of 4.7.
    first = sum(one[0].endswith("answer 0") for order in texts.values() for one in order)
    assert 10 <= first <= 50
    with desk.store.read() as connection:
        stored = connection.execute(
            select(tables.assignments.c.presented).where(tables.assignments.c.labeler == "anna")
        )
        assert sorted(row.presented for row in stored) == sorted(
            [f"{text.split()[0]}-sft-{text.split()[2]}" for text in one] for one in texts["anna"]
        )


def test_overlap_asks_that_many_different_labelers(desk: Desk) -> None:
    desk.task("p", overlap=2)
    assert len(desk.lease("anna")) == 1
    assert desk.lease("anna") == []
    assert len(desk.lease("ben")) == 1
    assert desk.lease("cleo") == []


@pytest.mark.parametrize(
    "group, others", [("heldout", ("anna", "opal")), ("training", ("hal", "opal")), ("opposed", ("anna", "hal"))]
)
def test_a_task_is_leased_to_its_own_group_only(desk: Desk, group: Any, others: tuple[str, str]) -> None:
    desk.task("p", group=group, purpose="evaluation", instruction_version="evaluation-1")
    assert [desk.lease(name) for name in others] == [[], []]
    own = {"heldout": "hal", "training": "anna", "opposed": "opal"}[group]
    assert len(desk.lease(own)) == 1


def test_nobody_judges_the_own_text(desk: Desk) -> None:
    desk.task("p", author="anna")
    assert desk.lease("anna") == []
    assert len(desk.lease("ben")) == 1


def test_prompts_out_of_use_are_not_handed_out(desk: Desk) -> None:
    desk.task("quarantined", prompt={"pii": "quarantined"})
    desk.task("duplicate", prompt={"status": "duplicate"})
    assert desk.lease("anna") == []


def test_an_unknown_labeler_gets_a_sentence(desk: Desk) -> None:
    with pytest.raises(MissingError, match="no labeler 'zoe'; register"):
        desk.lease("zoe")


# Leases


def test_an_expired_task_is_handed_out_again_and_the_record_stays(desk: Desk) -> None:
    desk.task("p")
    (first,) = desk.lease("anna", seconds=60)
    assert desk.lease("ben", at=59) == []
    (second,) = desk.lease("ben", at=60)
    assert (first.id, second.id) == ("t-p/1", "t-p/2")
    with desk.store.read() as connection:
        states = connection.execute(select(tables.assignments.c["labeler", "state"]).order_by("id")).all()
    assert states == [("anna", "expired"), ("ben", "offered")]


def test_work_whose_lease_ran_out_waits_again_though_nobody_has_written_so(desk: Desk) -> None:
    desk.task("p")
    desk.task("q", overlap=2)
    desk.lease("anna", seconds=60)
    assert [work.available(desk.store, name, now=later(59)) for name in ("anna", "ben")] == [{}, {"rank": 1}]
    assert [work.available(desk.store, name, now=later(60)) for name in ("anna", "ben")] == [{"rank": 2}] * 2
    assert [held.prompt_id for held in work.take(desk.store, "ben", now=later(60), kind="rank")] == ["p"]


def test_a_heartbeat_keeps_the_lease(desk: Desk) -> None:
    desk.task("p")
    (held,) = desk.lease("anna", seconds=60)
    assert work.heartbeat(desk.store, held.id, "anna", now=later(50), seconds=60) == later(110)
    assert desk.lease("ben", at=100) == []
    assert work.expire(desk.store, now=later(110)) == 1
    with pytest.raises(DataError, match="is expired; ask for other work"):
        work.heartbeat(desk.store, held.id, "anna", now=later(111))


def test_work_of_an_expired_lease_counts_while_nobody_else_has_the_task(desk: Desk) -> None:
    desk.task("p")
    (held,) = desk.lease("anna", seconds=60)
    work.expire(desk.store, now=later(99))
    assert desk.submit(ranking(held), at=100) == 1
    assert desk.lease("ben", at=101) == []


def test_work_of_an_expired_lease_is_refused_when_another_labeler_has_the_task(desk: Desk) -> None:
    desk.task("p")
    (held,) = desk.lease("anna", seconds=60)
    desk.lease("ben", at=61)
    with pytest.raises(DataError, match="is expired and its task went to others"):
        desk.submit(ranking(held), at=62)


def test_the_same_labeler_may_take_an_expired_task_again_but_not_hand_in_both(desk: Desk) -> None:
    desk.task("p", overlap=2)
    (first,) = desk.lease("anna", seconds=60)
    (second,) = desk.lease("anna", at=61)
    with pytest.raises(DataError, match="went to others"):
        desk.submit(ranking(first, "a"), ranking(second, "b"), at=62)
    assert desk.submit(ranking(second, "b"), at=63) == 1


# Skipping


def test_a_skipped_task_goes_to_another_labeler_and_not_back(desk: Desk) -> None:
    desk.task("p")
    (held,) = desk.lease("anna")
    work.skip(desk.store, held.id, "anna", reason="unclear", now=later(5), note="what is it?")
    assert desk.lease("anna") == []
    assert len(desk.lease("ben")) == 1
    with desk.store.read() as connection:
        row = connection.execute(select(tables.assignments).where(tables.assignments.c.labeler == "anna")).one()
    assert (row.state, row.skip_reason, row.note) == ("skipped", "unclear", "what is it?")


def test_a_skip_for_personal_data_quarantines_the_prompt(desk: Desk) -> None:
    desk.task("p", overlap=2)
    (held,) = desk.lease("anna")
    work.skip(desk.store, held.id, "anna", reason="pii", now=later(5))
    assert desk.lease("ben") == []
    (found,) = prompts.findings(desk.store)
    assert (found.prompt_id, found.kind, found.detector) == ("p", "labeler", "labeler:anna")


def test_bad_skips_are_refused(desk: Desk) -> None:
    desk.task("p")
    (held,) = desk.lease("anna")
    with pytest.raises(DataError, match="'bored' is no reason"):
        work.skip(desk.store, held.id, "anna", reason="bored", now=NOW)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="Labeler ben has no assignment t-p/1"):
        work.skip(desk.store, held.id, "ben", reason="other", now=NOW)
    desk.submit(ranking(held))
    with pytest.raises(DataError, match="is submitted"):
        work.skip(desk.store, held.id, "anna", reason="other", now=NOW)


# Handing in


def test_a_ranking_with_ties_and_ratings_is_stored_as_it_was_made(desk: Desk) -> None:
    desk.task("p", k=4)
    (held,) = desk.lease("anna")
    by_text = {output.text: output.id for output in held.outputs}
    a, b, c, d = (by_text[f"p answer {n}"] for n in range(4))
    ratings = {a: rate(7, hallucination=False), b: rate(1, fails_task=True, opinion=None), c: rate(6), d: rate(6)}
    assert desk.submit(ranking(held, groups=[[a], [d, c], [b]], ratings=ratings, seeded=True, active_ms=900)) == 1
    (stored,) = labels.rankings_of(desk.store, Which(purpose="train"))
    assert stored.groups == (("p-sft-0",), ("p-sft-3", "p-sft-2"), ("p-sft-1",))
    assert sorted(stored.presented) == [f"p-sft-{n}" for n in range(4)] and stored.seeded
    assert [by_text[f"p answer {one[-1]}"] for one in stored.presented] == [output.id for output in held.outputs]
    assert (stored.labeler, stored.kind, stored.instruction_version) == ("anna", "human", "comparison-1")
    found = {one.completion_id: one for one in labels.ratings_of(desk.store, Which(policies=["sft"]))}
    assert found["p-sft-0"].quality == 7 and found["p-sft-0"].flags == {"hallucination": False}
    assert found["p-sft-1"].flags == {"fails_task": True, "opinion": None}
    assert labels.ratings_of(desk.store, Which(policies=["ppo"])) == []


def test_a_demonstration_and_a_rating_task(desk: Desk) -> None:
    desk.labelers("robot", kind="simulated")
    desk.task("d", "demonstrate")
    desk.task("r", "rate", k=1)
    write, judge = desk.lease("robot")
    desk.submit(
        submission(write, id="w", text="An answer\nin two lines \0"),
        submission(judge, id="j", ratings={judge.outputs[0].id: rate(3)}),
    )
    (demonstration,) = labels.demonstrations_of(desk.store, Which(kind="simulated"))
    assert (demonstration.text, demonstration.prompt_id) == ("An answer\nin two lines \0", "d")
    assert [one.quality for one in labels.ratings_of(desk.store, Which(group="training"))] == [3]
    assert [(count.kind, count.tasks, count.closed) for count in work.progress(desk.store)] == [
        ("demonstrate", 1, 1),
        ("rate", 1, 1),
    ]


def test_handing_in_twice_counts_once(desk: Desk) -> None:
    desk.task("p")
    (held,) = desk.lease("anna")
    assert desk.submit(ranking(held)) == 1
    assert desk.submit(ranking(held)) == 0
    assert len(labels.rankings_of(desk.store, Which())) == 1
    with pytest.raises(DataError, match="s1 was handed in before with another content"):
        desk.submit(ranking(held, groups=[[output.id for output in held.outputs]]))


def test_a_correction_is_a_new_row_that_supersedes(desk: Desk) -> None:
    desk.task("p", k=2)
    (held,) = desk.lease("anna")
    good = {output.id: rate(5) for output in held.outputs}
    bad = {output.id: rate(2) for output in held.outputs}
    desk.submit(ranking(held, "s1", ratings=good))
    with pytest.raises(DataError, match="a correction must name s1"):
        desk.submit(ranking(held, "s2", ratings=bad))
    desk.submit(ranking(held, "s2", ratings=bad, supersedes="s1"))
    with pytest.raises(DataError, match="the latest is s2"):
        desk.submit(ranking(held, "s3", ratings=bad, supersedes="s1"))
    assert [one.id for one in labels.rankings_of(desk.store, Which())] == ["s2"]
    assert [one.quality for one in labels.ratings_of(desk.store, Which())] == [2, 2]
    with desk.store.read() as connection:
        assert len(connection.execute(select(tables.rankings)).all()) == 2


def test_one_bad_submission_spoils_the_batch_and_nothing_is_recorded(desk: Desk) -> None:
    desk.task("a")
    desk.task("b")
    first, second = desk.lease("anna")
    with pytest.raises(DataError, match="two: Completion .* is not ranked"):
        desk.submit(ranking(first, "one"), ranking(second, "two", groups=[[second.outputs[0].id]]))
    assert labels.rankings_of(desk.store, Which()) == []
    assert len(work.held(desk.store, "anna")) == 2


@pytest.mark.parametrize(
    "parts, sentence",
    [
        ({}, "rank each presented completion exactly once"),
        ({"groups": "foreign"}, "was not presented"),
        ({"groups": "twice"}, "is ranked twice"),
        ({"text": "an answer"}, "has text, which the task t-p did not ask for"),
        ({"ratings": "one"}, "not exactly the 3 shown"),
        ({"quality": 0}, "has the quality 0; give a whole number"),
        ({"quality": 8}, "has the quality 8"),
        ({"quality": True}, "has the quality True"),
        ({"quality": 4.0}, "has the quality 4.0"),
        ({"flags": {"rude": True}}, "unknown flag 'rude'; there are: fails_task"),
        ({"flags": {"violent": "no"}}, "flag violent of s1 is 'no'"),
        ({"flags": {"violent": 0}}, "flag violent of s1 is 0"),
    ],
)
def test_what_does_not_fit_the_task_is_refused(desk: Desk, parts: dict[str, Any], sentence: str) -> None:
    desk.task("p", k=3)
    (held,) = desk.lease("anna")
    ids = [output.id for output in held.outputs]
    groups = {"foreign": [ids, ["p-sft-0"]], "twice": [ids, ids[:1]]}.get(parts.get("groups", ""), [ids])
    judgement = work.Judgement(quality=parts.get("quality", 4), flags=parts.get("flags", {}))
    ratings = dict.fromkeys(ids, judgement) if parts.keys() & {"quality", "flags"} else {}
    if "ratings" in parts:
        ratings = {ids[0]: judgement}
    made = submission(held, groups=groups if parts else [], ratings=ratings, text=parts.get("text", ""))
    with pytest.raises(DataError, match=sentence):
        desk.submit(made)


def test_empty_work_is_refused(desk: Desk) -> None:
    desk.task("d", "demonstrate")
    desk.task("r", "rate", k=1)
    write, judge = desk.lease("anna")
    with pytest.raises(DataError, match="The demonstration s1 is empty"):
        desk.submit(submission(write, text=" \n"))
    with pytest.raises(DataError, match="has no ratings"):
        desk.submit(submission(judge))
    with pytest.raises(DataError, match="has no id"):
        desk.submit(submission(write, id="", text="x"))


def test_nobody_hands_in_for_another_labeler_or_twice_in_a_batch(desk: Desk) -> None:
    desk.task("p")
    (held,) = desk.lease("anna")
    with pytest.raises(DataError, match="no assignment of labeler ben"):
        desk.submit(submission(held, labeler="ben", groups=[[one.id] for one in held.outputs]))
    with pytest.raises(DataError, match="Two submissions of one batch"):
        desk.submit(ranking(held, "s1"), ranking(held, "s2"))
    work.skip(desk.store, held.id, "anna", reason="other", now=NOW)
    with pytest.raises(DataError, match="is skipped"):
        desk.submit(ranking(held))


def test_a_correction_of_nothing_is_refused(desk: Desk) -> None:
    desk.task("p")
    (held,) = desk.lease("anna")
    with pytest.raises(DataError, match="which was never handed in"):
        desk.submit(ranking(held, supersedes="s0"))


# Filing


def test_filing_again_changes_nothing_and_another_content_is_refused(desk: Desk) -> None:
    task = desk.task("p", k=4)
    work.file_tasks(desk.store, [task], now=NOW)
    assert len(desk.lease("anna")) == 1 and desk.lease("ben") == []
    for change in ({"overlap": 2}, {"completion_ids": task.completion_ids[:3]}):
        fields = {name: getattr(task, name) for name in work.Task.__dataclass_fields__}
        with pytest.raises(DataError, match="filed already with another content"):
            work.file_tasks(desk.store, [work.Task(**fields | change)], now=NOW)


@pytest.mark.parametrize(
    "changes, error, sentence",
    [
        ({"prompt_id": "none"}, MissingError, "which is not in the store"),
        ({"completion_ids": ("none", "p-sft-0")}, DataError, "shows none, which is no completion"),
        ({"completion_ids": ("q-sft-0", "p-sft-0")}, DataError, "shows q-sft-0, which is no completion"),
        ({"completion_ids": ("p-sft-0",)}, DataError, "has 1 completions; it needs 2"),
        ({"completion_ids": ("p-sft-0", "p-sft-0")}, DataError, "same completion twice"),
        ({"kind": "demonstrate"}, DataError, "it needs none"),
        ({"overlap": 0}, DataError, "asks for 0 labelers"),
        ({"group": "heldout"}, DataError, "its group must be 'training'"),
        ({"instruction_version": "none"}, MissingError, "publish them first"),
        ({"instruction_version": "demonstration-1"}, DataError, "cannot be done under"),
        ({"instruction_version": "evaluation-1"}, DataError, "cannot be done under"),
        ({"purpose": "evaluation"}, DataError, "cannot be done under"),
    ],
)
def test_tasks_that_make_no_sense_are_refused(
    desk: Desk, changes: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    desk.prompt("p")
    desk.prompt("q")
    desk.outputs("q", 1)
    fields: dict[str, Any] = {
        "id": "t",
        "kind": "rank",
        "purpose": "train",
        "prompt_id": "p",
        "completion_ids": desk.outputs("p", 2),
        "instruction_version": "comparison-1",
    }
    with pytest.raises(error, match=sentence):
        work.file_tasks(desk.store, [work.Task(**fields | changes)], now=NOW)


# People


def test_a_labeler_keeps_group_and_kind(desk: Desk) -> None:
    desk.labelers("anna")
    with pytest.raises(DataError, match="anna is registered as human in the group 'training'"):
        desk.labelers("anna", group="heldout")
    assert [one.id for one in people.members(desk.store, "training")] == ["anna", "ben", "cleo"]


@pytest.mark.parametrize(
    "fields, sentence",
    [({"id": " "}, "not empty"), ({"group": "night"}, "group 'night'"), ({"kind": "cat"}, "kind 'cat'")],
)
def test_bad_labelers_are_refused(desk: Desk, fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        people.register(desk.store, [Labeler(**{"id": "x", "group": "training", "kind": "human"} | fields)], now=NOW)
