"""Who joins the running batch, and when.

Requests join in the order in which they came. The choices of one request join together, so that their prompt is
computed once. What must wait for room makes those behind it wait too: nothing small can starve something large.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tutelage.generate.rows import Choice

#: Prompt tokens that may join per step while others are running, and the piece in which a longer prompt is read.
PIECE = 512
#: Columns are allocated in multiples of this.
COLUMNS = 32


class Load(NamedTuple):
    """What the batch holds: rows, the most columns any of them may need, and cells taken outside the batch."""

    rows: int
    widest: int
    staged: int = 0


class Scheduler:
    """The queue before a batch of at most `max_batch` rows and `cells` rows times columns."""

    def __init__(self, max_batch: int, cells: int) -> None:
        self.max_batch, self.cells = max_batch, cells
        self._waiting: deque[list[Choice]] = deque()  # the choices of one request each

    def __len__(self) -> int:
        return sum(len(group) for group in self._waiting)

    def add(self, choices: list[Choice]) -> None:
        """Queue the choices of one request."""
        self._waiting.append(choices)

    def ids(self) -> set[int]:
        """Return the requests that are waiting."""
        return {group[0].id for group in self._waiting}

    def withdraw(self, id: int) -> list[Choice]:
        """Forget a request; return its choices that were waiting."""
        gone = [choice for group in self._waiting for choice in group if choice.id == id]
        self._waiting = deque(group for group in self._waiting if group[0].id != id)
        return gone

    def take(self, load: Load) -> list[Choice]:
        """Return the choices that join now.

        While others are running, short prompts join up to PIECE tokens in all, or one request. A prompt longer than
        that is not among them (`take_long`) and ends what can be taken.
        """
        taken: list[Choice] = []
        tokens, is_busy = 0, load.rows > 0 or load.staged > 0
        while self._waiting and not is_long(self._waiting[0][0]):
            tokens += len(self._waiting[0][0].request.prompt_ids)
            if taken and is_busy and tokens > PIECE:
                break
            group = self._fitting(load)
            if not group:
                break
            load = _joined(load, group)
            taken += group
        return taken

    def take_long(self, load: Load) -> list[Choice]:
        """Return the first request's choices when its prompt has to be read piece by piece and has room."""
        if not self._waiting or not is_long(self._waiting[0][0]):
            return []
        length = len(self._waiting[0][0].request.prompt_ids)
        return self._fitting(load._replace(staged=load.staged + length))

    def _fitting(self, load: Load) -> list[Choice]:
        """Take the first request if it fits whole, or from an empty batch as much of it as ever will."""
        group = self._waiting[0]
        count = self._most(load, group)
        if count < len(group) and load.rows:
            return []
        if count < len(group):
            self._waiting[0] = group[count:]
            return group[:count]
        return self._waiting.popleft()

    def _most(self, load: Load, group: list[Choice]) -> int:
        """Count the choices of a request that have room."""
        room = self.cells - load.staged
        width = min(columns(max(load.widest, group[0].width)), room)
        rows = min(self.max_batch, room // width) - load.rows
        # A long prompt stands in the batch and, while it is read, outside; alone it needs no more than it has.
        return max(min(rows, len(group)), 1 if load.rows == 0 else 0)


def columns(width: int) -> int:
    """Return the columns that are allocated where so many are needed."""
    return -(-width // COLUMNS) * COLUMNS


def is_long(choice: Choice) -> bool:
    """Say whether a choice's prompt is read piece by piece."""
    return len(choice.request.prompt_ids) > PIECE


def _joined(load: Load, group: list[Choice]) -> Load:
    return load._replace(rows=load.rows + len(group), widest=max(load.widest, group[0].width))
