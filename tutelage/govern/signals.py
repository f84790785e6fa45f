"""What traffic can show of misuse: nine signals, each a pure function of an application's events.

A signal is a reason to look, not a verdict: only the ladder (`govern.ladder`) acts, and people decide what lasts.
Windows end at `now`. Near-duplicates are told by fingerprints (`core.simhash`): no text is kept for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, get_args

from tutelage.core.monitoring import drift, spike
from tutelage.core.simhash import BITS, distance
from tutelage.core.statistics import wilson
from tutelage.safety.categories import CATEGORIES

Signal = Literal["hit_rate", "critical", "spike", "probing", "drift", "spam", "leaked_key", "extraction", "quota_games"]
SIGNALS: tuple[Signal, ...] = get_args(Signal)
#: Events of a day that are looked at one by one, the newest.
MOST = 5000
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
#: Categories in which one sure hit is looked at by a person at once.
CRITICAL = frozenset(category.name for category in CATEGORIES if category.is_critical)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A request as the monitor sees it: who, when, how much, and how the filter found it; never its text.

    `severities` holds the filter's 1 (sensitive) and 2 (unsafe) by category; `prompt` and `answer` are fingerprints, ""
    where there is none; `network` and `end_user` are hashes.
    """

    id: str
    at: datetime
    application: str
    organisation: str = ""
    key: str = ""
    end_user: str = ""
    network: str = ""
    use_case: str = ""
    severities: Mapping[str, int] = field(default_factory=dict)
    blocked: bool = False
    prompt: str = ""
    answer: str = ""
    completion_tokens: int = 0
    logprobs: bool = False
    echo: bool = False
    n: int = 1
    temperature: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What an application said of itself: its id and the shares of the use cases that its traffic should have."""

    application: str
    use_cases: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The monitor's thresholds."""

    ceiling: float = 0.05
    """Share of requests in one category that may be sensitive or unsafe."""
    fewest: int = 20
    """Requests a day below which no rate is told."""
    z: float = 4.0
    """Deviations above its own week from which an hour is a spike."""
    probes: int = 5
    """Blocked rewordings of one request by one end user in half an hour."""
    rewording: int = 22
    """Bits in which a rewording may differ from the request; texts that have nothing in common differ in 32 +- 4."""
    nats: float = 1.0
    """Divergence from the declared use cases, over a week of at least `drift_fewest` requests."""
    drift_fewest: int = 100
    same_answers: float = 0.5
    """Share of a day's longer answers (at least `long_answer` tokens, at least `spam_fewest`) that are nearly another's
    while their prompts differ."""
    long_answer: int = 40
    spam_fewest: int = 50
    likeness: int = 6
    """Bits in which nearly equal answers differ at most."""
    networks: int = 3
    """Networks that a key was never used from, all in one hour."""
    scored: int = 500
    """Requests a day that ask for log-probabilities of their prompt."""
    sweep: int = 20
    """Settings of temperature and n with which one prompt is asked in a day."""
    organisations: int = 4
    """Organisations in the sandbox that ask from one network in a week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a signal saw: why, in a sentence without anybody's text, and which requests show it."""

    signal: Signal
    application: str
    reason: str
    requests: tuple[str, ...] = ()
    is_grave: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """An application's last week up to `now`.

    `day` holds the last day's events in order of time, the newest `MOST` of them. `hours` counts requests by the hour,
    the last one last, from the week's first request on. `use_cases` counts the week's. `networks` has, for each key
    that was used for at least a day, the networks that it was used from in the week but the last hour.
    """

    declared: Declared
    now: datetime
    day: Sequence[Event]
    hours: Sequence[int]
    use_cases: Mapping[str, int] = field(default_factory=dict)
    networks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    rules: Rules = Rules()

    def found(self, signal: Signal, reason: str, events: Iterable[Event], *, is_grave: bool = False) -> Finding:
        """Make a finding, with at most fifty of the events that show it."""
        shown = tuple(event.id for event in events)[-50:]
        return Finding(
            signal=signal, application=self.declared.application, reason=reason, requests=shown, is_grave=is_grave
        )

    def last_hour(self) -> list[Event]:
        """Return the events of the last hour."""
        return [event for event in self.day if event.at > self.now - HOUR]


def hit_rate(window: Window) -> list[Finding]:
    """S1: in some category the lower 95 % bound of a day's rate of hits lies above the ceiling."""
    day = window.day
    if len(day) < window.rules.fewest:
        return []
    found = []
    for category in sorted({name for event in day for name, severity in event.severities.items() if severity}):
        hits = [event for event in day if event.severities.get(category)]
        low = wilson(len(hits), len(day)).low
        if low > window.rules.ceiling:
            reason = f"{len(hits)} of {len(day)} requests of a day are {category} (at least {100 * low:.1f} %)."
            found.append(window.found("hit_rate", reason, hits))
    return found


def critical(window: Window) -> list[Finding]:
    """S2: an unsafe request of a critical category; three in a day are grave."""
    hits = [event for event in window.day if any(event.severities.get(name, 0) == 2 for name in CRITICAL)]
    if not hits:
        return []
    names = sorted({name for event in hits for name in CRITICAL if event.severities.get(name, 0) == 2})
    reason = f"{len(hits)} unsafe {'request' if len(hits) == 1 else 'requests'} in a day: {', '.join(names)}."
    return [window.found("critical", reason, hits, is_grave=len(hits) >= 3)]


