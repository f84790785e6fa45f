"""Workers as processes: killed they lose nothing, two never do one job, and told to stop they give it back."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.databases import database, store
from tutelage.errors import DataError
from tutelage.store import Store, jobs
from tutelage.store.jobs import Job, NewJob
from tutelage.work import RETRY_SECONDS, Worker

__all__ = ["database", "store"]

#: A worker whose one kind of job takes three steps and then adds a line to a file.
PROGRAM = """
import os, signal, sys, time
from tutelage.store import Store
from tutelage.work import Worker

def note(store, arguments, progress):
    for step in range(3):
        progress(step, 3)
        time.sleep(arguments["seconds"])
    with open(sys.argv[2], "a") as file:
        print(arguments["n"], file=file, flush=True)
    return {"n": arguments["n"]}

with Store.open(sys.argv[1], create=False) as store:
    told = lambda line: print(line, flush=True)
    worker = Worker(store, {"note": note}, told, lease_seconds=float(sys.argv[3]), look_seconds=0.02)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    print("ready", flush=True)
    worker.run(once=True)
"""


@contextmanager
def working(database: str, notes: Path, lease: float = 30) -> Iterator[subprocess.Popen[str]]:
    """Start a worker process; it is ready in the block, and ended after it."""
    command = [sys.executable, "-c", PROGRAM, database, str(notes), str(lease)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout and process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def file_notes(store: Store, count: int, seconds: float) -> None:
    new = [NewJob(kind="note", arguments={"n": n, "seconds": seconds}) for n in range(count)]
    jobs.enqueue(store, new, now=datetime.now(UTC))


def lines(notes: Path) -> list[int]:
    return [int(line) for line in notes.read_text().split()] if notes.exists() else []


def test_two_workers_do_every_job_once(database: str, store: Store, tmp_path: Path) -> None:
    file_notes(store, 16, 0.01)
    notes = tmp_path / "notes"
    with working(database, notes) as one, working(database, notes) as other:
        assert one.wait(60) == other.wait(60) == 0
        told = [process.stdout.read() for process in (one, other) if process.stdout]
    assert Counter(lines(notes)) == Counter(range(16))
    assert all(job.state == "done" and job.attempts == 1 for job in jobs.find(store))
    assert sum(text.count("note ") for text in told) == 16


def test_a_killed_worker_loses_nothing(database: str, store: Store, tmp_path: Path) -> None:
    file_notes(store, 6, 0.1)
    notes, seed = tmp_path / "notes", int.from_bytes(os.urandom(4))
    print(f"kill seed {seed}")
    rng = random.Random(seed)
    for _ in range(2):
        with working(database, notes, lease=1) as process:
            time.sleep(rng.uniform(0, 0.8))
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
    with working(database, notes, lease=1) as process:
        assert process.wait(60) == 0
    found = jobs.find(store)
    assert [job.state for job in found] == ["done"] * 6
    assert sorted(job.result["n"] for job in found if job.result) == list(range(6))
    # A kill between the last step and its record is the only way to see a job's line twice.
    assert set(lines(notes)) == set(range(6)) and len(lines(notes)) <= 8


def test_a_worker_that_is_told_to_stop_gives_its_job_back(database: str, store: Store, tmp_path: Path) -> None:
    file_notes(store, 1, 0.5)
    notes = tmp_path / "notes"
    with working(database, notes) as process:
        while jobs.find(store)[0].state != "running":
            time.sleep(0.01)
        process.terminate()
        assert process.wait(60) == 0
        assert process.stdout and process.stdout.read().endswith(": given back\n")
    (job,) = jobs.find(store)
    assert (job.state, job.attempts, lines(notes)) == ("queued", 0, [])
    with working(database, notes) as process:
        assert process.wait(60) == 0
    assert lines(notes) == [0]


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "work.db")) as opened:
        yield opened


def stopped_after_one(store: Store, handler: Any) -> tuple[Job, list[str]]:
    """Let a worker do one job with this handler; return the job then, and what was told."""
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        worker.stop()

    worker = Worker(store, {"note": handler}, tell, lease_seconds=0.3, look_seconds=0.01)
    worker.run()
    (job,) = jobs.find(store)
    return job, told


def test_a_mistake_is_recorded_as_its_sentence_and_tried_again_later(sqlite_store: Store) -> None:
    file_notes(sqlite_store, 1, 0)

    def refuse(store: Store, arguments: Mapping[str, Any], progress: Any) -> dict[str, Any]:
        raise DataError("The disk is full; free some space.")

    job, told = stopped_after_one(sqlite_store, refuse)
    assert (job.state, job.attempts, job.error) == ("queued", 1, "The disk is full; free some space.")
    assert job.not_before - job.changed >= timedelta(seconds=RETRY_SECONDS - 1)
    assert told == [f"note {job.id}: attempt 1 failed: The disk is full; free some space."]


def test_a_bug_keeps_its_traceback_and_the_worker_goes_on(
    sqlite_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    file_notes(sqlite_store, 1, 0)

    def crash(store: Store, arguments: Mapping[str, Any], progress: Any) -> dict[str, Any]:
        raise KeyError("no such thing")

    job, _ = stopped_after_one(sqlite_store, crash)
    assert job.error == "KeyError; the worker's log says where."
    [record] = caplog.records
    assert record.facts == {"job": job.id, "kind": "note"} and "in crash" in caplog.text


def test_a_long_step_keeps_its_lease(sqlite_store: Store) -> None:
    file_notes(sqlite_store, 1, 0)

    def long(store: Store, arguments: Mapping[str, Any], progress: Any) -> dict[str, Any]:
        progress(1, 2)
        now = datetime.now(UTC)
        # Longer than the lease of 0.3 s: another worker looks for the job all the time and never gets it.
        while datetime.now(UTC) - now < timedelta(seconds=0.9):
            moment = datetime.now(UTC)
            other = jobs.claim(store, ["note"], worker="other", now=moment, until=moment + timedelta(seconds=9))
            assert other is None
            time.sleep(0.02)
        return {"n": 1}

    job, _ = stopped_after_one(sqlite_store, long)
    assert (job.state, job.attempts, job.done, job.total) == ("done", 1, 1, 2)


def test_who_lost_the_lease_records_nothing(sqlite_store: Store) -> None:
    file_notes(sqlite_store, 1, 0)

    def overtaken(store: Store, arguments: Mapping[str, Any], progress: Any) -> dict[str, Any]:
        later = datetime.now(UTC) + timedelta(seconds=60)
        assert jobs.claim(store, ["note"], worker="other", now=later, until=later + timedelta(seconds=60))
        return {"n": 1}

    job, told = stopped_after_one(sqlite_store, overtaken)
    assert (job.state, job.worker, job.result) == ("running", "other", None)
    assert told == [f"note {job.id}: another worker has it now"]
