"""What labelers disagree by: chance, which moves one labeler from one day to the next, and taste, which does not.

Two labelers judge a pair of outputs with x and y in {1, 1/2, 0} (better, tie, worse). Their disagreement is (x - y)^2,
and for independent judgements E (x - y)^2 = Var x + Var y + (E x - E y)^2. So of one labeler, asked twice, it is twice
the variance: the *noise*. Of two it is that and the squared difference of what they would say on average: their
*taste*. And what two groups differ by in the mean is E (x - y)^2 across, minus half of E (x - x')^2 within each: exact,
whatever the spread of tastes and noise inside.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

from tutelage.core import dyads
from tutelage.core.dyads import Sharing
from tutelage.core.rankings import Groups, preferences
from tutelage.core.statistics import Estimate


class Judged(NamedTuple):
    """One labeler's order of the outputs of a prompt, best first; of a labeler asked again there are two."""

    prompt: str
    labeler: str
    group: str
    order: Groups[str]


class Apart(NamedTuple):
    """How far two groups disagree, and how much of that is taste: the squared difference of their mean preferences."""

    first: str
    second: str
    across: Estimate
    taste: Estimate


class Disagreement(NamedTuple):
    """Mean (x - y)^2 over pairs of outputs; what nobody can tell is None.

    `noise` is that of labelers asked twice, `within` that of two of one group, by group, and over all groups under "".
    `own_taste` is the latter minus the former, and `apart` holds every two groups that met.
    """

    noise: Estimate | None
    within: dict[str, Estimate]
    own_taste: Estimate | None
    apart: tuple[Apart, ...]


class _Met(NamedTuple):
    """Two judgements of one prompt: the sum of (x - y)^2 over the pairs of outputs in both, and the number of pairs."""

    prompt: str
    labelers: tuple[str, str]
    groups: tuple[str, str]
    squares: float
    pairs: int


def decompose(judged: Iterable[Judged]) -> Disagreement:
    """Compare every two judgements of one prompt. Intervals are 95 %, for new prompts and new labelers (`dyads`)."""
    met = _meetings(judged)
    again = [one for one in met if one.labelers[0] == one.labelers[1]]
    others = [one for one in met if one.labelers[0] != one.labelers[1]]
    inside = [one for one in others if one.groups[0] == one.groups[1]]
    names = sorted({one.groups[0] for one in inside})
    within = {name: _mean([one for one in inside if one.groups[0] == name]) for name in names}
    whole = {"": _mean(inside)} if inside else {}
    apart = []
    for first, second in combinations(sorted({name for one in others for name in one.groups}), 2):
        across = [one for one in others if set(one.groups) == {first, second}]
        mine = [one for one in inside if one.groups[0] in (first, second)]
        if across and first in within and second in within:
            apart.append(Apart(first, second, _mean(across), _taste(across, mine, first)))
    own = _combined([(inside, 1.0), (again, -1.0)]) if inside and again else None
    return Disagreement(_mean(again) if again else None, within | whole, own, tuple(apart))


def _meetings(judged: Iterable[Judged]) -> list[_Met]:
    by_prompt: defaultdict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        by_prompt[one.prompt].append(one)
    found = []
    for prompt, some in by_prompt.items():
        said = [(one, preferences(one.order)) for one in some]
        for (first, mine), (second, theirs) in combinations(said, 2):
            both = mine.keys() & theirs.keys()
            squares = sum((mine[pair] - theirs[pair]) ** 2 for pair in both)
            labelers, groups = (first.labeler, second.labeler), (first.group, second.group)
            if both:
                found.append(_Met(prompt, labelers, groups, squares, len(both)))
    return found


def _mean(met: Sequence[_Met]) -> Estimate:
    found = dyads.share([one.squares for one in met], [one.pairs for one in met], _sharing(met))
    assert found is not None, "every meeting has a pair"
    return found


def _taste(across: Sequence[_Met], inside: Sequence[_Met], first: str) -> Estimate:
    mine = [one for one in inside if one.groups[0] == first]
    theirs = [one for one in inside if one.groups[0] != first]
    return _combined([(across, 1.0), (mine, -0.5), (theirs, -0.5)])


def _combined(parts: Sequence[tuple[Sequence[_Met], float]]) -> Estimate:
    """Add up means of disjoint sets of meetings, each times a number, as if they were independent.

    They share prompts and labelers, who make them go up and down together; in a difference that cancels, so the
    interval is rather too wide than too narrow.
    """
    found = [(_mean(some), times) for some, times in parts]
    mean = sum(times * one.mean for one, times in found)
    sides = [(one.mean - one.low, one.high - one.mean)[:: 1 if times > 0 else -1] for one, times in found]
    below, above = (
        math.hypot(*(times * side[end] for side, (_, times) in zip(sides, found, strict=True))) for end in (0, 1)
    )
    return Estimate(mean, mean - below, mean + above, sum(one.n for one, _ in found), found[0][0].level)


def _sharing(met: Sequence[_Met]) -> Sharing:
    """Say whose meetings these are, of which all are of two labelers, or each of one who was asked twice."""
    firsts, seconds = ([one.labelers[end] for one in met] for end in (0, 1))
    return Sharing([one.prompt for one in met], firsts, None if firsts == seconds else seconds)
