"""Workers in threads and processes never get one task twice, and what they hand in twice counts once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable

from sqlalchemy import func, select

from tests.feedback.conftest import Desk, later, ranking
from tutelage.errors import DataError
from tutelage.feedback import work
from tutelage.store import Store, labels, tables, welfare

WORKER = """
import sys
from datetime import UTC, datetime
from tutelage.feedback import work
from tutelage.store import Store

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
with Store.open(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    while held := work.lease(store, sys.argv[2], now=NOW, limit=3):
        made = [
            work.Submission(id=one.id, assignment_id=one.id, labeler=one.labeler, groups=[[o.id for o in one.outputs]])
            for one in held
        ]
        work.submit(store, made, now=NOW)
        print(*(one.task_id for one in held), flush=True)
"""


def together(jobs: list[Callable[[], None]]) -> None:
    """Run jobs in threads at once; fail with the first error."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], None]) -> None:
        start.wait()
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def assert_overlap_kept(store: Store) -> None:
    """Count live assignments in SQL: never more of a task than its overlap, never two of one labeler."""
    live = tables.assignments.c.state.in_(("offered", "open", "submitted"))
    with store.read() as connection:
        per_task = select(tables.assignments.c.task_id, func.count()).where(live).group_by("task_id")
        overlap = {row.id: row.overlap for row in connection.execute(select(tables.tasks))}
        assert all(count <= overlap[task] for task, count in connection.execute(per_task))
        both = select(tables.assignments.c["task_id", "labeler"]).where(live)
        assert max(Counter(tuple(row) for row in connection.execute(both)).values()) == 1


def test_threads_share_the_tasks_without_overlap(desk: Desk) -> None:
    for n in range(30):
        desk.task(f"p{n}", k=2, overlap=1 + n % 2)
    names = [f"w{n}" for n in range(6)]
    desk.labelers(*names)
    got: dict[str, list[str]] = {name: [] for name in names}

    def job(name: str) -> Callable[[], None]:
        def run() -> None:
            misses = 0
            # A task locked by another thread is skipped, so one empty answer is not the end.
            while misses < 3:
                held = work.lease(desk.store, name, now=later(0), limit=2)
                got[name] += [one.task_id for one in held]
                misses += not held

        return run

    together([job(name) for name in names])
    assert_overlap_kept(desk.store)
    # 15 tasks for one labeler, 15 for two.
    assert sum(map(len, got.values())) == 45
    assert all(len(set(one)) == len(one) for one in got.values())


def test_one_labeler_in_two_windows_gets_a_task_once(desk: Desk) -> None:
    for n in range(10):
        desk.task(f"p{n}", k=2, overlap=3)
    got: list[str] = []

    def job() -> None:
        for _ in range(10):
            got.extend(one.task_id for one in work.lease(desk.store, "anna", now=later(0), limit=1))

    together([job] * 4)
    assert_overlap_kept(desk.store)
    assert sorted(got) == sorted(f"t-p{n}" for n in range(10))


def test_a_labeler_in_many_windows_gets_no_more_hard_reading_than_the_limit(desk: Desk) -> None:
    for n in range(8):
        desk.task(f"p{n}", "toxicity", k=1, purpose="evaluation", instruction_version="toxicity-1")
    welfare.set_limit(desk.store, 3)
    got: list[str] = []

    def job() -> None:
        for _ in range(3):
            got.extend(one.task_id for one in work.lease(desk.store, "anna", now=later(0), limit=2))

    together([job] * 4)
    assert len(got) == len(set(got)) == 3


def test_expiring_leasing_and_handing_in_at_once_keep_the_overlap(desk: Desk) -> None:
    for n in range(12):
        desk.task(f"p{n}", k=2)
    old = desk.lease("anna", limit=12, seconds=10)

    def hand_in() -> None:
        for one in old:
            try:
                work.submit(desk.store, [ranking(one, one.id)], now=later(20))
            except DataError as error:
                assert "went to others" in str(error)

    def take(name: str) -> Callable[[], None]:
        def run() -> None:
            for at in range(10, 30):
                work.lease(desk.store, name, now=later(at), limit=1, seconds=1000)

        return run

    def end_leases() -> None:
        for at in range(20):
            work.expire(desk.store, now=later(at))

    together([hand_in, take("ben"), take("cleo"), end_leases])
    assert_overlap_kept(desk.store)


def test_one_submission_handed_in_by_many_threads_counts_once(desk: Desk) -> None:
    desk.task("p")
    (held,) = desk.lease("anna")
    new: list[int] = []
    together([lambda: new.append(work.submit(desk.store, [ranking(held)], now=later(1)))] * 6)
    assert sorted(new) == [0, 0, 0, 0, 0, 1]
    assert len(labels.rankings_of(desk.store, labels.Which())) == 1


def test_processes_share_the_tasks_without_overlap(database: str, desk: Desk) -> None:
    for n in range(24):
        desk.task(f"p{n}", k=2)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, database, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("anna", "ben")
    ]
    for worker in workers:
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    out = [worker.communicate(timeout=60)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    taken = [task for text in out for task in text.split()]
    # A worker may stop early when others hold the locks; nobody gets what another one has.
    assert len(set(taken)) == len(taken)
    assert len(labels.rankings_of(desk.store, labels.Which())) == len(taken)
    assert_overlap_kept(desk.store)
