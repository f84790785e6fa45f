"""A replayed month: every planted abuser is seen soon, and no application that behaves is suspended by a program."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from tests.govern import month
from tests.govern.month import START, Application, window_of
from tutelage.govern.ladder import Incident, Ladder, is_news, measure
from tutelage.govern.signals import DAY, HOUR, WEEK, Event, Finding, Rules, find, quota_games

#: How long after its first misdeed each abuser may go unseen. Half-hourly signals wait for the next hourly look.
DELAYS = {
    "hit_rate": DAY,
    "critical": HOUR,
    "spike": 2 * HOUR,
    "probing": 2 * HOUR,
    "drift": 6 * DAY,
    "spam": DAY,
    "leaked_key": 2 * HOUR,
    "extraction": DAY,
    "quota_games": DAY,
}


@dataclass
class Replay:
    """What hourly looks at the traffic found, and which measures the ladder called for, with no reviewer at work."""

    noted: dict[str, list[Incident]] = field(default_factory=lambda: defaultdict(list))
    seen: dict[tuple[str, str], datetime] = field(default_factory=dict)
    suspended: dict[str, datetime] = field(default_factory=dict)
    began: dict[str, datetime] = field(default_factory=dict)

    def note(self, finding: Finding, now: datetime) -> None:
        mine = self.noted[finding.application]
        if is_news(mine, finding, now):
            mine.append(Incident(signal=finding.signal, at=now, is_grave=finding.is_grave))
            self.seen.setdefault((finding.application, finding.signal), now)
        if measure(mine, now, Ladder()) == "suspend":
            self.suspended.setdefault(finding.application, now)


def replay(applications: Sequence[Application], days: int, seed: int) -> Replay:
    rng, done, rules = random.Random(seed), Replay(), Rules()
    kept: dict[str, list[Event]] = {one.id: [] for one in applications}
    for day in range(days):
        events = sorted(_events(applications, day, rng, done), key=lambda event: event.at)
        for hour in range(24):
            now = START + timedelta(days=day, hours=hour + 1)
            new = [event for event in events if now - HOUR <= event.at < now]
            for event in new:
                kept[event.application].append(event)
            asking = {event.application for event in new}
            for one in applications:
                if one.id in asking:
                    kept[one.id] = [event for event in kept[one.id] if event.at > now - WEEK]
                    for finding in find(window_of(one.declared, kept[one.id], now, rules)):
                        done.note(finding, now)
        for finding in quota_games((event for one in applications for event in kept[one.id]), rules):
            done.note(finding, START + timedelta(days=day + 1))
    return done


def _events(applications: Sequence[Application], day: int, rng: random.Random, done: Replay) -> Iterator[Event]:
    end = START + timedelta(days=day + 1)
    for one in applications:
        for event in month.day_of(one, day, rng):
            # The hours of an application that worked past midnight are the next day's; here they are cut off.
            if event.at < end:
                yield event
            if day >= one.turns and _is_misdeed(one, event):
                done.began[one.id] = min(done.began.get(one.id, event.at), event.at)


def _is_misdeed(application: Application, event: Event) -> bool:
    return {
        "hit_rate": "harassment" in event.severities,
        "critical": "sexual/minors" in event.severities,
        "spike": (event.at - START) % DAY >= 3 * HOUR and (event.at - START) % DAY < 4 * HOUR,
        "probing": event.end_user == "prober",
        "drift": event.use_case == "extract",
        "spam": event.completion_tokens == 70,
        "leaked_key": event.network.startswith("stranger"),
        "extraction": event.echo,
        "quota_games": event.network == "one-flat",
    }[application.abuse]


def _check(done: Replay, abusers: Sequence[Application]) -> None:
    # Organisations behind one network are told when there are four of them.
    fourth = sorted(done.began[one.id] for one in abusers if one.abuse == "quota_games")[3]
    for one in abusers:
        began = max(done.began[one.id], fourth) if one.abuse == "quota_games" else done.began[one.id]
        late = done.seen[one.id, one.abuse] - began
        assert late <= DELAYS[one.abuse], f"{one.abuse} was seen after {late}"
    assert {name for name in done.suspended if name.startswith("app")} == set()
    assert done.suspended["abuser-critical-0"] - done.began["abuser-critical-0"] <= timedelta(days=1)


def test_twelve_days_with_planted_abusers() -> None:
    rng = random.Random(5)
    abusers = month.planted(rng, 5)
    _check(replay([*(month.benign(number, rng) for number in range(14)), *abusers], 12, 5), abusers)


@pytest.mark.soak
def test_a_month_with_five_hundred_that_behave() -> None:
    seed = random.SystemRandom().randrange(10**6)
    rng = random.Random(seed)
    abusers = month.planted(rng, 12)
    done = replay([*(month.benign(number, rng) for number in range(500)), *abusers], 30, seed)
    flagged = {name for name in done.noted if name.startswith("app")}
    print(f"seed {seed}: {len(flagged)} of 500 that behave were noted at all, {sorted(done.suspended)} suspended")
    for one in (one for one in abusers if one.abuse != "quota_games"):
        print(f"{one.abuse}: seen after {done.seen[one.id, one.abuse] - done.began[one.id]}")
    _check(done, abusers)
