"""Calls that the database does not know yet, in a file of their gateway: a process that is killed leaves it behind.

A line is written when a call begins to cost something, and when it ends, before its client knows the end. A file that
nobody holds any more is read by whoever starts next: every call becomes a row of the request log, and its reservation
is settled. Lines hold no words. Reading one again, or one that the database knows already, changes nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from tutelage.errors import UnavailableError
from tutelage.store import Store, quotas, requests
from tutelage.store.quotas import Reservation
from tutelage.store.requests import Ended, Request

logger = logging.getLogger(__name__)

#: A file that is longer is written anew, with what it still has to hold.
MOST_BYTES = 4 << 20
SUFFIX = ".calls"


class Journal:
    """The file of one process in a folder of its user. May be used from any thread."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
            self._file, self._size = self._begin(b"")
        except OSError as error:
            raise UnavailableError(
                f"The folder {folder}, in which calls are noted, cannot be used: {error.strerror}; make it writable."
            ) from error
        self._lock = threading.Lock()
        self._lines: dict[str, bytes] = {}

    def note(self, request: Request, reservation: Reservation | None) -> None:
        """Write down how a call stands. Where that fails, the call goes on: the database will be told anyway."""
        held = None if reservation is None else asdict(reservation)
        line = json.dumps({"request": asdict(request), "reservation": held}, default=_plain).encode() + b"\n"
        with self._lock:
            self._lines[request.id] = line
            with _told():
                self._size += os.write(self._file, line)
                if self._size > MOST_BYTES and self._size > 2 * sum(map(len, self._lines.values())):
                    self._shorten()

    def forget(self, ids: Sequence[str]) -> None:
        """Hold these calls no longer: the database knows them."""
        with self._lock:
            for id in ids:
                self._lines.pop(id, None)

    def close(self) -> None:
        """Remove the file; what it still holds is left for the next one."""
        with self._lock:
            if not self._lines:
                self._path.unlink(missing_ok=True)
            os.close(self._file)

    def _shorten(self) -> None:
        before = self._file
        self._file, self._size = self._begin(b"".join(self._lines.values()))
        os.close(before)

    def _begin(self, content: bytes) -> tuple[int, int]:
        """Put a file of our own in the place, held by this process before anybody else can see it."""
        part = self._path.with_suffix(".part")
        file = os.open(part, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        size = os.write(file, content)
        part.rename(self._path)
        return file, size


def folder_of(store: Store) -> Path:
    """Return where the gateways of a database on this machine note their calls."""
    url = store.engine.url
    if url.get_backend_name() == "sqlite":
        return Path(f"{url.database}-calls").absolute()
    # systemd names the state directory of a service; several are separated by colons.
    state = os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or os.environ.get("XDG_STATE_HOME", "")
    name = hashlib.sha256(url.render_as_string(hide_password=True).encode()).hexdigest()[:16]
    return (Path(state) if state else Path.home() / ".local" / "state") / "tutelage" / f"{name}-calls"


def recover(store: Store, folder: Path, *, now: datetime) -> int:
    """Bring into the database what gateways left that died; say how many calls they were."""
    count = 0
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        with contextlib.suppress(BlockingIOError, FileNotFoundError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not that of a process that lives
            calls = _last(file.read())
            requests.add(store, [Ended(request=request) for request, _ in calls])
            for request, held in calls:
                if held is not None:
                    used = request.prompt_tokens + request.completion_tokens
                    quotas.settle(store, held, tokens=used, now=now)
            count += len(calls)
            path.unlink()
    return count


def _last(content: bytes) -> list[tuple[Request, Reservation | None]]:
    """Return the last that was written of each call; a line that was cut short was not written."""
    lines: dict[str, Any] = {}
    for line in content.split(b"\n")[:-1]:
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            lines[told["request"]["id"]] = told
    return [(_request(told["request"]), _reservation(told["reservation"])) for told in lines.values()]


def _request(told: dict[str, Any]) -> Request:
    created, reasons = datetime.fromisoformat(told.pop("created")), tuple(told.pop("finish_reasons"))
    return Request(**told, created=created, finish_reasons=reasons)


def _reservation(told: dict[str, Any] | None) -> Reservation | None:
    return None if told is None else Reservation(**told)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        logger.error("the journal of calls cannot be written: %s", error.strerror)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} is no value of a row")
