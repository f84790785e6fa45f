"""What customers agree to, and how they take it back: out of every later build, with the models that learned before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tutelage.govern.retention import STANDING
from tutelage.store import Store, end_users, jobs, notices, registry, traffic, users
from tutelage.store.notices import Notice
from tutelage.store.registry import Version

#: The notice that customers read until an operator publishes another one.
FIRST = "data-use-1"
FIRST_TEXT = """\
You decide what your application's traffic is used for.

If you agree, the prompts that are sent with your keys, the answers, and the feedback that you send on them are used to
train and to evaluate models. Personal data that a program recognises is taken out first. Names of people are not
recognised, so do not send what must not be seen: people who label may read single prompts. What was said is deleted
from the request log after a month; a prompt that was taken in as training data stays until you withdraw.

If you do not agree, nothing that you send trains anything. A request can say the same for itself, with the header
X-Tutelage-Data-Use: none.

Whatever you decide: who asked when, how much, and how it ended is kept for about a year, to count quotas and to see
misuse. What was said is kept for three months where the content filter found something, and for one request in a
hundred of a live application by chance, for people who review; it trains nothing.

You can withdraw at any time. Then all that your application sent leaves every later training and evaluation, and you
are told which models learned from it before: a model that is trained cannot forget.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """What a withdrawal means: `prompts` by hash are in no later build; `models` learned before, from how many each."""

    hashes: frozenset[str]
    models: Mapping[Version, int]


def notice(store: Store, *, now: datetime) -> Notice:
    """Return the notice that customers agree to now; the first one is published when nobody has published any."""
    return notices.newest(store) or notices.publish(store, FIRST, FIRST_TEXT, by="", now=now)


def withdraw_application(store: Store, application: str, *, by: str, now: datetime) -> Withdrawn:
    """Take all that an application sent out of use, and agree to nothing from now on. `by` is as in `notices`."""
    notices.withdraw(store, application, by=by, now=now)
    # What is kept of its words goes with the next deletion, which is now.
    jobs.hasten(store, STANDING, now=now)
    return effect(store, application)


def withdraw_end_user(store: Store, organisation: str, user: str, *, by: str, now: datetime) -> Withdrawn:
    """Take all that somebody sent through an organisation's applications out of use, for ever."""
    name = end_users.hash_of(store, organisation, user)
    hashes = users.prompt_hashes(store, name)
    users.withdraw(store, [name], by=by, now=now)
    jobs.hasten(store, STANDING, now=now)
    return _told(store, hashes)


def effect(store: Store, application: str) -> Withdrawn:
    """Say what the withdrawal of an application means, or would mean."""
    return _told(store, traffic.hashes(store, application=application))


def _told(store: Store, hashes: set[str]) -> Withdrawn:
    saw = registry.trained_on(store, hashes)
    return Withdrawn(hashes=frozenset(hashes), models={version: len(seen) for version, seen in saw.items()})
