"""Run leased jobs: claim one, keep its lease while it is worked on, record what it gave, and look for the next.

Any number of workers may run, on any number of machines that reach the database. One that is killed loses nothing: its
lease runs out and another worker begins the job again, which goes on where the first one was.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from tutelage.errors import UserError
from tutelage.store import Store, jobs
from tutelage.store.jobs import Job, LeaseLostError

logger = logging.getLogger(__name__)

#: What does a job: the store, its arguments, and what it calls with how much is done; it returns what it found.
Handler = Callable[[Store, Mapping[str, Any], Callable[[int, int], None]], dict[str, Any]]

#: Seconds that a job belongs to its worker without a sign of life, and between two looks for work.
LEASE_SECONDS, LOOK_SECONDS = 30.0, 1.0
#: Seconds until a job that failed is tried again, by the attempt.
RETRY_SECONDS = 10.0


class StoppedError(Exception):
    """The worker was told to stop, and leaves its job to others."""


def handlers() -> dict[str, Handler]:
    """Return what is done for each kind of job; labelers wait for the first kinds, so they come first."""
    from tutelage.govern import jobs as watching
    from tutelage.govern import retention
    from tutelage.pipeline import ranking, shadowing

    of_labelers = {ranking.PLAN: ranking.plan, ranking.RANK: ranking.rank, ranking.UNCERTAINTY: ranking.score}
    of_traffic = {watching.MONITOR: watching.look, watching.ALERT: watching.alert, shadowing.KIND: shadowing.run}
    return of_labelers | of_traffic | {retention.KIND: retention.delete}


class Worker:
    """A process that works on jobs until it is told to stop."""

    def __init__(
        self,
        store: Store,
        handlers: Mapping[str, Handler],
        tell: Callable[[str], None],
        *,
        lease_seconds: float = LEASE_SECONDS,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self.store, self.handlers, self.tell = store, handlers, tell
        self.name = f"{socket.gethostname()}/{os.getpid()}/{os.urandom(4).hex()}"
        self.lease, self.look_seconds = timedelta(seconds=lease_seconds), look_seconds
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Take no more jobs, and give the present one back at its next step."""
        self._stopping.set()

    def run(self, *, once: bool = False) -> None:
        """Work until `stop` is called; with `once` also until nothing is left to do."""
        kinds = list(self.handlers)
        while not self._stopping.is_set():
            now = _now()
            job = jobs.claim(self.store, kinds, worker=self.name, now=now, until=now + self.lease)
            if job is not None:
                self._work(job)
            elif once and not jobs.left(self.store, kinds, now=now):
                return
            else:
                self._stopping.wait(self.look_seconds)

    def _work(self, job: Job) -> None:
        try:
            self._do(job)
        except LeaseLostError:
            self.tell(f"{job.kind} {job.id}: another worker has it now")

    def _do(self, job: Job) -> None:
        try:
            with _Lease(self.store, job, self.lease, self._stopping) as lease:
                result = self.handlers[job.kind](self.store, job.arguments, lease.progress)
        except LeaseLostError:
            raise
        except StoppedError:
            jobs.give_back(self.store, job, now=_now())
            self.tell(f"{job.kind} {job.id}: given back")
        except Exception as error:
            self._record(job, error)
        else:
            jobs.finish(self.store, job, result, now=_now())
            # A job that stands is done every few seconds: worth a line when it found something to do.
            if job.every is None or any(result.values()):
                self.tell(f"{job.kind} {job.id}: {_shown(result)}")

    def _record(self, job: Job, error: Exception) -> None:
        """Record why a job failed; of a bug, whose message may quote what somebody wrote, the log says where it is."""
        said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}; the worker's log says where."
        if not isinstance(error, UserError):
            logger.error("a job failed", exc_info=error, extra={"facts": {"job": job.id, "kind": job.kind}})
        again = _now() + timedelta(seconds=RETRY_SECONDS * job.attempts)
        jobs.fail(self.store, job, said, now=_now(), again=again)
        self.tell(f"{job.kind} {job.id}: attempt {job.attempts} failed: {said}")


class _Lease:
    """Keeps a job's lease from a thread of its own, so that one long step does not lose it."""

    def __init__(self, store: Store, job: Job, length: timedelta, stopping: threading.Event) -> None:
        self.store, self.job, self.length, self._stopping = store, job, length, stopping
        self._done, self._total = 0, 0
        self._ended, self._lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def progress(self, done: int, total: int) -> None:
        """Note how far the job is; leave it when the lease is lost or the worker must stop."""
        self._done, self._total = done, total
        if self._lost.is_set():
            raise LeaseLostError(self.job.id)
        if self._stopping.is_set():
            raise StoppedError(self.job.id)

    def _keep(self) -> None:
        while not self._ended.wait(self.length.total_seconds() / 3):
            try:
                now = _now()
                jobs.prolong(self.store, self.job, done=self._done, total=self._total, now=now, until=now + self.length)
            except LeaseLostError:
                self._lost.set()
                return
            except UserError:
                # The database cannot be reached for a moment: the lease may last until it can.
                continue


def _shown(result: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in result.items() if value)


def _now() -> datetime:
    return datetime.now(UTC)
