"""Labelers at work at once while the server is killed: no label is lost or doubled, no work is given to too many.

The labelers speak HTTP to the real program with several workers; each keeps a journal, and the journals are compared
with the database by SQL of their own.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from benchmarks.labelers import Habits, Journal, Labeler
from benchmarks.labelsite import Program, Victim, file_work, links
from tests.databases import database, store
from tests.feedback.load import checks
from tests.feedback.load import database as outside
from tests.feedback.load.database import Database
from tutelage.store import Store, accounts

__all__ = ["database", "store"]

VICTIMS: tuple[Victim, ...] = ("worker", "parent", "all")
#: Quick hands, and everything that may go wrong, often.
HABITS = Habits(
    pause=0.1, saves=1, again=0.2, beat=0.2, twice=0.15, skip=0.05, leave=0.1, correct=0.15, lose=0.3
)  # fmt: skip


@contextmanager
def watched(url: str) -> Iterator[None]:
    """Have another process look all the time that nothing is given to too many."""
    watcher = subprocess.Popen(
        [sys.executable, outside.__file__, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield
    except BaseException:
        watcher.kill()
        watcher.communicate()
        raise
    seen = json.loads(watcher.communicate()[0])
    assert seen["wrong"] == [] and seen["looks"] > 10


def kill_often(program: Program, kills: int, draw: random.Random) -> Counter[Victim]:
    """Kill the program at random times, in all three ways; start it again where nothing of it does."""
    victims = [*VICTIMS, *draw.choices(VICTIMS, k=kills - len(VICTIMS))]
    draw.shuffle(victims)
    for victim in victims:
        if draw.random() < 0.7:
            # Else it may be hit while it starts.
            program.wait()
        # In a long run there is more time between the kills, so that much work is on its way when they come.
        threading.Event().wait(draw.uniform(0, 3 if kills == len(VICTIMS) else 8))
        if program.kill(victim, draw.random()):
            program.start()
    program.wait()
    return Counter(victims)


async def labor(labelers: Sequence[Labeler], program: Program, kills: int, least: int, draw: random.Random) -> None:
    """Let the labelers work until all kills are done and they handed `least` pieces in."""
    stop = asyncio.Event()

    async def disturb() -> None:
        try:
            print(dict(await asyncio.to_thread(kill_often, program, kills, draw)))
            while sum(len(labeler.journal.handed) for labeler in labelers) < least:
                await asyncio.sleep(0.1)
        finally:
            stop.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(disturb())
        for labeler in labelers:
            group.create_task(labeler.work(stop))


def let_leases_end(url: str, seconds: float, stop: threading.Event) -> None:
    with closing(Database(url)) as inside:
        while not stop.wait(seconds):
            inside.end_a_lease()


@contextmanager
def leases_ending(url: str, seconds: float) -> Iterator[None]:
    """Let somebody's lease run out every so many seconds."""
    stop = threading.Event()
    ending = threading.Thread(target=let_leases_end, args=(url, seconds, stop))
    ending.start()
    try:
        yield
    finally:
        stop.set()
        ending.join()


async def work_under_kills(url: str, store: Store, program: Program, count: int, kills: int) -> list[Journal]:
    """Let `count` labelers come in and work while the program is killed; return their journals."""
    seed = int.from_bytes(os.urandom(4))
    print(f"load seed {seed}")
    draw = random.Random(seed)
    labelers = [Labeler(program.address, f"l{number}", HABITS, draw.getrandbits(32)) for number in range(count)]
    try:
        for labeler, link in zip(labelers, links(store, count), strict=True):
            await labeler.enter(link)
        authors = [person.labeler for person in accounts.all_people(store)]
        file_work(store, 60 * count, k=4, overlap=3, authors=authors)
        with watched(url), leases_ending(url, 30 / count):
            await labor(labelers, program, kills, 4 * count, draw)
    finally:
        for labeler in labelers:
            await labeler.close()
    return [labeler.journal for labeler in labelers]


def check(url: str, store: Store, folder: Path, count: int, kills: int) -> None:
    with closing(Database(url)) as inside, (folder / "errors.txt").open("wb") as errors:
        inside.record_history()
        program = Program(url, 2, errors)
        program.start()
        try:
            program.wait()
            journals = asyncio.run(work_under_kills(url, store, program, count, kills))
        finally:
            program.stop()
        print((folder / "errors.txt").read_text()[-5000:])
        print(dict(checks.assert_every_label_once(inside, journals)))
        checks.assert_labels_are_whole(inside)
        checks.assert_never_too_many(inside)
        checks.assert_no_draft_lost(inside, journals)
        checks.assert_log_is_whole(inside)
        statuses = Counter(timing.status for journal in journals for timing in journal.timings)
        print(dict(statuses), "unanswered:", sum(journal.unanswered for journal in journals))
        assert statuses.keys() <= {200, 303, 400, 409}
        refusals = {told for journal in journals for told in journal.refusals}
        assert all("went to others" in told or "is expired" in told or "is skipped" in told for told in refusals)


# The soak below is on both.
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_six_labelers_lose_nothing_to_three_kills(database: str, store: Store, tmp_path: Path) -> None:
    check(database, store, tmp_path, 6, 3)


@pytest.mark.soak
def test_fifty_labelers_lose_nothing_to_twenty_kills(database: str, store: Store, tmp_path: Path) -> None:
    check(database, store, tmp_path, 50, 20)
