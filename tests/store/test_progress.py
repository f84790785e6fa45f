"""Labels wanted and made, the queue in numbers, prompts without tasks: counted on both databases."""

from __future__ import annotations

import pytest

from tests.feedback.conftest import Desk, desk, later
from tests.feedback.panel import hand_in
from tutelage.feedback import work
from tutelage.store import choices, openings, pace, progress
from tutelage.store.openings import Open
from tutelage.store.progress import Hands, Key, Unfiled

__all__ = ["desk"]


def key(kind: str = "rank", use_case: str = "", purpose: str = "train", group: str = "training") -> Key:
    return Key(kind=kind, purpose=purpose, group=group, use_case=use_case, source="customer")  # type: ignore[arg-type]


def test_labels_wanted_and_made_are_counted_apart_by_who_makes_them(desk: Desk) -> None:
    desk.labelers("sim", kind="simulated")
    desk.task("p", overlap=2, prompt={"use_case": "chat"})
    desk.task("q", overlap=2, prompt={"use_case": "chat"})
    desk.task("d", "demonstrate")
    desk.task("gone", prompt={"status": "capped"})
    hand_in(desk, "anna", "t-p", order=[[0], [1, 2, 3]], active_ms=90_000)
    hand_in(desk, "sim", "t-p", order=[[0], [1], [2], [3]])
    hand_in(desk, "anna", "t-d", text="x", active_ms=30_000, at=7200)
    wanted = {(one.key.kind, one.key.use_case): one for one in progress.wanted(desk.store)}
    chat, rest = wanted["rank", "chat"], wanted["rank", ""]
    assert (chat.tasks, chat.closed, chat.labels, chat.out_of_use) == (2, 1, 4, 0)
    assert (rest.tasks, rest.labels, rest.out_of_use) == (0, 0, 1)
    made = {(one.key, one.by): one for one in progress.made(desk.store, since=later(3600))}
    assert made.keys() == {
        (key(use_case="chat"), "human"),
        (key(use_case="chat"), "simulated"),
        (key("demonstrate"), "human"),
    }
    anna, late = made[key(use_case="chat"), "human"], made[key("demonstrate"), "human"]
    assert (anna.labels, anna.recent, anna.measured, anna.active_ms) == (1, 0, 1, 90_000)
    assert (late.labels, late.recent, late.measured, late.active_ms) == (1, 1, 1, 30_000)
    assert made[key(use_case="chat"), "simulated"].measured == 0


def test_a_label_of_a_task_that_is_out_of_use_counts_nowhere(desk: Desk) -> None:
    desk.task("p", "demonstrate", overlap=2)
    hand_in(desk, "anna", "t-p", text="x")
    held = desk.lease("ben")
    work.skip(desk.store, held[0].id, "ben", reason="pii", now=later(60))
    (wanted,) = progress.wanted(desk.store)
    assert (wanted.tasks, wanted.labels, wanted.out_of_use) == (0, 0, 1)
    assert progress.made(desk.store, since=later(0)) == []


def test_a_revision_is_no_second_label_and_its_time_is_the_whole(desk: Desk) -> None:
    """The page's clock goes on where it was."""
    desk.task("d", "demonstrate")
    first = hand_in(desk, "anna", "t-d", text="x", active_ms=30_000)
    again = work.Submission(
        id="again", assignment_id=first.assignment_id, labeler="anna", text="y", active_ms=45_000, supersedes=first.id
    )
    desk.submit(again, at=120)
    (made,) = progress.made(desk.store, since=later(100))
    assert (made.labels, made.recent, made.active_ms) == (1, 0, 45_000)
    (anna,) = [one for one in pace.paces(desk.store) if one.labeler == "anna"]
    assert (anna.labels, anna.revised, anna.active_ms, anna.last) == (1, 1, 45_000, later(120))


def test_the_queue_in_numbers(desk: Desk) -> None:
    for name in "pqr":
        desk.task(name, "demonstrate", overlap=2)
    hand_in(desk, "anna", "t-p", text="x")
    held = desk.lease("ben", limit=3)
    work.skip(desk.store, held[2].id, "ben", reason="unclear", now=later(60))
    found = progress.hands(desk.store, now=later(60))
    assert Hands(kind="demonstrate", state="skipped", reason="unclear", assignments=1) in found
    assert sum(one.assignments for one in found if one.state == "offered") == 2 + 2
    assert progress.places(desk.store, now=later(60)) == {"demonstrate": 6 - 1 - 4}
    # By the clock all four leases are over, though nobody has written so.
    after = later(work.LEASE_SECONDS + 60)
    assert progress.places(desk.store, now=after) == {"demonstrate": 6 - 1}
    assert Hands(kind="demonstrate", state="expired", reason="", assignments=4) in progress.hands(desk.store, now=after)


def test_a_ranking_whose_lease_ran_out_waits_again_though_nobody_has_written_so(desk: Desk) -> None:
    for name in "pq":
        desk.task(name, overlap=2)
    desk.lease("anna", limit=1)
    desk.lease("ben", limit=1)

    def waiting(seconds: float) -> int:
        return choices.waiting(desk.store, purpose="train", group="training", now=later(seconds))

    assert waiting(work.LEASE_SECONDS - 1) == 1
    assert waiting(work.LEASE_SECONDS) == 2


def test_prompts_without_tasks(desk: Desk) -> None:
    desk.task("asked", "demonstrate", prompt={"stage": "sft"})
    for name in ("a", "b", "c"):
        desk.prompt(name, stage="reward", use_case="chat")
    desk.outputs("b", 3)
    desk.outputs("c", 4)
    desk.prompt("secret", stage="reward", pii="quarantined")
    assert progress.unfiled(desk.store) == [
        Unfiled(split="train", stage="reward", use_case="chat", prompts=3, to_demonstrate=3, to_rank=2),
        Unfiled(split="train", stage="sft", use_case="", prompts=1, to_demonstrate=0, to_rank=0),
    ]
    found = Open(kind="rank", purpose="train", group="training", outputs=4, stage="reward")
    assert openings.find(desk.store, found) == ["c"]
    written = Open(kind="demonstrate", purpose="train", group="training", split="train")
    assert sorted(openings.find(desk.store, written)) == ["a", "b", "c"]
    # Another purpose is another task.
    gold = Open(kind="demonstrate", purpose="gold", group="training")
    assert "asked" in openings.find(desk.store, gold)


@pytest.mark.parametrize(("active_ms", "hurried"), [(0, 0), (1_000, 1), (60_000, 0)])
def test_a_label_is_hurried_when_its_texts_could_not_be_read_in_the_time(
    desk: Desk, active_ms: int, hurried: int
) -> None:
    """A prompt of 8 and two outputs of 10 characters take 0.7 s at 25 ms a character, 1,028 characters take 26 s."""
    desk.task("p", k=2)
    desk.task("long", k=2, prompt={"text": "x" * 1000})
    hand_in(desk, "anna", "t-p", order=[[0], [1]], active_ms=active_ms)
    hand_in(desk, "anna", "t-long", order=[[0], [1]], active_ms=active_ms)
    (anna,) = [one for one in pace.paces(desk.store) if one.labeler == "anna"]
    assert (anna.hurried, anna.measured) == (hurried, 2 if active_ms else 0)
