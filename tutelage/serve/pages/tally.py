"""Votes as figures: how often one arm is preferred to another, with an interval, and whether a side is favoured.

People's votes are of the kind customer: they stand beside nothing that labelers said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.core.statistics import Estimate, win_rate
from tutelage.store.votes import Cast, Choice, Reason, Side

#: What a vote gives the first arm: a tie counts one half, and so does "both bad".
_SHARES: dict[Choice, float] = {"left": 1.0, "right": 0.0, "tie": 0.5, "both_bad": 0.5}


@dataclass(frozen=True, slots=True, order=True)
class Arm:
    """An arm with the version that answered for it: after an alias moves, its votes are counted anew."""

    arm: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """All votes on two arms. `rate` is how often `first` is preferred, over prompts and people who voted."""

    first: Arm
    second: Arm
    wins: int
    losses: int
    ties: int
    both_bad: int
    rate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """All votes that count. `left` is how often the left one of two is preferred; chance gives one half."""

    votes: int
    people: int
    usable: int
    pairs: Sequence[Pair]
    left: Estimate | None
    reasons: Sequence[tuple[Reason, int]]


def count(cast: Sequence[Cast]) -> Tally:
    """Count votes by pairs of arms, the pairs in the order of their names. Pure."""
    by_pair: dict[tuple[Arm, Arm], list[Cast]] = {}
    for one in cast:
        first, second = sorted((_arm(one.comparison.left), _arm(one.comparison.right)))
        by_pair.setdefault((first, second), []).append(one)
    reasons = Counter(reason for one in cast for reason in one.vote.reasons)
    return Tally(
        votes=len(cast),
        people=len({one.comparison.voter for one in cast}),
        usable=sum(one.comparison.data_use == "training" for one in cast),
        pairs=[_pair(first, second, of) for (first, second), of in sorted(by_pair.items())],
        left=_rate(cast, [_SHARES[one.vote.choice] for one in cast]) if cast else None,
        reasons=reasons.most_common(),
    )


def _pair(first: Arm, second: Arm, cast: Sequence[Cast]) -> Pair:
    # From the side of the first arm, wherever it stood.
    shares = [
        _SHARES[one.vote.choice] if _arm(one.comparison.left) == first else 1 - _SHARES[one.vote.choice] for one in cast
    ]
    chosen = Counter(one.vote.choice for one in cast)
    return Pair(
        first=first,
        second=second,
        wins=shares.count(1.0),
        losses=shares.count(0.0),
        ties=chosen["tie"],
        both_bad=chosen["both_bad"],
        rate=_rate(cast, shares),
    )


def _rate(cast: Sequence[Cast], shares: Sequence[float]) -> Estimate:
    """Return the mean share with its interval, for new prompts and new people."""
    return win_rate(shares, [one.comparison.prompt for one in cast], [one.comparison.voter for one in cast])


def _arm(side: Side) -> Arm:
    return Arm(side.arm, side.model)
