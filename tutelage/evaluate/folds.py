"""How often a reward model puts two completions in people's order, on rows that it did not learn from.

A length rule is the yardstick: people, and reward models, often prefer longer texts, so 50 % is no level to beat. The
ceiling is how far labelers agree with each other. Where labelers are dealt to the folds, a model is judged by labelers
that it learned from and by others, on conversations that no ranking it learned from is of (paper, 4.1 and E.2).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np

from tutelage.core import dyads
from tutelage.core.agreement import Tally, compare, pairwise
from tutelage.core.calibration import Calibration, calibration
from tutelage.core.clusters import Floats
from tutelage.core.dyads import Sharing
from tutelage.core.statistics import Estimate, detectable, paired_difference, win_rate

#: The rule that the reward model is held against: which completion it takes for the better one.
Against = Literal["longer", "shorter"]
#: Whether the model learned from rankings by the labeler of a row.
Role = Literal["in-group", "held-out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldPair:
    """Two completions of a row, one preferred to the other, and what a reward model that never saw the row scored them.

    `winner` and `loser` are their places in the row, `characters` their lengths in that order. `group` is what stayed
    together in one fold. No text stands here: preference data may hold anything.
    """

    row: str
    fold: int
    group: str
    conversation: str
    winner: int
    loser: int
    scores: tuple[float, float]
    characters: tuple[int, int]
    role: Role = "held-out"
    seed: int = 0

    @property
    def margin(self) -> float:
        """Give by how much the winner is scored above the loser."""
        return self.scores[0] - self.scores[1]

    @property
    def right(self) -> float:
        """Give 1 where the scores agree with the preference, 1/2 where they are equal."""
        return _first_is_more(*self.scores)

    def ruled(self, against: Against) -> float:
        """Give 1 where the length rule agrees with the preference, 1/2 where both are equally long."""
        longer = _first_is_more(*self.characters)
        return longer if against == "longer" else 1 - longer


class Judgement(NamedTuple):
    """One labeler's order of a conversation's completions, as groups of texts, best first; `""` is nobody's name."""

    conversation: str
    prompt: str
    labeler: str
    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneFold:
    """The pairs of one fold of a seed, the groups that they are of, and the shares that model and rule have right.

    `in_group` is the share among pairs by labelers that the model learned from, where there are any.
    """

    fold: int
    seed: int
    groups: int
    pairs: int
    model: float
    rule: float
    in_group: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """How often two labelers order two completions alike, ties left out, and the most that a model can be right.

    With p the chance that a labeler prefers the one, two agree with p^2 + (1 - p)^2, and no model is right more often
    than max(p, 1 - p). On average over pairs that is no less than the agreement a, and no more than (1 + sqrt(2a - 1))
    / 2, by Jensen's inequality.
    """

    agreement: Estimate
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldReport:
    """The shares of pairs that reward models and rule have right, and their paired difference, over all folds.

    `detectable` is the true difference that data like these would tell from 0 four times in five. `in_group` is the
    share of pairs by labelers that the models learned from, and `drop` by how much it is more than `model`; both are
    None where the folds are not of labelers. `ceiling` is None where no two labelers ranked the same completions.
    """

    against: Against
    by: str
    groups: int
    seeds: int
    model: Estimate
    rule: Estimate
    difference: Estimate
    detectable: float
    in_group: Estimate | None
    drop: Estimate | None
    ceiling: Ceiling | None
    calibration: Calibration
    folds: tuple[OneFold, ...]

    def plain(self) -> dict[str, Any]:
        """Return the report as JSON has it; a bound that the data cannot give is null."""
        told: dict[str, Any] = _plain(asdict(self))
        return told


