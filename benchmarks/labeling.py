"""The labeling app under 50 labelers at once: how long answers take, and what they cost the server.

They work several times faster than people: an autosave every two seconds, a piece of work every 14, where people take
minutes. The database is grown: 10,000 labels are there and 6,700 pieces of work wait. PostgreSQL writes every commit to
the disk. No peer stands beside it: none offers the same operations over one protocol.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psycopg

from benchmarks.labelers import PASSWORD, Habits, Labeler, Timing
from benchmarks.labelsite import Program, children, file_work, links, parent_of, processor_seconds
from tutelage.feedback import work
from tutelage.store import Store, accounts, batches
from tutelage.store.draft_tables import drafts
from tutelage.web.entry import LINK
from tutelage.web.passwords import Passwords
from tutelage.web.site import utc_now

Backend = Literal["sqlite", "postgresql"]
BACKENDS: tuple[Backend, ...] = ("sqlite", "postgresql")
PACE = Habits(pause=0.0, saves=6.0, again=0.5, beat=0.03, skip=0.02, correct=0.02)
#: What a labeler waits for, in the order of a piece of work.
SHOWN = ("sign in", "home", "take", "page", "save", "beat", "submit", "skip")


class Size(NamedTuple):
    """How much of everything: pieces filed, labels made before, seconds that warm up, count, and count at full speed.

    `pause` is the mean of seconds between an autosave and the next.
    """

    labelers: int = 50
    workers: int = 2
    pieces: int = 10_000
    history: int = 10_000
    warm: float = 8.0
    seconds: float = 60.0
    full: float = 8.0
    pause: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What was measured: answers by operation, and processor seconds of server, database and client."""

    timings: Sequence[Timing]
    seconds: float
    server: float
    database: float
    client: float
    unanswered: int


def report(backend: Backend, size: Size, tell: Callable[[str], None] = print) -> None:
    """Measure one database and tell the figures."""
    with tempfile.TemporaryDirectory() as folder, _database(backend, Path(folder)) as (url, server):
        with Store.open(url) as store:
            prepare(store, size)
        site = _Site(url, Path(folder), server)
        tell(f"{backend}, {size.labelers} labelers at work, {size.workers} workers")
        tell(table(site.measure(size)))
        full = size._replace(pause=0.0, seconds=size.full)
        tell(f"{backend}, {size.labelers} labelers without pauses, {size.workers} workers: what the server can do")
        tell(table(site.measure(full)))
        notes = Path(folder) / "statements.json"
        load = site.measure(full._replace(pause=size.pause, workers=1), "benchmarks.labelserver", str(notes))
        tell(f"{backend}, statements of one process at work")
        tell(statements(json.loads(notes.read_text()), len(load.timings)))


def prepare(store: Store, size: Size) -> None:
    """Let the labelers in, file work, and hand in what was done before."""
    password = Passwords().hashed(PASSWORD)
    for number, link in enumerate(links(store, size.labelers)):
        accounts.enter(store, link.removeprefix(LINK), f"l{number}", password, now=utc_now())
    who = [person.labeler for person in accounts.all_people(store)]
    file_work(store, size.pieces, k=4, overlap=3)
    done, each = 0, min(50, math.ceil(size.history / size.labelers))
    while done < size.history:
        for labeler in who:
            held = work.lease(store, labeler, now=utc_now(), limit=each)
            work.submit(store, [_done(one) for one in held], now=utc_now())
            with store.write() as connection:
                batches.insert(connection, drafts, [_drafted(one) for one in held])
            done += len(held)
    with store.write() as connection:
        connection.exec_driver_sql("ANALYZE")


def table(load: Load) -> str:
    """Return the figures for people."""
    by_name: dict[str, list[float]] = defaultdict(list)
    for timing in load.timings:
        by_name[timing.what].append(1000 * timing.seconds)
    lines = [f"{'':8}{'answers':>9}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'worst':>9}"]
    for name in SHOWN:
        if values := sorted(by_name[name]):
            shares = (_share(values, 0.5), _share(values, 0.95), _share(values, 0.99), values[-1])
            lines.append(f"{name:8}{len(values):9,}" + "".join(f"{value:9.1f}" for value in shares))
    count = len(load.timings)
    lines.append(
        f"{count / load.seconds:.0f} requests/s; processor ms a request: server {1000 * load.server / count:.1f}, "
        f"database {1000 * load.database / count:.1f}, client {1000 * load.client / count:.1f}; "
        f"{load.unanswered} without an answer"
    )
    return "\n".join(lines)


