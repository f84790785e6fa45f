from __future__ import annotations

from typing import Any

import pytest

from tests.feedback.conftest import NOW, Desk, ranking
from tutelage.errors import DataError
from tutelage.feedback import export, work
from tutelage.records import FLAGS, Demonstration, RankedGroup
from tutelage.store import accounts, labels, returns
from tutelage.store.accounts import Offer


def test_a_demonstration_comes_out_with_its_prompt(desk: Desk) -> None:
    desk.demonstrate("p", prompt={"use_case": "open_qa"})
    assert list(export.sft(desk.store, kind="human")) == [
        export.SFTRow(
            label_id="d-p",
            prompt_id="p",
            prompt="Prompt p",
            completion="Answer p",
            labeler="anna",
            instruction_version="demonstration-1",
            use_case="open_qa",
            source="customer",
        )
    ]


def test_a_ranking_comes_out_as_one_row_in_the_order_of_the_screen_with_ties(desk: Desk) -> None:
    desk.rank("p")
    (row,) = export.reward(desk.store, kind="human")
    assert row == export.RewardRow(
        label_id="r-p",
        prompt_id="p",
        prompt="Prompt p",
        completions=("p answer 1", "p answer 0", "p answer 2"),
        ranks=(1, 0, 0),
        cut=(False, False, False),
        labeler="anna",
        instruction_version="comparison-1",
        source="customer",
    )
    assert row.group() == RankedGroup(
        prompt="Prompt p",
        completions=("p answer 1", "p answer 0", "p answer 2"),
        ranks=(1, 0, 0),
        prompt_id="p",
        labeler="anna",
        cut=(False, False, False),
    )


def test_ratings_and_flags_come_out_with_the_ranking_and_no_answer_is_not_no(desk: Desk) -> None:
    desk.task("p", k=3)
    held = desk.lease("anna")[0]
    said = {"p answer 0": (7, {"violent": False}), "p answer 1": (2, {"violent": True, "opinion": None}),
            "p answer 2": (4, {})}  # fmt: skip
    judged = {output.id: work.Judgement(quality=said[output.text][0], flags=said[output.text][1])
              for output in held.outputs}  # fmt: skip
    desk.submit(ranking(held, ratings=judged))
    (row,) = export.reward(desk.store, kind="human")
    assert row.ratings == tuple(said[text][0] for text in row.completions)
    flags = dict(zip(row.completions, row.flags, strict=True))
    assert all(set(one) == set(FLAGS) for one in row.flags)
    assert [flags[text]["violent"] for text in said] == [False, True, None]
    assert {flags[text]["opinion"] for text in said} == {None}

    desk.submit(ranking(held, "s2", supersedes="s1"))
    (row,) = export.reward(desk.store, kind="human")
    assert (row.label_id, row.ratings, row.flags) == ("s2", (), ()), "the correction rated nothing"


def test_rankings_of_some_tasks_alone_can_be_exported(desk: Desk) -> None:
    desk.labelers("zoe")
    for name in ("a_1", "ab1", "b"):
        desk.task(name, k=4)
    desk.submit(*(ranking(held, f"s-{held.id}") for held in desk.lease("zoe")))
    rows = export.reward(desk.store, kind="human", tasks="t-a_")
    assert [row.prompt_id for row in rows] == ["a_1"]
    assert len(list(export.reward(desk.store, kind="human"))) == 3
    assert list(export.reward(desk.store, kind="human", tasks="t-c")) == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"labeler": "hal"}, id="held-out labeler"),
        pytest.param({"labeler": "opal"}, id="opposed labeler"),
        pytest.param({"purpose": "evaluation"}, id="evaluation"),
        pytest.param({"purpose": "gold"}, id="gold"),
        pytest.param({"purpose": "repeat"}, id="repeat"),
        pytest.param({"purpose": "agreement"}, id="agreement"),
        pytest.param({"purpose": "screening"}, id="screening"),
        pytest.param({"kind": "simulated"}, id="another kind"),
        pytest.param({"kind": "model"}, id="a model"),
        pytest.param({"prompt": {"split": "validation"}}, id="validation split"),
        pytest.param({"prompt": {"split": "test"}}, id="test split"),
        pytest.param({"prompt": {"consent": ""}}, id="no consent"),
        pytest.param({"prompt": {"pii": "quarantined"}}, id="personal data"),
        pytest.param({"prompt": {"status": "duplicate"}}, id="duplicate"),
        pytest.param({"prompt": {"status": "capped"}}, id="over the cap"),
    ],
)
def test_what_may_not_be_trained_on_is_not_exported(desk: Desk, changes: dict[str, Any]) -> None:
    desk.labelers("rex", group="researcher")
    desk.demonstrate("good-d")
    desk.rank("good-r")
    desk.demonstrate("bad-d", **changes)
    desk.rank("bad-r", **changes)
    assert [row.prompt_id for row in export.sft(desk.store, kind="human")] == ["good-d"]
    assert [row.prompt_id for row in export.reward(desk.store, kind="human")] == ["good-r"]
    if "prompt" in changes:
        exported = [row.prompt_id for row in export.ppo(desk.store)]
        assert exported == ["good-d", "good-r"]