def report(pairs: Sequence[FoldPair], against: Against, by: str, judgements: Iterable[Judgement] = ()) -> FoldReport:
    """Compare reward models and rule over all held-out pairs, each of the same weight.

    Intervals are for new groups: pairs of one group depend on each other. Where groups are labelers, they are for new
    conversations too. Other seeds judge the same rows again, so they add no rows that are independent. `judgements` are
    the rankings, for the ceiling.
    """
    held = [pair for pair in pairs if pair.role == "held-out"]
    known = [pair for pair in pairs if pair.role == "in-group"]
    prompts, labelers = _whose(held, by)
    right, ruled = [pair.right for pair in held], [pair.ruled(against) for pair in held]
    return FoldReport(
        against=against,
        by=by,
        groups=len({pair.group for pair in held}),
        seeds=len({pair.seed for pair in held}),
        model=win_rate(right, prompts, labelers),
        rule=win_rate(ruled, prompts, labelers),
        difference=paired_difference(right, ruled, prompts, labelers),
        detectable=detectable([a - b for a, b in zip(right, ruled, strict=True)], [pair.group for pair in held]),
        in_group=win_rate([pair.right for pair in known], *_whose(known, by)) if known else None,
        drop=_drop(known, held) if known else None,
        ceiling=ceiling(judgements),
        calibration=calibration([pair.margin for pair in held], prompts, labelers),
        folds=tuple(
            _one_fold(pairs, fold, seed, against) for seed, fold in sorted({(pair.seed, pair.fold) for pair in held})
        ),
    )


def ceiling(judgements: Iterable[Judgement]) -> Ceiling | None:
    """Compare every two labelers who ranked completions of one prompt; None where there are none."""
    by_prompt: defaultdict[tuple[str, str], list[Judgement]] = defaultdict(list)
    for one in judgements:
        by_prompt[one.conversation, one.prompt].append(one)
    rows: list[tuple[Tally, str, str, str]] = []
    for some in by_prompt.values():
        for first, second in combinations(some, 2):
            if first.labeler != second.labeler:
                tally = compare(first.groups, second.groups)
                rows.append((tally, first.conversation, first.labeler, second.labeler))
    if not rows:
        return None
    tallies, *names = (list(column) for column in zip(*rows, strict=True))
    found = pairwise(tallies, Sharing(*names)).ties_excluded
    if found is None:
        return None
    return Ceiling(agreement=found, most=(1 + math.sqrt(max(0.0, 2 * found.mean - 1))) / 2)


def _drop(known: Sequence[FoldPair], held: Sequence[FoldPair]) -> Estimate | None:
    """Give the share right in group minus that held out, with the interval of both ways over all their rows.

    A pair is judged once in each role by models of one seed, as far as it can be, and what it adds to the difference
    is one row: so the difference is paired.
    """
    rows: defaultdict[tuple[str, str, str, int, int], Floats] = defaultdict(lambda: np.zeros(4))
    for place, pairs in ((0, known), (2, held)):
        for pair in pairs:
            row = rows[pair.conversation, pair.group, pair.row, pair.winner, pair.loser]
            row[place : place + 2] += pair.right, 1.0
    sharing = Sharing([key[0] for key in rows], [key[1] for key in rows])
    return dyads.estimate(list(rows.values()), _difference_of_shares, sharing, len(known) + len(held))


def _difference_of_shares(sums: Floats) -> Floats:
    difference: Floats = dyads.ratio(sums[..., :2]) - dyads.ratio(sums[..., 2:])
    return difference


def _whose(pairs: Sequence[FoldPair], by: str) -> tuple[list[str], list[str] | None]:
    groups = [pair.group for pair in pairs]
    return ([pair.conversation for pair in pairs], groups) if by == "labeler" else (groups, None)


def _one_fold(pairs: Sequence[FoldPair], fold: int, seed: int, against: Against) -> OneFold:
    mine = [pair for pair in pairs if (pair.fold, pair.seed) == (fold, seed)]
    held = [pair for pair in mine if pair.role == "held-out"]
    known = [pair.right for pair in mine if pair.role == "in-group"]
    return OneFold(
        fold=fold,
        seed=seed,
        groups=len({pair.group for pair in held}),
        pairs=len(held),
        model=math.fsum(pair.right for pair in held) / len(held),
        rule=math.fsum(pair.ruled(against) for pair in held) / len(held),
        in_group=math.fsum(known) / len(known) if known else None,
    )


def _first_is_more(first: float, second: float) -> float:
    return 1.0 if first > second else 0.5 if first == second else 0.0


def _plain(value: Any) -> Any:
    """Write named tuples as objects and what is not finite as null."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