def statements(found: dict[str, Any], requests: int) -> str:
    """Return the statements that took most of the time that answers of the database took."""
    whole = sum(seconds for _, seconds in found.values())
    count = sum(count for count, _ in found.values())
    lines = [f"{count / requests:.1f} statements a request, {1000 * whole / requests:.2f} ms"]
    for name, (count, seconds) in sorted(found.items(), key=lambda entry: -entry[1][1])[:12]:
        lines.append(f"{100 * seconds / whole:5.1f} % {count:7,} x {1000 * seconds / count:6.2f} ms  {name[:150]}")
    return "\n".join(lines)


class _Site:
    """A database with work, at which the program is started; `server` is PostgreSQL's first process, 0 without one."""

    def __init__(self, url: str, folder: Path, server: int) -> None:
        self._url, self._folder, self._server = url, folder, server

    def measure(self, size: Size, *module: str) -> Load:
        """Start the program, or another `module` that serves the same, and measure it."""
        command = [sys.executable, "-m", *module] if module else ()
        with (self._folder / "errors.txt").open("ab") as errors:
            program = Program(self._url, size.workers, errors, command)
            program.start()
        try:
            program.wait()
            return asyncio.run(self._load(program, size))
        finally:
            program.stop()

    async def _load(self, program: Program, size: Size) -> Load:
        """Let the labelers sign in and work; while they warm up nothing counts but signing in."""
        habits = replace(PACE, pause=size.pause)
        labelers = [Labeler(program.address, f"l{number}", habits, number) for number in range(size.labelers)]
        await asyncio.gather(*[labeler.sign_in() for labeler in labelers])
        jobs = [asyncio.create_task(labeler.work(asyncio.Event())) for labeler in labelers]
        await asyncio.sleep(size.warm)
        before, began, client = self._used(program), time.perf_counter(), time.process_time()
        await asyncio.wait(jobs, timeout=size.seconds, return_when=asyncio.FIRST_EXCEPTION)
        after, ended, client = self._used(program), time.perf_counter(), time.process_time() - client
        for job in jobs:
            job.cancel()
        for result in await asyncio.gather(*jobs, return_exceptions=True):
            if not isinstance(result, asyncio.CancelledError):
                raise RuntimeError("a labeler stopped") from result
        for labeler in labelers:
            await labeler.close()
        timings = [timing for labeler in labelers for timing in labeler.journal.timings]
        return Load(
            timings=[one for one in timings if one.what == "sign in" or began <= one.began < ended],
            seconds=ended - began,
            server=after[0] - before[0],
            database=after[1] - before[1],
            client=client,
            unanswered=sum(labeler.journal.unanswered for labeler in labelers),
        )

    def _used(self, program: Program) -> tuple[float, float]:
        """Return the processor seconds so far of the program, and of PostgreSQL."""
        found = [self._server, *children(self._server)] if self._server else []
        return program.seconds(), sum(map(processor_seconds, found))


@contextmanager
def _database(backend: Backend, folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the address of an empty database, and PostgreSQL's first process, 0 for SQLite."""
    if backend == "sqlite":
        yield f"sqlite:///{folder / 'store.db'}", 0
        return
    from tests import postgres

    url = postgres.address(folder, {})
    with psycopg.connect(url) as connection:
        yield url, parent_of(connection.info.backend_pid)


def _done(held: work.Assignment) -> work.Submission:
    made: dict[str, Any] = {"id": f"before-{held.id}", "assignment_id": held.id, "labeler": held.labeler}
    if held.kind == "demonstrate":
        return work.Submission(**made, text="An answer. " * 20)
    if held.kind == "rate":
        return work.Submission(**made, ratings={output.id: work.Judgement(quality=4) for output in held.outputs})
    return work.Submission(**made, groups=[[output.id] for output in held.outputs])


def _drafted(held: work.Assignment) -> dict[str, Any]:
    now = utc_now()
    return {
        "id": f"draft-{held.id}",
        "assignment_id": held.id,
        "labeler": held.labeler,
        "version": 1,
        "content": "{}",
        "saved": now,
        "created": now,
    }


def _share(values: Sequence[float], share: float) -> float:
    """Return the smallest of the sorted values that at least this share of them do not exceed."""
    return values[max(0, math.ceil(share * len(values)) - 1)]
