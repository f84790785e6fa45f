"""`tutelage label` as a process that can be killed and started again, and work for its labelers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

import httpx2

from tutelage.feedback import instructions, work
from tutelage.feedback.work import Task, TaskKind
from tutelage.records import Completion, Prompt
from tutelage.store import Store, accounts, completions, prompts, users
from tutelage.store.accounts import Offer
from tutelage.web.entry import LINK
from tutelage.web.site import utc_now

#: What SIGKILL hits: one worker, the process that started them, or all at once.
Victim = Literal["worker", "parent", "all"]
ROOT = Path(__file__).parents[1]
#: How long a start may take on a machine that does much else.
PATIENCE = 120


class Program:
    """The running program. It keeps the port that its first start got, so that browsers find it again."""

    def __init__(self, database: str, workers: int, errors: IO[bytes], command: Sequence[str] = ()) -> None:
        self.address = ""
        self._port = 0
        self._errors = errors
        self._command = [*(command or (sys.executable, "-m", "tutelage.cli", "label")), "--database", database]
        self._command += ["--workers", str(workers)]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, again and again while workers of the one before hold the port; return when it listens."""
        for _ in range(PATIENCE * 10):
            self._process = subprocess.Popen(
                [*self._command, "--port", str(self._port)],
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            assert self._process.stdout
            line = self._process.stdout.readline()
            if found := re.search(r"Labeling at (http://\S+:(\d+))", line):
                self.address, self._port = found[1], int(found[2])
                return
            self._end()
            if self._process.returncode != 2 or not self._port:
                break
            time.sleep(0.1)
        raise RuntimeError(f"{' '.join(self._command)} did not start (status {self.process.returncode})")

    def wait(self) -> None:
        """Return when it answers."""
        for _ in range(PATIENCE * 10):
            try:
                if httpx2.get(f"{self.address}/sign-in").status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.1)
        raise RuntimeError(f"{self.address} does not answer")

    def kill(self, victim: Victim, choice: float) -> bool:
        """Kill it or a part of it; `choice`, from 0 to 1, says which worker. Say whether it must be started again."""
        if victim == "worker":
            running = self.workers()
            if running:
                os.kill(running[int(choice * len(running))], signal.SIGKILL)
            return False
        if victim == "parent":
            self.process.kill()
        else:
            os.killpg(self.process.pid, signal.SIGKILL)
        self._end()
        return True

    def stop(self) -> None:
        """Stop it as an operator does."""
        self.process.terminate()
        self._end()

    @property
    def process(self) -> subprocess.Popen[str]:
        """The process that was started last."""
        assert self._process
        return self._process

    def workers(self) -> list[int]:
        """Return the processes that answer: those that Python made for the one that was started."""
        return sorted(pid for pid in children(self.process.pid) if b"spawn_main" in _command_line(pid))

    def seconds(self) -> float:
        """Return the processor time that the program took so far, its workers' included."""
        return sum(map(processor_seconds, (self.process.pid, *self.workers())))

    def _end(self) -> None:
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


def links(store: Store, count: int) -> list[str]:
    """Make one-time links for labelers who make training data; return their paths."""
    offer = Offer(role="labeler", group="training")
    return [LINK + accounts.invite(store, offer, by="", now=utc_now()) for _ in range(count)]


def file_work(store: Store, pieces: int, *, k: int, overlap: int, authors: Sequence[str] = ()) -> None:
    """File pieces of work: in turn two to rank, one to rate, one to demonstrate.

    `overlap` labelers do each one of the first half, one each of the rest. Of every third one with outputs, one output
    was written by one of `authors` (labelers' pseudonyms).
    """
    now = utc_now()
    user = store.user_hash("a user of the load")
    users.assign(store, [user], shares={"train": 1.0, "validation": 0.0, "test": 0.0}, now=now)
    names = [f"load-{number}" for number in range(pieces)]
    new = [_prompt(name, user) for name in names]
    prompts.add(store, new, now=now, marks={name: prompts.Mark(pii="clean") for name in names})
    kinds = {name: _KINDS[number % len(_KINDS)] for number, name in enumerate(names)}
    outputs = {name: list(_outputs(name, k)) for name in names if kinds[name] != "demonstrate"}
    written = dict(_written(outputs, authors))
    completions.add(store, [one for made in outputs.values() for one in made], now=now, authors=written)
    tasks = [
        _task(name, kinds[name], outputs.get(name, ()), overlap if number < pieces / 2 else 1)
        for number, name in enumerate(names)
    ]
    _file(store, tasks, now)


_KINDS: tuple[TaskKind, ...] = ("rank", "demonstrate", "rank", "rate")


def _file(store: Store, tasks: Sequence[Task], now: datetime) -> None:
    instructions.publish_defaults(store, now=now)
    work.file_tasks(store, tasks, now=now)


def _prompt(name: str, user: str) -> Prompt:
    return Prompt(
        id=name,
        text=f"Explain to a child why {name} is so. " * 5,
        source="customer",
        user=user,
        consent="notice-1",
        split="train",
        stage="sft",
    )


def _outputs(name: str, k: int) -> Iterator[Completion]:
    for number in range(k):
        text = f"An answer of a policy to {name}, the {number}th of {k}. " * 12
        yield Completion(id=f"{name}/{number}", prompt_id=name, text=text, policy="sft", finish_reason="stop")


def _written(outputs: Mapping[str, Sequence[Completion]], authors: Sequence[str]) -> Iterator[tuple[str, str]]:
    for number, made in enumerate(outputs.values()):
        if authors and number % 3 == 0:
            yield made[number % len(made)].id, authors[number % len(authors)]


def _task(name: str, kind: TaskKind, outputs: Sequence[Completion], overlap: int) -> Task:
    version = instructions.DEMONSTRATION if kind == "demonstrate" else instructions.COMPARISON
    return Task(
        id=f"task-{name}",
        kind=kind,
        purpose="train",
        prompt_id=name,
        instruction_version=version,
        completion_ids=tuple(output.id for output in outputs),
        overlap=overlap,
    )


def children(parent: int) -> Iterator[int]:
    """Yield the processes that a process started and that still run."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        pid = int(path.parent.name)
        if parent_of(pid) == parent:
            yield pid


def parent_of(pid: int) -> int:
    """Return the process that started another, 0 when that is gone."""
    fields = _fields(pid)
    return int(fields[1]) if fields else 0


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process, and of those it started that have ended."""
    return sum(map(int, _fields(pid)[11:15])) / os.sysconf("SC_CLK_TCK")


def _fields(pid: int) -> list[str]:
    try:
        # The name, in parentheses, may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
