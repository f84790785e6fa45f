"""How often a reward model puts two completions in people's order, on rows that it did not learn from.

A length rule is the yardstick: people, and reward models, often prefer longer texts, so 50 % is no level to beat.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tutelage.core.statistics import Estimate, detectable, paired_difference, win_rate

#: The rule that the reward model is held against: which completion it takes for the better one.
Against = Literal["longer", "shorter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldPair:
    """Two completions of a row, one preferred to the other, and what the reward model of the row's fold scored them.

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

    @property
    def right(self) -> float:
        """Give 1 where the scores agree with the preference, 1/2 where they are equal."""
        return _first_is_more(*self.scores)

    def ruled(self, against: Against) -> float:
        """Give 1 where the length rule agrees with the preference, 1/2 where both are equally long."""
        longer = _first_is_more(*self.characters)
        return longer if against == "longer" else 1 - longer


@dataclass(frozen=True, slots=True, kw_only=True)
class OneFold:
    """The pairs of one fold, the groups that they are of, and the shares that model and rule have right."""

    fold: int
    groups: int
    pairs: int
    model: float
    rule: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldReport:
    """The shares of pairs that reward models and rule have right, and their paired difference, over all folds.

    `detectable` is the true difference that data like these would tell from 0 four times in five.
    """

    against: Against
    by: str
    groups: int
    model: Estimate
    rule: Estimate
    difference: Estimate
    detectable: float
    folds: tuple[OneFold, ...]

    def plain(self) -> dict[str, Any]:
        """Return the report as JSON has it; a bound that the data cannot give is null."""
        return {name: _plain(value) for name, value in asdict(self).items()} | {
            name: {key: _plain(value) for key, value in getattr(self, name)._asdict().items()}
            for name in ("model", "rule", "difference")
        }


def report(pairs: Sequence[FoldPair], against: Against, by: str) -> FoldReport:
    """Compare reward models and rule over all pairs, each of the same weight.

    Intervals are for new groups: pairs of one group depend on each other. Where groups are labelers, they are for new
    conversations too. They are not for other trainings: the models of all folds have one seed.
    """
    groups = [pair.group for pair in pairs]
    prompts = [pair.conversation for pair in pairs] if by == "labeler" else groups
    labelers = groups if by == "labeler" else None
    right, ruled = [pair.right for pair in pairs], [pair.ruled(against) for pair in pairs]
    return FoldReport(
        against=against,
        by=by,
        groups=len(set(groups)),
        model=win_rate(right, prompts, labelers),
        rule=win_rate(ruled, prompts, labelers),
        difference=paired_difference(right, ruled, prompts, labelers),
        detectable=detectable([a - b for a, b in zip(right, ruled, strict=True)], groups),
        folds=tuple(_one_fold(pairs, fold, against) for fold in sorted({pair.fold for pair in pairs})),
    )


def _one_fold(pairs: Sequence[FoldPair], fold: int, against: Against) -> OneFold:
    mine = [pair for pair in pairs if pair.fold == fold]
    return OneFold(
        fold=fold,
        groups=len({pair.group for pair in mine}),
        pairs=len(mine),
        model=math.fsum(pair.right for pair in mine) / len(mine),
        rule=math.fsum(pair.ruled(against) for pair in mine) / len(mine),
    )


def _first_is_more(first: float, second: float) -> float:
    return 1.0 if first > second else 0.5 if first == second else 0.0


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
