"""How far labelers agree, by group, by use case, one against the others, and over time.

Only labels made under instructions for the same task by the same kind of labelers are compared: the priorities of
training and of final evaluation differ (paper, B.2). Where somebody judged a prompt twice, the first time counts, and
the last is compared with it apart.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations
from typing import NamedTuple, TypeVar, get_args

import numpy as np

from tutelage.core import dyads
from tutelage.core.agreement import Agreement, Tally, compare, gwet_ac1, kendall_tau, krippendorff_alpha, pairwise
from tutelage.core.dyads import Sharing
from tutelage.core.rankings import Groups
from tutelage.core.statistics import Estimate, Resampling
from tutelage.records import FLAGS, Group
from tutelage.store import Store, judged
from tutelage.store.judged import Context, Looked, Ordered, Rated

#: The agreement of the paper's training and held-out labelers, in shares (3.4).
PAPER_TRAINING, PAPER_HELDOUT = 0.726, 0.773
RESAMPLES = 400
GROUPS: tuple[Group, ...] = get_args(Group)
Thing = TypeVar("Thing")
Key = TypeVar("Key", bound=Hashable)


class Meeting(NamedTuple):
    """Two labelers' orders of one prompt: `at` is when the later one was made, `tau` None where one ties all."""

    first: Context
    second: Context
    tally: Tally
    tau: float | None

    @property
    def at(self) -> datetime:
        return max(self.first.created, self.second.created)

    @property
    def groups(self) -> tuple[Group, ...]:
        return tuple(sorted({self.first.group, self.second.group}, key=GROUPS.index))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How far labelers agree on orders: `names` are one or two groups, a use case, or a labeler.

    `alpha` is ordinal, and None where two groups meet.
    """

    names: tuple[str, ...]
    prompts: int
    labelers: int
    agreement: Agreement
    tau: Estimate | None
    alpha: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How far one group agrees on overall quality: ordinal alpha, and the mean distance between two ratings."""

    name: str
    outputs: int
    alpha: Estimate | None
    distance: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """How far one group agrees on a flag: how common "yes" is among answers, the share of equal answers, and AC1."""

    name: str
    answers: int
    yes: int
    same: Estimate | None
    ac1: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """The agreement of one week, which begins on this Monday."""

    monday: date
    agreement: Agreement


