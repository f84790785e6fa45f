"""The calls that a gateway noted: brought in once when it is gone, left alone while it lives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.databases import database, store
from tests.firms import UNLIMITED, Firm
from tests.store.test_requests import BASE, NOW
from tutelage.errors import UnavailableError
from tutelage.serve.api import journal
from tutelage.serve.api.journal import SUFFIX, Journal, folder_of, recover
from tutelage.store import Store, quotas, requests
from tutelage.store.quotas import Reservation, Used

__all__ = ["database", "store"]

PROGRAM = """
import sys
from pathlib import Path
from tests.store.test_requests import BASE
from tutelage.serve.api.journal import Journal
Journal(Path(sys.argv[1])).note(BASE, None)
print("noted", flush=True)
sys.stdin.read()
"""


@contextmanager
def other(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process that has noted a call."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command, pipe = [sys.executable, "-c", PROGRAM, str(folder)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdout and process.stdout.readline() == "noted\n"
        yield process
        process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "calls"


def test_what_a_process_noted_is_brought_in_when_it_is_gone(store: Store, folder: Path) -> None:
    with other(folder) as process:
        assert recover(store, folder, now=NOW) == 0 and requests.get(store, BASE.id) is None
        process.kill()
        process.wait()
        assert recover(store, folder, now=NOW) == 1
    assert requests.get(store, BASE.id) == BASE
    assert recover(store, folder, now=NOW) == 0 and list(folder.iterdir()) == []


def left(folder: Path, *calls: tuple[requests.Request, Reservation | None], more: bytes = b"") -> None:
    """Leave a file behind as a process does that is killed."""
    made = Journal(folder / "live")
    for request, held in calls:
        made.note(request, held)
    [file] = (folder / "live").glob(f"*{SUFFIX}")
    (folder / f"dead{SUFFIX}").write_bytes(file.read_bytes() + more)
    made.forget([request.id for request, _ in calls])
    made.close()
    assert not file.exists()  # nothing is left to be held


def test_the_last_word_on_a_call_counts_once_and_settles_what_it_held(store: Store, tmp_path: Path) -> None:
    firm = Firm.of(store, state="live")

    def hold(tokens: int) -> Reservation:
        held = quotas.reserve(store, firm.id, tokens=tokens, limits=UNLIMITED, now=NOW)
        assert isinstance(held, Reservation)
        return held

    begun = replace(BASE, action="failed", prompt_tokens=0, completion_tokens=0, first_token_ms=None)
    ended, cut, known = hold(100), hold(50), hold(30)
    requests.add(store, [requests.Ended(request=replace(BASE, id="known"))])
    quotas.settle(store, known, tokens=19, now=NOW)
    calls = [
        (begun, ended),
        (replace(begun, id="cut"), cut),
        (replace(begun, id="known"), known),  # the database knows how it ended
        (BASE, ended),
        (replace(begun, id="free"), None),
    ]
    left(tmp_path, *calls, more=b'{"request": {"id": "half a li')
    assert recover(store, tmp_path, now=NOW) == 4
    assert requests.get(store, BASE.id) == BASE
    assert [requests.get(store, id).action for id in ("cut", "known", "free")] == ["failed", "served", "failed"]  # type: ignore[union-attr]
    tokens = BASE.prompt_tokens + BASE.completion_tokens + 19
    assert quotas.used(store, firm.id, now=NOW) == Used(minute_requests=3, minute_tokens=tokens, day_tokens=tokens)
    left(tmp_path, *calls)
    assert recover(store, tmp_path, now=NOW) == 4  # again: nothing changes
    assert quotas.used(store, firm.id, now=NOW).day_tokens == tokens


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_long_file_is_written_anew_with_what_it_still_holds(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MOST_BYTES", 5000)
    made = Journal(folder)
    made.note(replace(BASE, id="open"), None)
    for number in range(200):
        made.note(replace(BASE, id=f"r{number}"), None)
        made.forget([f"r{number}"])
    [file] = folder.glob("*")
    assert file.stat().st_size < 8000
    assert recover(store, folder, now=NOW) == 0  # still held
    made.close()  # with a call that nobody wrote down
    assert recover(store, folder, now=NOW) >= 1 and requests.get(store, "open") is not None


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_where_it_lies(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder_of(store) == tmp_path / "store.db-calls"
    made = Journal(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    made.close()
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="make it writable"):
        Journal(tmp_path / "file" / "b")
