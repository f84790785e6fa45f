"""/v1/moderations under load: one call at a time, each application in turn, within the quota, and nothing left over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from tests.databases import database, store
from tests.firms import UNLIMITED, Firm
from tests.safety.filters import policy
from tests.serve.scripted import Exchange, ask, running
from tutelage.safety.content import ContentFilter
from tutelage.serve.api.moderations import BOUNDS, TOGETHER
from tutelage.serve.screen import FilterOptions, Screen
from tutelage.store import Store
from tutelage.store.application_forms import Conditions, Limits
from tutelage.web.site import utc_now

__all__ = ["database", "store"]
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
SCOPES = ("complete", "moderate")


@dataclass
class Slow:
    """A classifier that reads when it is told to, and notes how much is before it."""

    may_read: asyncio.Event = field(default_factory=asyncio.Event)
    sizes: list[int] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    reading: int = 0
    most: int = 0

    async def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        self.sizes.append(len(texts))
        self.first.append(texts[0])
        self.reading += 1
        self.most = max(self.most, self.reading)
        try:
            await self.may_read.wait()
            await asyncio.sleep(0)
            return [{"hate": 0.0} for _ in texts]
        finally:
            self.reading -= 1

    async def until(self, calls: int) -> None:
        """Wait until it was asked so often."""
        async with asyncio.timeout(20):
            while len(self.sizes) < calls:
                await asyncio.sleep(0.01)


def screen(store: Store, folder: Path, classifier: Slow) -> Screen:
    made = Screen(store, FilterOptions(is_chosen=True), lambda path: None)  # type: ignore[arg-type, return-value]
    made._content = ContentFilter(policy(folder, secrets=0), classifier)
    return made


def live(store: Store, name: str, limits: Limits = UNLIMITED) -> tuple[Firm, dict[str, str]]:
    """Give a live application and the headers of a key of it."""
    firm = Firm.of(store, name)
    firm.review(Conditions(limits=limits))
    return firm, {"Authorization": f"Bearer {firm.key(now=utc_now(), scopes=SCOPES).text}"}


async def moderate(app: FastAPI, headers: dict[str, str], texts: Any, exchange: Exchange | None = None) -> Exchange:
    return await ask(app, "/v1/moderations", {"input": texts}, headers=headers, exchange=exchange)


async def refused(tasks: list[asyncio.Task[Exchange]], count: int) -> None:
    """Wait until so many have their answer, while nothing is read."""
    async with asyncio.timeout(60):
        while sum(task.done() for task in tasks) < count:
            await asyncio.sleep(0.01)


def test_a_flood_waits_behind_itself_and_is_refused_beyond_the_room_there_is(store: Store, tmp_path: Path) -> None:
    _, flooding = live(store, "Flood")
    _, quiet = live(store, "Quiet")
    classifier = Slow()

    async def run() -> tuple[list[Exchange], Exchange]:
        async with running(store, screen=screen(store, tmp_path, classifier)) as app:
            flood = [asyncio.create_task(moderate(app, flooding, f"flood {n}")) for n in range(BOUNDS.requests + 20)]
            await classifier.until(1)
            # One is read and as many as there is room for wait, so 19 of 20 more are refused; then one for the other.
            await refused(flood, 19)
            one = asyncio.create_task(moderate(app, quiet, ["quiet"] * (TOGETHER + 1)))
            await refused(flood, 20)
            classifier.may_read.set()
            return await asyncio.gather(*flood), await one

    flood, quietly = asyncio.run(run())
    assert quietly.status == 200 and len(quietly.json["results"]) == TOGETHER + 1
    assert {one.status for one in flood} == {200, 503}
    for over in (one for one in flood if one.status == 503):
        assert over.json["error"]["code"] == "overloaded" and int(over.headers["retry-after"]) >= 1
    assert sum(one.status == 200 for one in flood) == BOUNDS.requests
    assert classifier.most == 1 and max(classifier.sizes) == TOGETHER
    turns = [at for at, text in enumerate(classifier.first) if text == "quiet"]
    assert len(turns) == 2 and turns[1] <= 5, "the other application has every other turn"


def test_calls_count_among_the_requests_a_minute_and_cost_no_tokens(store: Store, tmp_path: Path) -> None:
    limits = Limits(requests_per_minute=2, tokens_per_minute=10, tokens_per_day=10)
    _, headers = live(store, "Few", limits)
    classifier = Slow()
    classifier.may_read.set()

    async def run() -> list[Exchange]:
        async with running(store, screen=screen(store, tmp_path, classifier)) as app:
            return [await moderate(app, headers, "a text of more than ten tokens, or of more than ten bytes")
                    for _ in range(3)]  # fmt: skip

    found = asyncio.run(run())
    assert [one.status for one in found] == [200, 200, 429]
    assert found[2].json["error"]["code"] == "rate_limit_exceeded" and int(found[2].headers["retry-after"]) >= 1


def test_who_leaves_gives_the_turn_back(store: Store, tmp_path: Path) -> None:
    _, headers = live(store, "Leaver")
    classifier = Slow()

    async def run() -> Exchange:
        async with running(store, screen=screen(store, tmp_path, classifier)) as app:
            gone = Exchange()
            leaving = asyncio.create_task(moderate(app, headers, "gone", gone))
            await classifier.until(1)
            staying = asyncio.create_task(moderate(app, headers, "stays"))
            gone.left.set()
            await leaving
            await classifier.until(2)
            classifier.may_read.set()
            return await staying

    assert asyncio.run(run()).status == 200
    assert classifier.first == ["gone", "stays"] and classifier.most == 1
