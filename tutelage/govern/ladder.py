"""From findings to measures: warn, throttle, sandbox, suspend. Only people revoke.

Each finding has a weight that halves in a week. Few things are left to a program alone: suspension, which a person can
lift at once, happens by itself only for grave findings or far up the ladder, because a wrong one harms a customer who
did nothing, and a missed one harms people whom we do not see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, get_args

from tutelage.core.monitoring import faded
from tutelage.govern.signals import DAY, Finding, Signal

Measure = Literal["none", "warn", "throttle", "sandbox", "suspend"]
Review = Literal["open", "confirmed", "dismissed"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
#: The share of its quotas that a throttled application keeps.
THROTTLED = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """What a finding weighs and from which score each measure is taken."""

    weights: Mapping[Signal, float] = field(
        default_factory=lambda: {
            "hit_rate": 2.0,
            "critical": 2.0,
            "spike": 0.5,
            "probing": 1.0,
            "drift": 1.0,
            "spam": 2.0,
            "leaked_key": 1.5,
            "extraction": 1.5,
            "quota_games": 1.0,
        }
    )
    half_life: timedelta = timedelta(days=7)
    rungs: Mapping[Measure, float] = field(
        default_factory=lambda: {"warn": 1.0, "throttle": 3.0, "sandbox": 5.0, "suspend": 9.0}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A finding as it was noted, and what a reviewer made of it."""

    signal: Signal
    at: datetime
    is_grave: bool = False
    review: Review = "open"


def is_news(before: Iterable[Incident], finding: Finding, now: datetime) -> bool:
    """Say whether a finding is worth noting: once a day for each signal, and once more when it became grave."""
    recent = [one for one in before if one.signal == finding.signal and now - one.at < DAY]
    return not recent or (finding.is_grave and not any(one.is_grave for one in recent))


def score(incidents: Iterable[Incident], now: datetime, ladder: Ladder) -> float:
    """Return what the incidents weigh, faded by their age.

    What a reviewer dismissed counts nothing and what one confirmed counts each time; of what nobody looked at yet, only
    the newest of each signal counts, so that a signal that is wrong about an application cannot climb by repetition.
    """
    counted: list[Incident] = []
    unseen: dict[Signal, Incident] = {}
    for one in incidents:
        if one.review == "confirmed":
            counted.append(one)
        elif one.review == "open" and (one.signal not in unseen or unseen[one.signal].at < one.at):
            unseen[one.signal] = one
    pairs = ((ladder.weights[one.signal], (now - one.at) / ladder.half_life) for one in [*counted, *unseen.values()])
    return faded(pairs, 1.0)


def measure(incidents: Iterable[Incident], now: datetime, ladder: Ladder) -> Measure:
    """Return the measure that the incidents call for."""
    incidents = list(incidents)
    if any(one.is_grave and one.review != "dismissed" and now - one.at < DAY for one in incidents):
        return "suspend"
    reached = score(incidents, now, ladder)
    return max((rung for rung in ladder.rungs if reached >= ladder.rungs[rung]), key=MEASURES.index, default="none")
