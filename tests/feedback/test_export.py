from __future__ import annotations

from typing import Any

import pytest

from tests.feedback.conftest import NOW, Desk, later, ranking
from tutelage.errors import DataError
from tutelage.feedback import export, work
from tutelage.feedback.submissions import Continuations, Toxicity
from tutelage.records import FLAGS, Demonstration, RankedGroup
from tutelage.store import accounts, labels, returns, withdrawals
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
    desk.rate("good-q")
    desk.rate("bad-q", **changes)
    assert ratings(desk) == ["q-good-q"]
    assert [row.prompt_id for row in export.sft(desk.store, kind="human")] == ["good-d"]
    assert [row.prompt_id for row in export.reward(desk.store, kind="human")] == ["good-r"]
    if "prompt" in changes:
        exported = [row.prompt_id for row in export.ppo(desk.store)]
        assert exported == ["good-d", "good-q", "good-r"]


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


def ratings(desk: Desk, **chosen: Any) -> list[str]:
    """Return the labels of an export of ratings, or of toxicity."""
    query = export.Query(**{"what": "ratings", **chosen})
    return [line.row.label_id for line in export.lines(desk.store, query)]


def test_a_rating_comes_out_with_its_output_and_no_answer_is_not_no(desk: Desk) -> None:
    desk.task("p", "rate", k=2)
    (held,) = desk.lease("anna")
    given = {one.id: work.Judgement(quality=2 + 3 * int(one.text[-1]), flags={"violent": None, "sexual": False})
             for one in held.outputs}  # fmt: skip
    desk.submit(work.Submission(id="s", assignment_id=held.id, labeler="anna", ratings=given))
    desk.rate("i", author="zoe", prompt={"use_case": "chat"})
    imported, first, second = [line.row for line in export.lines(desk.store, export.Query(what="ratings"))]
    assert imported.label_id == "q-i" and (imported.work, imported.use_case) == ("", "chat")
    for row in (first, second):
        number = int(row.completion[-1])
        assert row == export.RatingRow(
            label_id=row.label_id,
            prompt_id="p",
            prompt="Prompt p",
            completion=f"p answer {number}",
            policy="sft",
            cut=False,
            quality=2 + 3 * number,
            flags={**dict.fromkeys(FLAGS), "sexual": False},
            work="rate",
            labeler="anna",
            instruction_version="comparison-1",
            use_case="",
            source="customer",
            split="train",
        )
    assert {first.label_id, second.label_id} == {"s:0", "s:1"} and first.completion != second.completion


def test_only_ratings_of_the_standing_submission_are_exported(desk: Desk) -> None:
    """Ratings that came in with an order go when the correction has none, and with a label that was returned."""
    lead = accounts.enter(
        desk.store, accounts.invite(desk.store, Offer(role="lead"), by="", now=NOW), "Lea", "hash", now=NOW
    ).id
    desk.task("p", k=2)
    desk.task("q", "rate", k=1)
    held, other = desk.lease("anna")
    four = {one.id: work.Judgement(quality=4) for one in (*held.outputs, *other.outputs)}
    desk.submit(ranking(held, ratings={one.id: four[one.id] for one in held.outputs}))
    rate = {"assignment_id": other.id, "labeler": "anna", "ratings": {other.outputs[0].id: four[other.outputs[0].id]}}
    desk.submit(work.Submission(id="r1", **rate))
    assert ratings(desk) == ["s1:0", "s1:1", "r1:0"]
    desk.submit(ranking(held, "s2", supersedes="s1"), at=2)
    assert ratings(desk) == ["r1:0"]
    back = returns.Return(id="r", submission_id="r1", returned_by=lead, comment="Look again.")
    returns.add(desk.store, back, now=later(3))
    assert ratings(desk) == []
    desk.submit(work.Submission(id="r2", supersedes="r1", **rate), at=4)
    assert ratings(desk) == ["r2:0"]
    withdrawals.withdraw(desk.store, "anna", by=lead, now=later(5))
    assert ratings(desk) == []


def test_what_was_made_for_evaluation_is_exported_for_evaluation_alone(desk: Desk) -> None:
    told = {"purpose": "evaluation", "instruction_version": "evaluation-1"}
    desk.rate("train")
    desk.rate("gold", purpose="gold", labeler="hal")
    desk.rate("test", labeler="hal", prompt={"split": "test"}, **told)
    desk.rate("mine", **told)
    desk.rate("silent", labeler="hal", prompt={"consent": ""}, **told)
    desk.rate("sim", labeler="hal", kind="simulated", **told)
    desk.rate("own", labeler="hal", author="ben", **told)
    withdrawals.withdraw(desk.store, "ben", by="", now=later(1))
    desk.task("t", "toxicity", k=2, group="heldout", purpose="evaluation", instruction_version="toxicity-1")
    (held,) = desk.lease("hal")
    (a, b), open_ = held.outputs, Toxicity(toxicity=2, continuity=7)
    judged = Continuations(outputs={a.id: open_, b.id: Toxicity(relative=-1)}, beginning=1)
    desk.submit(work.Submission(id="x", assignment_id=held.id, labeler="hal", toxicity=judged, groups=[[b.id], [a.id]]))

    assert ratings(desk) == ["q-train"]
    assert ratings(desk, purpose="evaluation", group="heldout") == ["q-test"]
    assert ratings(desk, purpose="evaluation") == ["q-mine"]
    assert ratings(desk, purpose="evaluation", group="heldout", kind="simulated") == ["q-sim"]
    assert ratings(desk, what="toxicity", purpose="evaluation") == []
    query = export.Query(what="toxicity", purpose="evaluation", group="heldout")
    rows = [line.row for line in export.lines(desk.store, query)]
    assert [(row.label_id, row.completion) for row in rows] == [("x:0", a.text), ("x:1", b.text)]
    scales = [(row.beginning, row.toxicity, row.relative, row.continuity, row.rank) for row in rows]
    assert scales == [(1, 2, None, 7, 1), (1, None, -1, None, 0)]
    assert {row.policy for row in rows} == {"sft"}


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"group": "heldout"}, "never exported for training"),
        ({"what": "toxicity"}, "measures models and trains none"),
        ({"what": "comparisons"}, "measures models and trains none"),
        ({"what": "reward", "purpose": "evaluation"}, "for evaluation there are ratings, toxicity, comparisons"),
        ({"what": "songs"}, "no export 'songs'"),
        ({"purpose": "gold"}, "no export of the group 'training' for 'gold'"),
        ({"purpose": "evaluation", "group": "opposed"}, "no export of the group 'opposed'"),
    ],
)
def test_an_export_that_would_mix_training_and_evaluation_is_refused(chosen: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        export.Query(**{"what": "ratings", **chosen})


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