Orders = Mapping[str, Mapping[str, Sequence[Ordered]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What was judged under one task's instructions by one kind of labelers, ready to be compared."""

    orders: Orders
    rated: Sequence[Rated]
    meetings: Sequence[Meeting]

    def groups(self) -> list[Line]:
        """Return a line for every group of labelers, and for every two groups that met."""
        by = _gathered(self.meetings, lambda met: met.groups)
        return [_line(names, by[names], self._alpha(names)) for names in sorted(by, key=_in_order)]

    def use_cases(self, group: Group) -> list[Line]:
        """Return a line for every use case, within one group."""
        by = _gathered(self._within(group), lambda met: met.first.use_case)
        return [_line((name,), by[name]) for name in sorted(by)]

    def labelers(self) -> list[Line]:
        """Return a line for every labeler against all others that they met, of whatever group."""
        names = sorted({name for met in self.meetings for name in (met.first.labeler, met.second.labeler)})
        return [_against(name, self.meetings) for name in names]

    def oneself(self) -> list[Line]:
        """Return a line for every labeler who put outputs of one prompt in order twice: first time against last."""
        again: defaultdict[str, list[Meeting]] = defaultdict(list)
        for by in self.orders.values():
            for labeler, made in by.items():
                if len(made) > 1:
                    again[labeler].append(_meet(made[0], made[-1]))
        return [_of_one(labeler, again[labeler]) for labeler in sorted(again)]

    def weeks(self, group: Group) -> list[Week]:
        """Return the weeks in which labels of one group could first be compared."""
        by = _gathered(self._within(group), lambda met: _monday(met.at))
        return [Week(monday=monday, agreement=_pairwise(by[monday])) for monday in sorted(by)]

    def scales(self) -> list[Scale]:
        """Return the agreement of every group on overall quality."""
        by = _gathered(self.rated, lambda one: one.context.group)
        return [_scale(group, by[group]) for group in sorted(by, key=GROUPS.index)]

    def flags(self, group: Group) -> list[Flag]:
        """Return the agreement of one group on every flag that was answered."""
        mine = [one for one in self.rated if one.context.group == group]
        found = [_flag(name, mine) for name in FLAGS]
        return [one for one in found if one.answers]

    def _within(self, group: Group) -> list[Meeting]:
        return [met for met in self.meetings if met.groups == (group,)]

    def _alpha(self, groups: tuple[Group, ...]) -> Estimate | None:
        if len(groups) > 1:
            return None
        units: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        for prompt, by in self.orders.items():
            for labeler, made in by.items():
                if made[0].context.group in groups:
                    for output, place in _places(made[0].groups).items():
                        units[prompt, output][labeler] = place
        return krippendorff_alpha(units, "ordinal")


def of(store: Store, which: Looked) -> Views:
    """Read the judgements and let every two labelers of one prompt meet."""
    orders: defaultdict[str, defaultdict[str, list[Ordered]]] = defaultdict(lambda: defaultdict(list))
    for made in judged.orders(store, which):
        orders[made.context.prompt_id][made.context.labeler].append(made)
    meetings = [
        _meet(by[first][0], by[second][0]) for by in orders.values() for first, second in combinations(sorted(by), 2)
    ]
    met = [one for one in meetings if one.tally.pairs]
    return Views(orders=orders, rated=judged.rated(store, which), meetings=met)


def _meet(first: Ordered, second: Ordered) -> Meeting:
    return Meeting(
        first.context, second.context, compare(first.groups, second.groups), kendall_tau(first.groups, second.groups)
    )


def _sharing(meetings: Sequence[Meeting]) -> Sharing:
    return Sharing(
        [met.first.prompt_id for met in meetings],
        [met.first.labeler for met in meetings],
        [met.second.labeler for met in meetings],
    )


def _pairwise(meetings: Sequence[Meeting]) -> Agreement:
    return pairwise([met.tally for met in meetings], _sharing(meetings))


def _line(names: tuple[str, ...], meetings: Sequence[Meeting], alpha: Estimate | None = None) -> Line:
    who = {context.labeler for met in meetings for context in (met.first, met.second)}
    return Line(
        names=names,
        prompts=len({met.first.prompt_id for met in meetings}),
        labelers=len(who),
        agreement=_pairwise(meetings),
        tau=_tau(meetings, _sharing),
        alpha=alpha,
    )


def _against(labeler: str, meetings: Sequence[Meeting]) -> Line:
    """Compare one labeler with the others; they are drawn from all labelers, this one is not."""
    mine = [met for met in meetings if labeler in (met.first.labeler, met.second.labeler)]

    def sharing(met: Sequence[Meeting]) -> Sharing:
        others = [one.second if one.first.labeler == labeler else one.first for one in met]
        return Sharing([other.prompt_id for other in others], [other.labeler for other in others])

    return Line(
        names=(labeler,),
        prompts=len({met.first.prompt_id for met in mine}),
        labelers=len(set(sharing(mine).labelers)),
        agreement=pairwise([met.tally for met in mine], sharing(mine)),
        tau=_tau(mine, sharing),
    )


def _of_one(labeler: str, meetings: Sequence[Meeting]) -> Line:
    """Compare one labeler's orders with the same labeler's second ones: only prompts can be drawn anew."""

    def sharing(met: Sequence[Meeting]) -> Sharing:
        return Sharing([one.first.prompt_id for one in met], [labeler for _ in met])

    return Line(
        names=(labeler,),
        prompts=len(meetings),
        labelers=1,
        agreement=pairwise([met.tally for met in meetings], sharing(meetings)),
        tau=_tau(meetings, sharing),
    )


def _tau(meetings: Sequence[Meeting], sharing: Callable[[Sequence[Meeting]], Sharing]) -> Estimate | None:
    """Average tau-b over meetings in which neither ties everything."""
    known = [met for met in meetings if met.tau is not None]
    return _mean([met.tau or 0.0 for met in known], sharing(known), (-1.0, 1.0))


def _mean(values: Sequence[float], sharing: Sharing, bounds: tuple[float, float]) -> Estimate | None:
    found = dyads.estimate([[value, 1.0] for value in values], dyads.ratio, sharing, len(values))
    return found and found._replace(low=max(bounds[0], found.low), high=min(bounds[1], found.high))


def _places(groups: Groups[str]) -> dict[str, int]:
    """Give each output its midrank, doubled and counted from the middle, so that prompts of any K have the mean 0."""
    size = sum(len(group) for group in groups)
    places: dict[str, int] = {}
    before = 0
    for group in groups:
        places |= {output: 2 * before + len(group) - size for output in group}
        before += len(group)
    return places


def _units(rated: Iterable[Rated]) -> dict[tuple[str, str], dict[str, Rated]]:
    """Gather the first rating of each output by each labeler, by prompt and output."""
    units: defaultdict[tuple[str, str], dict[str, Rated]] = defaultdict(dict)
    for one in rated:
        units[one.context.prompt_id, one.completion_id].setdefault(one.context.labeler, one)
    return units


def _scale(group: Group, rated: Sequence[Rated]) -> Scale:
    units = {unit: {who: one.quality for who, one in by.items()} for unit, by in _units(rated).items() if len(by) > 1}
    rows = [
        (prompt, first, second, float(abs(by[first] - by[second])))
        for (prompt, _), by in units.items()
        for first, second in combinations(sorted(by), 2)
    ]
    sharing = Sharing([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])
    return Scale(
        name=group,
        outputs=len(units),
        alpha=krippendorff_alpha(units, "ordinal"),
        distance=_mean([row[3] for row in rows], sharing, (0.0, 6.0)),
    )


def _flag(name: str, rated: Sequence[Rated]) -> Flag:
    """Compare the answers to one flag; null is no answer."""
    given = {
        unit: {who: one.flags[name] for who, one in by.items() if one.flags.get(name) is not None}
        for unit, by in _units(rated).items()
    }
    answered = {unit: by for unit, by in given.items() if by}
    counts = [[sum(map(bool, by.values())), sum(not value for value in by.values())] for by in answered.values()]
    rows = [
        (prompt, first, second, float(by[first] == by[second]))
        for (prompt, _), by in answered.items()
        for first, second in combinations(sorted(by), 2)
    ]
    sharing = Sharing([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])
    how = Resampling(np.random.default_rng(0), RESAMPLES)
    return Flag(
        name=name,
        answers=sum(len(by) for by in answered.values()),
        yes=sum(count[0] for count in counts),
        same=dyads.share([row[3] for row in rows], [1.0] * len(rows), sharing) if rows else None,
        ac1=gwet_ac1(counts, how, [prompt for prompt, _ in answered]) if rows else None,
    )


def _in_order(groups: tuple[Group, ...]) -> tuple[int, ...]:
    """Sort single groups before those that meet, training labelers first."""
    return (len(groups), *(GROUPS.index(group) for group in groups))


def _monday(at: datetime) -> date:
    return at.date() - timedelta(days=at.weekday())


def _gathered(things: Iterable[Thing], key: Callable[[Thing], Key]) -> dict[Key, list[Thing]]:
    found: defaultdict[Key, list[Thing]] = defaultdict(list)
    for one in things:
        found[key(one)].append(one)
    return found
