"""Row 13: at four times what it can do, the server answers whom it let in, tells the others when to come back, and
nobody is starved by somebody else's flood.

Speed is not asserted: what is admitted has an end that the server's own settings give, however slow the machine.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from tests.databases import database, store
from tests.firms import UNLIMITED, Firm
from tests.serve.crew import Crew, crew
from tests.serve.gateway import endless, long_model
from tests.serve.server import register
from tutelage.store import Store
from tutelage.store.application_forms import Conditions, Limits
from tutelage.web.site import utc_now

__all__ = ["database", "store"]

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
#: What is written at once, what may wait, and for how many seconds; a call's time in all.
BATCH, WAITING, PATIENCE, WHOLE = 8, 16, 10, 40
BODY = endless(max_tokens=100)
#: Requests a minute of the customer whose quota is small.
SMALL = 30


@dataclass
class Seen:
    """What the callers of one key saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def worst(self) -> float:
        """Return the 99th percentile of the answered calls' times."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)] if self.seconds else 0.0


class Load:
    """Customers who ask a server."""

    def __init__(self, made: Crew, keys: dict[str, str]) -> None:
        self.made, self.keys = made, keys
        self.seen: dict[str, Seen] = defaultdict(Seen)
        self.memory: list[int] = []
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
        self.client = httpx2.AsyncClient(base_url=made.address, timeout=WHOLE + 30, limits=limits)

    async def call(self, who: str) -> int:
        """Ask once and note what came."""
        seen, began = self.seen[who], time.monotonic()
        headers = {"Authorization": f"Bearer {self.keys[who]}"}
        answer = await self.client.post("/v1/completions", json=BODY, headers=headers)
        seen.statuses[answer.status_code] += 1
        if answer.status_code == 200:
            seen.seconds.append(time.monotonic() - began)
        else:
            told: dict[str, Any] = answer.json()["error"]
            seen.codes[told["code"]] += 1
            if not 1 <= int(answer.headers.get("retry-after", 0)) <= 61:
                seen.wrong.append(answer.text)
        return answer.status_code

    async def capacity(self, seconds: float) -> float:
        """Return how many calls a second are answered to as many callers as are written for at once."""
        end, count = time.monotonic() + seconds, 0

        async def caller() -> None:
            nonlocal count
            while time.monotonic() < end:
                is_answered = await self.call("measure") == 200
                count += is_answered

        await asyncio.gather(*(caller() for _ in range(BATCH)))
        return count / seconds

    async def offer(self, rate: float, seconds: float, who: str) -> None:
        """Send so many calls a second, whether or not earlier ones were answered."""
        calls, began, sent = [], time.monotonic(), 0
        while (now := time.monotonic() - began) < seconds:
            while sent < now * rate:
                calls.append(asyncio.create_task(self.call(who)))
                sent += 1
            await asyncio.sleep(0.02)
        await asyncio.gather(*calls)

    async def patient(self, seconds: float, who: str) -> None:
        """Ask one call after the other."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self.call(who)
            await asyncio.sleep(0.2)

    async def weigh(self, seconds: float) -> None:
        """Note how much memory the gateways have, now and then."""
        while True:
            self.memory.append(sum(psutil.Process(pid).memory_info().rss for pid in self.made.workers))
            await asyncio.sleep(seconds / 12)


async def overload(made: Crew, keys: dict[str, str], seconds: float) -> Load:
    load = Load(made, keys)
    rate = 4 * await load.capacity(max(3.0, seconds / 10))
    weighing = asyncio.create_task(load.weigh(seconds))
    await asyncio.gather(
        load.offer(rate, seconds, "flood"), load.patient(seconds, "calm"), load.offer(2.0, seconds, "small")
    )
    weighing.cancel()
    print(f"\noffered {rate:.0f} calls a second for {seconds:.0f} s; a quarter of that is the capacity")
    for who, seen in load.seen.items():
        print(who, dict(seen.statuses), dict(seen.codes), f"p99 of the answered {seen.worst:.1f} s")
    print("memory of the gateways in MiB:", [one >> 20 for one in load.memory])
    await load.client.aclose()
    return load


def check(load: Load) -> None:
    flood, calm, small = load.seen["flood"], load.seen["calm"], load.seen["small"]
    for seen in load.seen.values():
        assert set(seen.statuses) <= {200, 429, 503} and not seen.wrong, (seen.statuses, seen.wrong[:3])
        assert seen.worst <= WHOLE  # who is let in has an answer in its time
    assert flood.statuses[503] > flood.statuses[200] > 0 and set(flood.codes) == {"overloaded"}
    # Whoever asks one call after the other is never told to come back, whatever the others do.
    assert set(calm.statuses) == {200}
    # 429 is the customer's own quota, and comes before our load.
    assert small.statuses[200] <= 2 * SMALL and (small.statuses[429] > 0 or small.statuses.total() <= SMALL)
    third = len(load.memory) // 3
    assert load.memory[-1] <= max(load.memory[: third + 1]) * 1.15 + (16 << 20)


def run(store: Store, url: str, folder: Path, seconds: float) -> None:
    register(url, "long", long_model(folder / "long"), "default")
    keys: dict[str, str] = {}
    for who in ("measure", "flood", "calm", "small"):
        firm = Firm.of(store, who)
        limits = (
            UNLIMITED
            if who != "small"
            else Limits(requests_per_minute=SMALL, tokens_per_minute=10**9, tokens_per_day=10**9)
        )
        firm.review(Conditions(limits=limits))
        keys[who] = firm.key(now=utc_now()).text
    options = (
        *("--workers", "2", "--max-batch", str(BATCH), "--max-waiting", str(WAITING)),
        *("--queue-timeout", str(PATIENCE), "--timeout", str(WHOLE), "--no-pages", "--log-level", "warning"),
    )
    with crew(url, *options) as made:
        check(asyncio.run(overload(made, keys, seconds)))


def test_a_few_seconds_of_four_times_the_capacity(store: Store, database: str, tmp_path: Path) -> None:
    run(store, database, tmp_path, 6.0)


@pytest.mark.soak
def test_a_minute_of_four_times_the_capacity(store: Store, database: str, tmp_path: Path) -> None:
    run(store, database, tmp_path, 60.0)
