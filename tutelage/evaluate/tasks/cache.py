"""Records that are only ever added to: one JSON line each, found by a key that says what the record depends on.

A process that is killed leaves whole lines, and perhaps one that is cut, which does not count. Two processes never
write into one folder.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tutelage.errors import DataError, UnavailableError
from tutelage.files import append_jsonl, disk_errors, read_jsonl

KEY = "key"
LOCK = ".lock"


class Records:
    """The records of one file by their keys."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[str, dict[str, Any]] = {}
        for number, row in enumerate(read_jsonl(path) if path.exists() else (), start=1):
            if not isinstance(row, dict) or not isinstance(row.get(KEY), str):
                raise DataError(f"{path}:{number}: the line is no record with a key; move the file away.")
            self._rows[row[KEY]] = row

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._rows[key]

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append records; once this returns they outlive the process."""
        new = [dict(row) for row in rows]
        append_jsonl(self.path, new)
        self._rows |= {row[KEY]: row for row in new}


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Keep other processes out of a folder; the system lets go of it when this one ends, however it ends."""
    with disk_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / LOCK).open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnavailableError(
                f"Another process is evaluating into {directory}; wait for it, or name another folder with --out."
            ) from None
        yield
