"""The arms judged through the queue: blind, by the right number of labelers, and collected under the arms' names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tutelage.errors import DataError
from tutelage.evaluate.people import Asking, ask, ask_about, batch_of, collect, completion_id, shown_once, spread
from tutelage.evaluate.records import LabelSource, Output
from tutelage.feedback import people, work
from tutelage.records import Instructions, Labeler, Prompt
from tutelage.store import Store, labelers, prompts, users

NOW = datetime(2026, 11, 1, tzinfo=UTC)
#: What each arm wrote; labelers of this test like short texts best, and see no difference of one character.
TEXT = {"base": "a long-winded text", "sft": "short one", "ppo_ptx": "short ones"}
HOW = Asking(instruction_version="evaluation-1", overlap=3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}", salt="salt of the tests") as opened:
        told = Instructions(version="evaluation-1", task="evaluation", text="Put truth and harmlessness first.")
        labelers.publish(opened, told, now=NOW)
        judges = [Labeler(id=f"judge-{number}", group="heldout", kind="simulated") for number in range(4)]
        judges += [Labeler(id="against", group="opposed", kind="simulated")]
        people.register(opened, judges, now=NOW)
        for number in range(2):
            _add_prompt(opened, f"p{number}")
        yield opened


def _add_prompt(store: Store, name: str) -> None:
    user = store.user_hash(name)
    users.assign(store, [user], shares={"train": 0.0, "validation": 0.0, "test": 1.0}, now=NOW)
    prompt = Prompt(
        id=name,
        text=f"What is {name}?",
        source="village",
        user=user,
        consent="notice-1",
        split="test",
        stage="evaluation",
    )
    prompts.add(store, [prompt], now=NOW, marks={name: prompts.Mark(pii="clean")})


def outputs() -> list[Output]:
    return [
        Output(seed=5, prompt_id=f"p{number}", model=model, text=text, finish_reason="stop")
        for number in range(2)
        for model, text in TEXT.items()
    ]


def judge(store: Store, labeler: str) -> list[work.Assignment]:
    """Rank and rate everything on offer by length alone, from what a labeler sees."""
    assignments = work.lease(store, labeler, now=NOW, limit=10)
    work.submit(store, [_submission(assignment) for assignment in assignments], now=NOW)
    return assignments


def _submission(assignment: work.Assignment) -> work.Submission:
    short = tuple(output.id for output in assignment.outputs if output.text.startswith("short"))
    long = tuple(output.id for output in assignment.outputs if output.id not in short)
    ratings = {id: work.Judgement(quality=6, flags={"violent": False, "opinion": None}) for id in short}
    ratings |= {id: work.Judgement(quality=2, flags={"violent": True}) for id in long}
    return work.Submission(
        id=f"handed {assignment.id}",
        assignment_id=assignment.id,
        labeler=assignment.labeler,
        groups=[short, long],
        ratings=ratings,
    )


def test_three_heldout_labelers_judge_every_prompt_blind(store: Store) -> None:
    tasks = ask(store, outputs(), HOW, now=NOW)
    work.file_tasks(store, tasks, now=NOW)
    work.file_tasks(store, ask(store, outputs(), HOW, now=NOW), now=NOW)
    seen = [judge(store, f"judge-{number}") for number in range(4)]
    assert [len(assignments) for assignments in seen] == [2, 2, 2, 0], "overlap 3, and filing twice adds nothing"
    for assignment in (assignment for assignments in seen for assignment in assignments):
        assert {output.text for output in assignment.outputs} == set(TEXT.values())
        shown = f"{assignment.task_id} {assignment.id} {assignment.outputs}"
        assert not any(arm in shown for arm in ("base", "sft", "ppo")), "nothing names an arm"


def test_judgements_come_back_under_the_names_of_the_arms(store: Store) -> None:
    work.file_tasks(store, ask(store, outputs(), HOW, now=NOW), now=NOW)
    judge(store, "judge-0")
    judge(store, "judge-1")
    found = collect(store, outputs(), HOW)
    assert {(row.prompt_id, row.labeler, row.group, row.seed) for row in found.rankings} == {
        (f"p{number}", f"judge-{who}", "heldout", 5) for number in range(2) for who in range(2)
    }
    assert all(row.ranks == {"sft": 0, "ppo_ptx": 0, "base": 1} for row in found.rankings)
    assert {(row.model, row.quality) for row in found.ratings} == {("sft", 6), ("ppo_ptx", 6), ("base", 2)}
    assert {tuple(sorted(row.flags)) for row in found.ratings if row.model == "sft"} == {("opinion", "violent")}
    assert found.missing == 2
    assert found.sources == (
        LabelSource(
            what="evaluation rankings", kind="simulated", group="heldout", count=4, labelers=2,
            instruction_version="evaluation-1",
        ),
        LabelSource(
            what="evaluation ratings", kind="simulated", group="heldout", count=12, labelers=2,
            instruction_version="evaluation-1",
        ),
    )  # fmt: skip


def test_samples_of_a_prompt_are_judged_apart(store: Store) -> None:
    both = [*outputs(), *(replace(one, sample=1, text=f"{one.text}!") for one in outputs())]
    tasks = ask(store, both, HOW, now=NOW)
    assert len({task.id for task in tasks}) == 4 and {len(task.completion_ids) for task in tasks} == {3}
    work.file_tasks(store, tasks, now=NOW)
    assert len(judge(store, "judge-0")) == 4
    found = collect(store, both, HOW)
    assert {(row.prompt_id, row.sample) for row in found.rankings} == {("p0", 0), ("p0", 1), ("p1", 0), ("p1", 1)}
    assert {(row.prompt_id, row.model, row.sample) for row in found.ratings} == {
        (one.prompt_id, one.model, one.sample) for one in both
    }
    assert found.missing == 8
    assert [task.id for task in ask(store, outputs(), HOW, now=NOW)] == [
        f"evaluation-5-{batch_of(outputs())}/p{number}/heldout" for number in range(2)
    ], "a first sample is named as before"


def test_groups_and_runs_are_kept_apart(store: Store) -> None:
    opposed = Asking(instruction_version="evaluation-1", group="opposed", overlap=1)
    for how in (HOW, opposed):
        work.file_tasks(store, ask(store, outputs(), how, now=NOW), now=NOW)
    judge(store, "against")
    judge(store, "judge-0")
    assert {row.labeler for row in collect(store, outputs(), opposed).rankings} == {"against"}
    assert {row.labeler for row in collect(store, outputs(), HOW).rankings} == {"judge-0"}
    other = [Output(seed=6, prompt_id=o.prompt_id, model=o.model, text=o.text, finish_reason="stop") for o in outputs()]
    assert collect(store, other, HOW).rankings == ()
    assert {completion_id(one, "b") for one in other}.isdisjoint(completion_id(one, "b") for one in outputs())


def test_other_texts_of_the_same_run_are_judged_anew(store: Store) -> None:
    """A run whose settings changed writes other texts for the same prompts; old judgements are not theirs."""
    work.file_tasks(store, ask(store, outputs(), HOW, now=NOW), now=NOW)
    judge(store, "judge-0")
    changed = [
        Output(seed=o.seed, prompt_id=o.prompt_id, model=o.model, text=f"{o.text} Again.", finish_reason="stop")
        if o.model == "sft"
        else o
        for o in outputs()
    ]
    work.file_tasks(store, ask(store, changed, HOW, now=NOW), now=NOW)
    assert collect(store, changed, HOW).rankings == ()
    judge(store, "judge-1")
    assert {row.labeler for row in collect(store, changed, HOW).rankings} == {"judge-1"}
    assert "judge-0" in {row.labeler for row in collect(store, outputs(), HOW).rankings}


def test_every_arm_must_have_written_for_every_prompt(store: Store) -> None:
    with pytest.raises(DataError, match="The prompt p1 has outputs of base, sft; labelers compare base, ppo_ptx, sft"):
        ask(store, outputs()[:-1], HOW, now=NOW)
    with pytest.raises(DataError, match="exactly once"):
        ask(store, [*outputs(), outputs()[0]], HOW, now=NOW)


def same_texts() -> list[Output]:
    """For p0, base and sft wrote the same; for p1 all three did."""
    texts = {("p0", "ppo_ptx"): "short", **{("p1", arm): "short" for arm in TEXT}}
    return [
        Output(seed=5, prompt_id=prompt, model=arm, text=texts.get((prompt, arm), "long"), finish_reason="stop")
        for prompt in ("p0", "p1")
        for arm in TEXT
    ]


def test_equal_texts_are_shown_once_and_tied_by_everybody(store: Store) -> None:
    shown = shown_once(same_texts())
    tasks = ask_about(store, shown.outputs, HOW, now=NOW)
    assert [(task.kind, len(task.completion_ids)) for task in tasks] == [("rank", 2), ("rate", 1)]
    work.file_tasks(store, tasks, now=NOW)
    for held in work.lease(store, "judge-0", now=NOW, limit=9):
        ratings = {one.id: work.Judgement(quality=6 if one.text == "short" else 2) for one in held.outputs}
        order = [[one.id] for one in sorted(held.outputs, key=lambda one: one.text, reverse=True)]
        made = work.Submission(
            id=held.id, assignment_id=held.id, labeler="judge-0", ratings=ratings,
            groups=order if held.kind == "rank" else (),
        )  # fmt: skip
        work.submit(store, [made], now=NOW)
    collected = collect(store, shown.outputs, HOW)
    assert collected.missing == 4, "one of three labelers judged both prompts"
    found = spread(collected, shown)
    assert {row.prompt_id: row.ranks for row in found.rankings} == {
        "p0": {"ppo_ptx": 0, "base": 1, "sft": 1},
        "p1": {"ppo_ptx": 0, "base": 0, "sft": 0},
    }
    assert {(row.prompt_id, row.model, row.quality) for row in found.ratings} == {
        ("p0", "ppo_ptx", 6), ("p0", "base", 2), ("p0", "sft", 2),
        ("p1", "ppo_ptx", 6), ("p1", "base", 6), ("p1", "sft", 6),
    }  # fmt: skip


def test_outputs_without_equal_texts_are_judged_as_they_are(store: Store) -> None:
    shown = shown_once(outputs())
    assert list(shown.outputs) == outputs()
    assert all(arm == judged for (_, arm), judged in shown.stands_for.items())
    with pytest.raises(DataError, match="exactly once"):
        shown_once(outputs()[:-1])


def test_kinds_of_labelers_in_one_group_are_read_apart(store: Store) -> None:
    people.register(store, [Labeler(id="ann", group="heldout", kind="human")], now=NOW)
    work.file_tasks(store, ask(store, outputs(), HOW, now=NOW), now=NOW)
    judge(store, "judge-0")
    judge(store, "ann")
    everyone, human = collect(store, outputs(), HOW), collect(store, outputs(), HOW, "human")
    assert {row.labeler for row in everyone.rankings} == {"judge-0", "ann"}
    assert {row.labeler for row in (*human.rankings, *human.ratings)} == {"ann"}
    assert {source.kind for source in everyone.sources} == {"human", "simulated"}


def test_the_same_outputs_are_judged_anew_under_another_name(store: Store) -> None:
    again = Asking(instruction_version="evaluation-1", overlap=1, name="second")
    for how in (HOW, again):
        work.file_tasks(store, ask(store, outputs(), how, now=NOW), now=NOW)
    assert len(judge(store, "judge-0")) == 4
    assert len(collect(store, outputs(), again).rankings) == len(collect(store, outputs(), HOW).rankings) == 2