def spikes(window: Window) -> list[Finding]:
    """S3: the last hour lies far above the application's own week."""
    *before, now = window.hours or [0]
    if now < window.rules.fewest or len(before) < DAY / HOUR:
        return []
    z = spike(before, now)
    if z <= window.rules.z:
        return []
    reason = f"{now} requests in an hour, {z:.1f} deviations above the application's own week."
    return [window.found("spike", reason, window.last_hour())]


def probing(window: Window) -> list[Finding]:
    """S4: one end user words a blocked request anew again and again within half an hour."""
    span, found = timedelta(minutes=30), []
    by_user: dict[str, list[Event]] = defaultdict(list)
    for event in window.day:
        if event.blocked and event.end_user and event.prompt:
            by_user[event.end_user].append(event)
    for events in by_user.values():
        for last in reversed(events):
            near = [
                one
                for one in events
                if last.at - span < one.at <= last.at and distance(one.prompt, last.prompt) <= window.rules.rewording
            ]
            # The same request sent again is a program that tries again, not a person who tries another way.
            if len({one.prompt for one in near}) >= window.rules.probes:
                reason = f"One end user worded a blocked request in {len(near)} ways within half an hour."
                found.append(window.found("probing", reason, near))
                break
    return found


def drifts(window: Window) -> list[Finding]:
    """S5: the week's use cases are not those that the application declared."""
    seen = window.use_cases
    if not window.declared.use_cases or sum(seen.values()) < window.rules.drift_fewest:
        return []
    nats = drift(window.declared.use_cases, seen)
    if nats <= window.rules.nats:
        return []
    most = max(seen, key=lambda name: (seen[name], name))
    reason = f"The week's use differs from the declared one by {nats:.1f} nats; most is {most}."
    return [window.found("drift", reason, [event for event in window.day if event.use_case == most])]


def spam(window: Window) -> list[Finding]:
    """S6: most of a day's longer answers, to different prompts, are nearly the same text."""
    long = [event for event in window.day if event.answer and event.completion_tokens >= window.rules.long_answer]
    by_prompt = list({event.prompt: event for event in long}.values())
    if len(by_prompt) < window.rules.spam_fewest:
        return []
    alike = _alike(by_prompt, window.rules.likeness)
    if len(alike) <= window.rules.same_answers * len(by_prompt):
        return []
    reason = f"{len(alike)} of {len(by_prompt)} longer answers of a day are nearly the same text."
    return [window.found("spam", reason, alike)]


def leaked_key(window: Window) -> list[Finding]:
    """S7: a key that was used for a day or more is used, within an hour, from several networks new to it."""
    found = []
    strangers: dict[str, list[Event]] = defaultdict(list)
    for event in window.last_hour():
        if event.network and event.network not in window.networks.get(event.key, {event.network}):
            strangers[event.key].append(event)
    for key, events in strangers.items():
        networks = {event.network for event in events}
        # A key that was used from many networks, as by a fleet of servers, finds new ones more easily.
        if len(networks) >= max(window.rules.networks, len(window.networks[key])):
            reason = f"A key was used from {len(networks)} networks within an hour that it was never used from."
            found.append(window.found("leaked_key", reason, events))
    return found


def extraction(window: Window) -> list[Finding]:
    """S8: log-probabilities of prompts at volume, or one prompt under many settings."""
    day, found = window.day, []
    scored = [event for event in day if event.logprobs and event.echo]
    if len(scored) >= window.rules.scored:
        reason = f"{len(scored)} requests of a day asked for the log-probabilities of their prompt."
        found.append(window.found("extraction", reason, scored))
    settings: dict[str, set[tuple[float, int]]] = defaultdict(set)
    for event in day:
        if event.prompt:
            settings[event.prompt].add((event.temperature, event.n))
    for prompt, seen in settings.items():
        if len(seen) >= window.rules.sweep:
            reason = f"One prompt was asked under {len(seen)} settings of temperature and n in a day."
            found.append(window.found("extraction", reason, [event for event in day if event.prompt == prompt]))
    return found


#: The signals of one application.
PER_APPLICATION: tuple[Callable[[Window], list[Finding]], ...] = (
    hit_rate,
    critical,
    spikes,
    probing,
    drifts,
    spam,
    leaked_key,
    extraction,
)


def find(window: Window) -> list[Finding]:
    """Return what an application's last week shows."""
    return [finding for signal in PER_APPLICATION for finding in signal(window)]


def quota_games(events: Iterable[Event], rules: Rules) -> list[Finding]:
    """S9: many organisations in the sandbox ask from one network; `events` are a week's of all sandboxes."""
    by_network: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.network:
            by_network[event.network].append(event)
    found = []
    for mine in by_network.values():
        organisations = {event.organisation for event in mine}
        if len(organisations) < rules.organisations:
            continue
        reason = f"{len(organisations)} organisations in the sandbox ask from one network."
        for application in sorted({event.application for event in mine}):
            ids = tuple(event.id for event in mine if event.application == application)[-50:]
            found.append(Finding(signal="quota_games", application=application, reason=reason, requests=ids))
    return found


def _alike(events: Sequence[Event], most: int) -> list[Event]:
    """Return the events whose answer lies within `most` bits of another's.

    Two such fingerprints agree in one of `most` + 1 blocks of bits, so only those that share a block are compared.
    """
    width = -(-BITS // (most + 1))
    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, event in enumerate(events):
        for start in range(0, BITS, width):
            buckets[start, int(event.answer, 16) >> start & ((1 << width) - 1)].append(number)
    alike: set[int] = set()
    for numbers in buckets.values():
        for place, one in enumerate(numbers):
            for other in numbers[:place]:
                if not {one, other} <= alike and distance(events[one].answer, events[other].answer) <= most:
                    alike |= {one, other}
    return [events[number] for number in sorted(alike)]
