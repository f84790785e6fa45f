"""Leased jobs on both databases: filed once, claimed by one, never lost, and finished by who holds the lease."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.store.test_nouns import add_prompt
from tutelage.errors import DataError, MissingError
from tutelage.records import Completion, Instructions
from tutelage.store import Store, choices, completions, filing, jobs, labelers
from tutelage.store.choices import Choice, ChoiceCount
from tutelage.store.jobs import ATTEMPTS, Job, LeaseLostError, NewJob
from tutelage.store.tasks import Task

NOW = datetime(2026, 11, 2, tzinfo=UTC)
DRAW = NewJob(kind="draw", arguments={"prompts": ["p1", "p2"]})


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def claim(
    store: Store, seconds: float = 0, worker: str = "w", kinds: tuple[str, ...] = ("draw", "score")
) -> Job | None:
    return jobs.claim(store, ["draw", "score"], worker=worker, now=at(seconds), until=at(seconds + 30))


def the(store: Store, id: str = DRAW.name) -> Job:
    (found,) = [job for job in jobs.find(store) if job.id == id]
    return found


def test_the_same_work_is_filed_once_whatever_became_of_it(store: Store) -> None:
    jobs.enqueue(store, [DRAW, DRAW], now=NOW)
    held = claim(store)
    assert held and held.arguments == {"prompts": ["p1", "p2"]} and held.worker == "w"
    jobs.enqueue(store, [DRAW, NewJob(kind="draw", arguments={"prompts": ["p3"]})], now=at(1))
    assert [job.state for job in jobs.find(store)] == ["queued", "running"]
    jobs.finish(store, held, {"made": 8}, now=at(2))
    jobs.enqueue(store, [DRAW], now=at(3))
    assert (the(store).state, the(store).result) == ("done", {"made": 8})


def test_kinds_come_in_order_and_within_a_kind_the_oldest(store: Store) -> None:
    for kind, name in (("score", "s"), ("draw", "b"), ("draw", "a"), ("other", "o")):
        jobs.enqueue(store, [NewJob(id=name, kind=kind, arguments={})], now=NOW)
    got = [claim(store) for _ in range(4)]
    assert [job.id if job else None for job in got] == ["b", "a", "s", None]


def test_a_lease_that_ran_out_goes_to_another_worker_and_the_first_can_do_nothing_more(store: Store) -> None:
    jobs.enqueue(store, [DRAW], now=NOW)
    first = claim(store, worker="first")
    assert first is not None
    assert claim(store, 29, worker="second") is None
    jobs.prolong(store, first, done=3, total=8, now=at(29), until=at(59))
    assert (the(store).done, the(store).total) == (3, 8)
    assert claim(store, 58, worker="second") is None
    second = claim(store, 59, worker="second")
    assert second is not None and (second.attempts, second.done) == (2, 0)
    for change in (
        lambda: jobs.prolong(store, first, done=4, total=8, now=at(60), until=at(99)),
        lambda: jobs.finish(store, first, {"made": 1}, now=at(60)),
        lambda: jobs.fail(store, first, "oh", now=at(60), again=at(60)),
        lambda: jobs.give_back(store, first, now=at(60)),
    ):
        with pytest.raises(LeaseLostError):
            change()
    jobs.finish(store, second, {"made": 2}, now=at(61))
    assert (the(store).state, the(store).result, the(store).error) == ("done", {"made": 2}, "")


def test_a_worker_of_the_same_name_is_not_the_same_claim(store: Store) -> None:
    jobs.enqueue(store, [DRAW], now=NOW)
    first, second = claim(store), claim(store, 31)
    assert first and second
    with pytest.raises(LeaseLostError):
        jobs.finish(store, first, {}, now=at(32))


def test_what_fails_is_tried_again_later_and_not_for_ever(store: Store) -> None:
    jobs.enqueue(store, [DRAW], now=NOW)
    for attempt in range(1, ATTEMPTS + 1):
        held = claim(store, attempt * 100)
        assert held and held.attempts == attempt
        jobs.fail(store, held, "No disk \0 left.", now=at(attempt * 100 + 1), again=at(attempt * 100 + 50))
        assert the(store).error == "No disk \0 left."
        assert claim(store, attempt * 100 + 49) is None
    assert the(store).state == "failed"
    assert claim(store, 9999) is None
    jobs.retry(store, DRAW.name, now=at(9999))
    again = claim(store, 9999)
    assert again and again.attempts == 1


def test_a_job_whose_workers_all_vanish_fails_with_a_sentence(store: Store) -> None:
    jobs.enqueue(store, [DRAW], now=NOW)
    for attempt in range(ATTEMPTS):
        assert claim(store, attempt * 31) is not None
    assert claim(store, 999) is None
    assert (the(store).state, the(store).error) == ("failed", "The worker ended without a word.")


def test_only_a_failed_job_can_be_tried_again(store: Store) -> None:
    with pytest.raises(MissingError, match="There is no job 'x'; `tutelage work --jobs` lists them"):
        jobs.retry(store, "x", now=NOW)
    jobs.enqueue(store, [DRAW], now=NOW)
    with pytest.raises(DataError, match="is queued; only one that failed"):
        jobs.retry(store, DRAW.name, now=NOW)


def test_a_job_that_is_given_back_is_due_at_once_and_the_attempt_does_not_count(store: Store) -> None:
    jobs.enqueue(store, [DRAW], now=NOW)
    for second in range(10):
        held = claim(store, second)
        assert held and held.attempts == 1
        jobs.give_back(store, held, now=at(second))


def test_a_standing_job_comes_again_takes_new_arguments_and_ends(store: Store) -> None:
    def stand(seconds: float, **arguments: int) -> None:
        jobs.stand(store, NewJob(id="always", kind="draw", arguments=arguments), every=60, now=at(seconds))

    stand(0, models=2)
    held = claim(store)
    assert held and held.arguments == {"models": 2}
    jobs.finish(store, held, {"chosen": 3}, now=at(1))
    assert claim(store, 60) is None
    assert jobs.left(store, ["draw"], now=at(60)) == 0 and jobs.left(store, ["draw"], now=at(61)) == 1
    for attempt in range(1, ATTEMPTS + 3):
        held = claim(store, 100 * attempt)
        assert held and held.attempts == attempt
        jobs.fail(store, held, "oh", now=at(100 * attempt), again=at(100 * attempt + 10))
    stand(1000, models=3)
    held = claim(store, 1000)
    assert held and held.arguments == {"models": 3}
    jobs.end(store, "always")
    with pytest.raises(LeaseLostError):
        jobs.finish(store, held, {}, now=at(1001))
    assert jobs.find(store) == []


def test_ending_does_not_touch_what_does_not_stand(store: Store) -> None:
    jobs.enqueue(store, [DRAW], now=NOW)
    jobs.end(store, DRAW.name)
    assert jobs.left(store, ["draw"], now=NOW) == 1 and jobs.left(store, ["score"], now=NOW) == 0


# Choices


def rank_task(store: Store, prompt: str, id: str = "", **changes: object) -> str:
    labelers.publish(store, Instructions(version="comparison-1", task="comparison", text="t"), now=NOW)
    made = [
        Completion(id=f"{prompt}-{id}-{n}", prompt_id=prompt, text=f"{n}", policy="m", finish_reason="stop")
        for n in (1, 2)
    ]
    completions.add(store, made, now=NOW)
    fields = {"kind": "rank", "purpose": "train", "instruction_version": "comparison-1"} | changes
    task = Task(
        id=id or f"t-{prompt}", prompt_id=prompt, completion_ids=tuple(one.id for one in made), **fields  # type: ignore[arg-type]
    )  # fmt: skip
    filing.add(store, [task], now=NOW)
    return task.id


def test_choices_are_recorded_with_their_jobs_or_not_at_all(store: Store) -> None:
    for name in ("p1", "p2", "p3"):
        add_prompt(store, name)
    rank_task(store, "p3")
    rank_task(store, "p2", "rate-only", kind="rate")
    new = [Choice(task_id="ranking-k/p1", prompt_id="p1", reason="random")]
    choices.record(store, new, [DRAW], now=NOW)
    assert choices.taken(store) == {"p1", "p3"}
    assert choices.taken(store, tasks_like="ranking-k/") == {"p1"}
    assert choices.taken(store, tasks_like="ranking_k/") == set()
    twice = Choice(task_id="ranking-k/p1", prompt_id="p1", reason="quota")
    with pytest.raises(Exception, match="(?i)unique"):
        choices.record(store, [twice], [NewJob(kind="draw", arguments={})], now=NOW)
    assert len(jobs.find(store)) == 1
    assert choices.reasons(store) == {"ranking-k/p1": "random"}
    assert choices.counts(store) == [ChoiceCount(reason="random", use_case="", chosen=1, tasks=0, closed=0)]
    rank_task(store, "p1", "ranking-k/p1")
    assert choices.counts(store) == [ChoiceCount(reason="random", use_case="", chosen=1, tasks=1, closed=0)]


def test_uncertainties_are_kept_by_model_and_by_what_was_scored(store: Store) -> None:
    add_prompt(store, "p")
    choices.set_uncertainties(store, "reward@1", "key", {"p": 0.25}, now=NOW)
    choices.set_uncertainties(store, "reward@1", "key", {"p": 0.75}, now=NOW)
    choices.set_uncertainties(store, "reward@2", "key", {"p": 0.5}, now=NOW)
    assert choices.uncertainties_of(store, "reward@1", "key") == {"p": 0.25}
    assert choices.uncertainties_of(store, "reward@2", "key") == {"p": 0.5}
    assert choices.uncertainties_of(store, "reward@1", "other") == {}
