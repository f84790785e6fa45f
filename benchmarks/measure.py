"""Timing: the best of several runs, taken in turns so that a busy moment of the machine meets both sides."""

import time
from collections.abc import Callable
from typing import NamedTuple

ROUNDS = 2


class Row(NamedTuple):
    """One line of the table: what was measured, in which unit, ours, the peer's, and how they relate."""

    what: str
    unit: str
    ours: float
    peer: float
    peer_name: str

    @property
    def ratio(self) -> float:
        """Ours over the peer's."""
        return self.ours / self.peer


def seconds(*programs: Callable[[], object]) -> list[float]:
    """Return each program's shortest time over ROUNDS runs, after one run that does not count."""
    best = [float("inf")] * len(programs)
    for lap in range(ROUNDS + 1):
        for index, program in enumerate(programs):
            started = time.perf_counter()
            program()
            if lap > 0:
                best[index] = min(best[index], time.perf_counter() - started)
    return best
