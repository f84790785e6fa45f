"""What each labeler does: pace, agreement with others and with the key, and how much hard reading came their way."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tutelage.core.agreement import Tally, compare
from tutelage.core.statistics import Estimate
from tutelage.errors import MissingError
from tutelage.feedback.views import agreement
from tutelage.records import Kind
from tutelage.store import Store, judged, pace, welfare
from tutelage.store.judged import Looked, Ordered
from tutelage.store.pace import Pace

_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One labeler. `agreement` is with all others, a tie as a half; `gold` is with researchers' orders of gold items.

    `exposed` counts the work with hard reading that this labeler opened.
    """

    pace: Pace
    agreement: Estimate | None
    gold: Tally
    gold_items: int
    exposed: int

    @property
    def hours(self) -> float | None:
        """Give the hours at work that the pages measured, None where they measured nothing."""
        return self.pace.active_ms / _HOUR_MS if self.pace.measured else None

    @property
    def per_hour(self) -> float | None:
        return self.pace.measured / hours if (hours := self.hours) else None

    @property
    def gold_share(self) -> float | None:
        return self.gold.credit / self.gold.pairs if self.gold.pairs else None

    @property
    def seen(self) -> datetime | None:
        """Say when this labeler was last there: at a page, or else by handing something in."""
        return self.pace.seen or self.pace.last


#: What the list can be sorted by; what is not known comes last, whichever way.
SORTS: dict[str, Any] = {
    "labeler": lambda line: line.pace.labeler,
    "group": lambda line: line.pace.group,
    "labels": lambda line: line.pace.labels,
    "hours": lambda line: line.hours,
    "per_hour": lambda line: line.per_hour,
    "skipped": lambda line: line.pace.skipped,
    "agreement": lambda line: line.agreement and line.agreement.mean,
    "gold": lambda line: line.gold_share,
    "exposed": lambda line: line.exposed,
    "seen": lambda line: line.seen,
}


def lines(store: Store, which: Looked, *, sort: str = "labeler", is_down: bool = False) -> list[Line]:
    """Return the labelers of the kind `which.kind`; agreement and gold are over what `which` looks at."""
    found = {line.names[0]: line for line in agreement.of(store, which).labelers()}
    exposed = welfare.exposures(store)
    gold = _gold(store, which)
    made = [
        Line(
            pace=one,
            agreement=found[one.labeler].agreement.tie_half if one.labeler in found else None,
            gold=gold.get(one.labeler, (Tally(), 0))[0],
            gold_items=gold.get(one.labeler, (Tally(), 0))[1],
            exposed=exposed[one.labeler],
        )
        for one in pace.paces(store)
        if one.kind == which.kind
    ]
    value = SORTS[sort]
    known = sorted((line for line in made if value(line) is not None), key=value, reverse=is_down)
    return known + [line for line in made if value(line) is None]


def of_one(store: Store, labeler: str, task: str) -> Line:
    """Return one labeler's line, whatever the kind."""
    kinds: dict[str, Kind] = {one.labeler: one.kind for one in pace.paces(store)}
    if labeler not in kinds:
        raise MissingError("There is no such labeler; go back to the list.")
    which = Looked(task=task, kind=kinds[labeler])
    return next(line for line in lines(store, which) if line.pace.labeler == labeler)


def _gold(store: Store, which: Looked) -> dict[str, tuple[Tally, int]]:
    """Compare each labeler's orders of gold items with the researchers' orders of the same outputs.

    Where several researchers made a key, a labeler is compared with each.
    """
    people = judged.orders(store, Looked(task=which.task, kind="human"))
    keys: defaultdict[str, list[Ordered]] = defaultdict(list)
    for made in people:
        if made.context.group == "researcher":
            keys[made.context.prompt_id].append(made)
    tallies: defaultdict[str, list[Tally]] = defaultdict(list)
    items: defaultdict[str, set[str]] = defaultdict(set)
    for made in judged.orders(store, which):
        if made.context.purpose == "gold" and made.context.group != "researcher":
            for key in keys[made.context.prompt_id]:
                tallies[made.context.labeler].append(compare(made.groups, key.groups))
                items[made.context.labeler].add(made.context.prompt_id)
    return {
        labeler: (Tally(*(sum(column) for column in zip(*given, strict=True))), len(items[labeler]))
        for labeler, given in tallies.items()
    }