def test_labels_of_heldout_people_through_the_queue_are_not_exported_either(desk: Desk) -> None:
    desk.task("p", group="heldout", purpose="evaluation", instruction_version="evaluation-1")
    desk.submit(ranking(desk.lease("hal")[0]))
    assert len(labels.rankings_of(desk.store, labels.Which(group="heldout"))) == 1
    assert list(export.reward(desk.store, kind="human")) == []


def test_validation_rows_come_only_when_asked_for_and_test_rows_never(desk: Desk) -> None:
    desk.demonstrate("t")
    desk.demonstrate("v", prompt={"split": "validation"})
    assert [row.prompt_id for row in export.sft(desk.store, kind="human", split="validation")] == ["v"]
    for build in (export.sft, export.reward):
        with pytest.raises(DataError, match="'test' is never exported"):
            build(desk.store, kind="human", split="test")  # type: ignore[operator]
    with pytest.raises(DataError, match="'test' is never exported"):
        export.ppo(desk.store, split="test")  # type: ignore[arg-type]


def test_a_superseded_label_is_replaced_by_its_correction(desk: Desk) -> None:
    desk.demonstrate("p")
    fixed = Demonstration(
        id="d2",
        prompt_id="p",
        text="Better",
        labeler="anna",
        kind="human",
        instruction_version="demonstration-1",
        supersedes="d-p",
    )
    labels.add(desk.store, labels.Judgements(demonstrations=[fixed]), now=NOW)
    assert [row.completion for row in export.sft(desk.store, kind="human")] == ["Better"]


def test_a_returned_label_is_left_out_until_it_is_revised(desk: Desk) -> None:
    token = accounts.invite(desk.store, Offer(role="lead"), by="", now=NOW)
    lead = accounts.enter(desk.store, token, "Lea", "hash", now=NOW).id
    desk.task("p")
    desk.task("q")
    held, other = desk.lease("anna")
    desk.submit(ranking(held), ranking(other, "s2"))
    back = returns.Return(id="r", submission_id="s1", returned_by=lead, comment="Look at the second one again.")
    returns.add(desk.store, back, now=NOW)
    assert [row.label_id for row in export.reward(desk.store, kind="human")] == ["s2"]
    desk.submit(ranking(held, "s3", supersedes="s1"))
    assert [row.label_id for row in export.reward(desk.store, kind="human")] == ["s3", "s2"]


def test_prompts_are_exported_by_stage(desk: Desk) -> None:
    desk.prompt("a", stage="ppo")
    desk.prompt("b", stage="reward")
    assert list(export.ppo(desk.store)) == [export.PPORow(prompt_id="a", prompt="Prompt a", source="customer")]
    assert [row.prompt_id for row in export.ppo(desk.store, stage="reward")] == ["b"]


def test_ten_thousand_labels_go_through_the_queue_in_batches(desk: Desk) -> None:
    """The batch is the unit: 500 tasks of four outputs, each with a ranking and four ratings."""
    from tutelage.records import Completion, Prompt
    from tutelage.store import completions, prompts, users

    user = desk.store.user_hash("u")
    users.assign(desk.store, [user], shares={"train": 1.0}, now=NOW)
    names = [f"p{n:04}" for n in range(500)]
    made = [Prompt(id=p, text=p, source="village", user=user, consent="n", split="train") for p in names]
    prompts.add(desk.store, made, now=NOW)
    outputs = [
        Completion(
            id=f"{p}-{n}", prompt_id=p, text=f"{p} {n}", policy="sft", finish_reason="length" if n == 3 else "stop"
        )
        for p in names
        for n in range(4)
    ]
    completions.add(desk.store, outputs, now=NOW)
    filed = [
        work.Task(
            id=p,
            kind="rank",
            purpose="train",
            prompt_id=p,
            instruction_version="comparison-1",
            completion_ids=tuple(f"{p}-{n}" for n in range(4)),
        )
        for p in names
    ]
    work.file_tasks(desk.store, filed, now=NOW)
    held = desk.lease("anna", limit=1000)
    assert len(held) == 500
    judged = work.Judgement(quality=5, flags={"violent": False})
    batch = [ranking(one, one.id, ratings={output.id: judged for output in one.outputs}) for one in held]
    assert desk.submit(*batch) == 500
    assert len(labels.ratings_of(desk.store, labels.Which())) == 2000
    rows = list(export.reward(desk.store, kind="human"))
    assert len(rows) == 500
    assert all(row.ratings == (5, 5, 5, 5) for row in rows)
    assert all(row.cut == tuple(text.endswith(" 3") for text in row.completions) for row in rows)
