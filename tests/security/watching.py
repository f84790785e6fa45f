"""What a piece of code touches outside its process's memory, by Python's audit events."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Files, folders, the network, programs, modules: whatever a name of a caller's must not reach.
WATCHED = (
    "open", "os.listdir", "os.scandir", "os.chdir", "os.mkdir", "os.remove", "os.rename", "os.symlink", "glob.glob",
    "shutil.", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request",
    "http.client.connect", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "import", "ctypes.dlopen",
    "pickle.find_class", "sqlite3.connect", "tempfile.",
)  # fmt: skip
_seen: list[str] = []
_watched: set[int] = set()
_is_hooked = threading.Event()


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if threading.get_ident() in _watched and event.startswith(WATCHED):
        _seen.append(f"{event} {arguments!r}"[:300])


@contextmanager
def touched() -> Iterator[list[str]]:
    """Give the list of what this thread touches in the block."""
    if not _is_hooked.is_set():
        sys.addaudithook(_hook)  # for the rest of the process; outside of blocks it does nothing
        _is_hooked.set()
    found: list[str] = []
    start = len(_seen)
    _watched.add(threading.get_ident())
    try:
        yield found
    finally:
        _watched.discard(threading.get_ident())
        found += _seen[start:]
        del _seen[start:]
