"""How far the labels are from what was asked for, and how long the rest takes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import get_args

from tutelage.records import Kind
from tutelage.store import Store, progress
from tutelage.store.progress import Key, Made, Wanted
from tutelage.store.tasks import TaskKind

#: The parts of a key that progress is told by.
BY: dict[str, tuple[str, ...]] = {
    "purpose": ("kind", "purpose", "group"),
    "use_case": ("kind", "use_case"),
    "source": ("kind", "source"),
}
#: Labels of this time make the present pace.
RECENT = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Each:
    """How long one label takes people: the mean time at work over the labels that were measured."""

    active_ms: int
    labels: int

    @property
    def mean_ms(self) -> float | None:
        return self.active_ms / self.labels if self.labels else None


@dataclass(slots=True, kw_only=True)
class Line:
    """Tasks that share `names`, the labels they ask for and those made, by kind of labelers.

    `left_ms` is the time at work that the missing labels take people, None where a kind of task was never measured.
    """

    names: tuple[str, ...]
    tasks: int = 0
    closed: int = 0
    wanted: int = 0
    out_of_use: int = 0
    recent: int = 0
    left_ms: float | None = 0.0
    done: Counter[Kind] = field(default_factory=Counter)

    @property
    def left(self) -> int:
        return max(0, self.wanted - self.done.total())

    @property
    def left_days(self) -> float | None:
        """Give the days that the rest takes at the pace of the last week; None where nothing was made in it."""
        return self.left / self.recent * RECENT.days if self.recent else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """All counts of one moment; `lines` sums them by any part of their key."""

    wanted: Sequence[Wanted]
    made: Sequence[Made]
    each: dict[TaskKind, Each]

    def lines(self, *by: str) -> list[Line]:
        """Sum the counts by these names of a key (`kind`, `purpose`, `group`, `use_case`, `source`), in their order."""
        found: dict[tuple[str, ...], Line] = {}

        def line(key: Key) -> Line:
            names = tuple(str(getattr(key, name)) for name in by)
            return found.setdefault(names, Line(names=names))

        left: Counter[Key] = Counter()
        for one in self.wanted:
            at = line(one.key)
            at.tasks, at.closed, at.wanted = at.tasks + one.tasks, at.closed + one.closed, at.wanted + one.labels
            at.out_of_use += one.out_of_use
            left[one.key] += one.labels
        for made in self.made:
            at = line(made.key)
            at.done[made.by] += made.labels
            at.recent += made.recent
            left[made.key] -= made.labels
        for key, labels in left.items():
            at, mean = line(key), self.each[key.kind].mean_ms if key.kind in self.each else None
            if labels > 0 and at.left_ms is not None:
                at.left_ms = None if mean is None else at.left_ms + labels * mean
        return [found[names] for names in sorted(found)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Where the queue stands: labels that nobody has begun, assignments by kind and state, and reasons for skipping."""

    free: dict[TaskKind, int]
    states: Counter[tuple[TaskKind, str]]
    reasons: Counter[str]

    @property
    def kinds(self) -> list[TaskKind]:
        """Return the kinds of work of which there is or was any, in the order of the desk."""
        there = {*self.free, *(kind for kind, _ in self.states)}
        return [kind for kind in get_args(TaskKind) if kind in there]


def queue(store: Store, *, now: datetime) -> Queue:
    """Count where the queue stands now."""
    states: Counter[tuple[TaskKind, str]] = Counter()
    reasons: Counter[str] = Counter()
    for hands in progress.hands(store, now=now):
        states[hands.kind, hands.state] += hands.assignments
        if hands.state == "skipped":
            reasons[hands.reason] += hands.assignments
    return Queue(free=progress.places(store, now=now), states=states, reasons=reasons)


def of(store: Store, *, now: datetime) -> Progress:
    """Count everything as it is now."""
    made = progress.made(store, since=now - RECENT)
    time: Counter[TaskKind] = Counter()
    labels: Counter[TaskKind] = Counter()
    for one in made:
        # Who is simulated takes no time: the rest is planned for people.
        if one.by == "human":
            time[one.key.kind] += one.active_ms
            labels[one.key.kind] += one.measured
    each = {kind: Each(active_ms=time[kind], labels=labels[kind]) for kind in labels}
    return Progress(wanted=progress.wanted(store), made=made, each=each)
