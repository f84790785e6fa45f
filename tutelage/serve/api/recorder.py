"""Writes the request log beside the calls, so that none waits for it.

A thread of its own writes, many calls in a transaction, and tries again while the database is away. Calls that are not
written yet wait in memory; where too many wait, no new call is let in, so that none goes unrecorded. A server that is
told to stop writes all of them first; one that is killed leaves those of its last moments in its journal, without
their words. Repeating a transaction adds nothing (`store/requests.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from tutelage.errors import UnavailableError
from tutelage.serve.api.journal import Journal
from tutelage.serve.api.record import Note, bug, ended, row
from tutelage.store import Store, requests
from tutelage.store.requests import Ended
from tutelage.web.errors import ApiError

logger = logging.getLogger(__name__)

#: Calls of one transaction, and seconds in which calls gather for it.
BATCH, GATHER_SECONDS = 500, 0.1
#: Calls that may wait to be written; beyond it no new one is let in.
MOST_WAITING = 10_000
#: Seconds between two tries while the database is away, and for how long a server that stops goes on trying.
RETRY_SECONDS, STOP_SECONDS = 1.0, 30.0
#: What is known of a call whose gateway was killed.
_DIED: dict[str, Any] = {"action": "failed", "status": 500, "error_code": "gateway_died", "latency_ms": 0}
#: How long somebody who asks for a call of just now waits for its row.
WRITTEN_SECONDS = 3.0


class Recorder:
    """The writer of one process. `put` may be called from any thread."""

    def __init__(self, store: Store, journal: Journal | None = None, *, most_waiting: int = MOST_WAITING) -> None:
        self.store, self.journal, self.most_waiting = store, journal, most_waiting
        self._waiting: deque[Note] = deque()
        self._changed = threading.Condition()
        #: How many calls were put, and how many of them are done with.
        self._put = self._done = 0
        self._stopping: float | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="request log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end; while the database is away, try for half a minute."""
        with self._changed:
            self._stopping = time.monotonic()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        if self.journal is not None:
            self.journal.close()

    @property
    def waiting(self) -> int:
        """Return how many calls wait to be written."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Say whether no more may wait."""
        return self.waiting >= self.most_waiting

    def check(self) -> None:
        """Raise ApiError 503 where calls could not be written down."""
        if self.is_full:
            raise ApiError(
                503,
                "Requests cannot be recorded at the moment, so none is answered; try again in a minute.",
                code="request_log_unavailable",
                headers={"Retry-After": "10"},
            )

    @contextlib.contextmanager
    def noting(self, note: Note) -> Iterator[None]:
        """Write a call down when the block ends, however it ends."""
        try:
            yield
        except ApiError as error:
            note.error = note.error or error
            raise
        except Exception:
            note.error = note.error or bug()
            raise
        finally:
            note.ended = time.monotonic()
            self.put(note)

    def began(self, note: Note) -> None:
        """Remember a call that begins to cost something, in case this process does not see its end."""
        self._journal(note, **_DIED)

    def put(self, note: Note) -> None:
        """Let a call that has ended be written down."""
        self._journal(note)
        with self._changed:
            self._waiting.append(note)
            self._put += 1
            self._changed.notify_all()

    def _journal(self, note: Note, **changes: Any) -> None:
        if self.journal is not None:
            try:
                self.journal.note(replace(row(self.store, note), **changes), note.reservation)
            except Exception as error:  # the database will be told all the same
                logger.error("a call could not be written into the journal", exc_info=error)

    async def written(self) -> None:
        """Wait until every call that ended so far is written down, but not for long where that is impossible."""
        await asyncio.to_thread(self._await, self._put)

    def _await(self, number: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._done >= number, timeout=WRITTEN_SECONDS)

    def _run(self) -> None:
        while batch := self._next():
            rows = [one for one in (self._ended(note) for note in batch) if one is not None]
            is_written = self._write(rows)
            if is_written and self.journal is not None:
                self.journal.forget([note.id for note in batch])
            with self._changed:
                for _ in batch:
                    self._waiting.popleft()
                self._done += len(batch)
                self._changed.notify_all()

    def _next(self) -> list[Note]:
        """Wait for calls and return the oldest of them; nothing is the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping is not None)
            if self._stopping is None:
                self._changed.wait_for(lambda: self._stopping is not None, timeout=GATHER_SECONDS)
            return list(self._waiting)[:BATCH]

    def _ended(self, note: Note) -> Ended | None:
        try:
            return ended(self.store, note)
        except Exception as error:
            logger.error("a call could not be turned into a row of the request log", exc_info=error)
            return None

    def _write(self, rows: Sequence[Ended]) -> bool:
        """Write calls together; where that is impossible, each by itself, so that one takes no other along.

        Say whether the database is done with them.
        """
        while rows:
            try:
                requests.add(self.store, rows)
                return True
            except UnavailableError as error:
                if not self._may_wait(error, len(rows)):
                    return False
            except Exception as error:
                if len(rows) > 1:
                    written = [self._write([one]) for one in rows]
                    return all(written)
                logger.error("a call could not be written into the request log with its words", exc_info=error)
                if rows[0].content is None:
                    return True
                rows = [replace(rows[0], content=None)]
        return True

    def _may_wait(self, error: UnavailableError, rows: int) -> bool:
        if self._stopping is not None and time.monotonic() - self._stopping > STOP_SECONDS:
            logger.error("%d calls are lost to the request log: %s", rows, error)
            return False
        logger.warning("the request log waits for the database: %s", error)
        time.sleep(RETRY_SECONDS)
        return True
