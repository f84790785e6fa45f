"""What may bend labels without anybody meaning it: the place on the screen, length, and haste."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tutelage.core.rankings import preferences
from tutelage.core.statistics import Estimate, wilson, win_rate
from tutelage.records import Group, Kind
from tutelage.store import Store, judged, pace
from tutelage.store.judged import Looked, Ordered
from tutelage.store.pace import Pace

#: What an interval says of one half: it holds it, lies above it or below it, or nothing could be counted.
Sign = Literal["none", "even", "more", "less"]
#: Fewer prompts than this give no reason to act.
ENOUGH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """How often one of two outputs wins (a tie is a half): the one shown earlier, or the longer one.

    `all` is over prompts and labelers; `by_labeler` over each labeler's prompts. Chance alone gives one half where the
    order on the screen is random; longer outputs may be better, so that length proves nothing by itself.
    """

    prompts: int
    all: Estimate | None
    by_labeler: Mapping[str, Estimate]

    @property
    def sign(self) -> Sign:
        if self.all is None or self.prompts < ENOUGH:
            return "none"
        return "more" if self.all.low > 0.5 else "less" if self.all.high < 0.5 else "even"


@dataclass(frozen=True, slots=True, kw_only=True)
class Haste:
    """Labels that took less time than reading their texts once, and labels that were revised, of one labeler."""

    pace: Pace
    hurried: Estimate | None
    revised: Estimate | None


def position(store: Store, which: Looked, group: Group) -> Bias:
    """Say how often the output that stood earlier on the screen wins."""
    return _bias(_of(store, which, group), lambda made: {output: -at for at, output in enumerate(made.presented)})


def length(store: Store, which: Looked, group: Group) -> Bias:
    """Say how often the longer of two outputs wins; pairs of equal length do not count."""
    orders = _of(store, which, group)
    characters = judged.lengths(store, (output for made in orders for output in made.presented))
    return _bias(orders, lambda made: {output: characters[output] for output in made.presented})


def haste(store: Store, kind: Kind, group: Group) -> list[Haste]:
    """Return, for every labeler of a group who handed something in, how much was hurried and how much revised."""
    found = [one for one in pace.paces(store) if one.kind == kind and one.group == group and one.labels]
    return [
        Haste(
            pace=one,
            hurried=wilson(one.hurried, one.measured) if one.measured else None,
            revised=wilson(one.revised, one.labels),
        )
        for one in found
    ]


def _of(store: Store, which: Looked, group: Group) -> list[Ordered]:
    return [made for made in judged.orders(store, which) if made.context.group == group]


def _bias(orders: Sequence[Ordered], size: Callable[[Ordered], Mapping[str, int]]) -> Bias:
    """Average over orders the share of pairs that the larger output wins; each order counts once, whatever its K."""
    rows: list[tuple[str, str, float]] = []
    for made in orders:
        sizes = size(made)
        won = [
            win if sizes[a] > sizes[b] else 1 - win
            for (a, b), win in preferences(made.groups).items()
            if sizes[a] != sizes[b]
        ]
        if won:
            rows.append((made.context.prompt_id, made.context.labeler, sum(won) / len(won)))
    by: defaultdict[str, list[tuple[str, str, float]]] = defaultdict(list)
    for row in rows:
        by[row[1]].append(row)
    return Bias(
        prompts=len({row[0] for row in rows}),
        all=_rate(rows),
        by_labeler={labeler: found for labeler in sorted(by) if (found := _rate(by[labeler]))},
    )


def _rate(rows: Sequence[tuple[str, str, float]]) -> Estimate | None:
    if not rows:
        return None
    return win_rate([row[2] for row in rows], [row[0] for row in rows], [row[1] for row in rows])
