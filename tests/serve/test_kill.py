"""kill -9 of gateways and engines under load: no row of the log and no quota is lost or doubled after a restart."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import func, select

from tests.databases import database, store
from tests.firms import UNLIMITED, Firm
from tests.generate.tiny import make_directory
from tests.serve.crew import Crew, crew
from tests.serve.server import register
from tutelage.store import Store, quotas
from tutelage.store.application_forms import Conditions
from tutelage.store.application_tables import quotas as quota_table
from tutelage.store.application_tables import reservations
from tutelage.store.keys import PEPPER_VARIABLE
from tutelage.store.request_tables import requests
from tutelage.web.site import utc_now

__all__ = ["database", "store"]

CALLERS, WORKERS = 12, 2


class Callers:
    """Programs that ask again and again, plain and streamed, and note every answer that they saw the end of."""

    def __init__(self, key: str, draw: random.Random) -> None:
        self.headers, self.draw = {"Authorization": f"Bearer {key}"}, draw
        self.answered: dict[str, int] = {}
        self.refused: list[int] = []
        self.is_over = False

    async def run(self, made: Crew) -> None:
        """Ask until it is over."""
        self.is_over = False
        async with httpx2.AsyncClient(base_url=made.address, headers=self.headers, timeout=60) as client:
            await asyncio.gather(*(self._ask(client) for _ in range(CALLERS)))

    async def _ask(self, client: httpx2.AsyncClient) -> None:
        while not self.is_over:
            body = {"prompt": "the goat", "max_tokens": self.draw.choice([3, 30]), "n": self.draw.choice([1, 3])}
            is_stream = self.draw.random() < 0.5
            try:
                if is_stream:
                    await self._stream(client, {**body, "stream": True, "stream_options": {"include_usage": True}})
                else:
                    answer = await client.post("/v1/completions", json=body)
                    self._note(answer.status_code, answer.json())
            except httpx2.TransportError:
                await asyncio.sleep(0.05)

    async def _stream(self, client: httpx2.AsyncClient, body: dict[str, object]) -> None:
        async with client.stream("POST", "/v1/completions", json=body) as answer:
            text = (await answer.aread()).decode()
        if answer.status_code != 200 or '"error"' in text:
            self.refused.append(answer.status_code)
            return
        if text.endswith("data: [DONE]\n\n"):
            last = text.split("\n\n")[-3].removeprefix("data: ")
            self._note(200, httpx2.Response(200, text=last).json())

    def _note(self, status: int, told: dict[str, object]) -> None:
        if status == 200:
            usage = told["usage"]
            assert isinstance(usage, dict)
            self.answered[str(told["id"])] = usage["total_tokens"]
        else:
            self.refused.append(status)

    async def until(self, more: int) -> None:
        """Wait for so many more answers."""
        wanted = len(self.answered) + more
        async with asyncio.timeout(120):
            while len(self.answered) < wanted:
                await asyncio.sleep(0.02)


async def harm(callers: Callers, made: Crew, kills: int) -> None:
    """Kill workers and engines while callers ask, and at last everything."""
    asking = asyncio.create_task(callers.run(made))
    try:
        for number in range(kills):
            await callers.until(20)
            await asyncio.sleep(callers.draw.uniform(0, 0.3))
            pids = await asyncio.to_thread(lambda engines: made.engines if engines else made.workers, number % 2)
            if pids:
                os.kill(callers.draw.choice(pids), signal.SIGKILL)
        await callers.until(20)
        await asyncio.sleep(callers.draw.uniform(0, 0.3))
        for pid in [made.process.pid, *await asyncio.to_thread(lambda: made.workers)]:
            os.kill(pid, signal.SIGKILL)
    finally:
        callers.is_over = True
        await asking


def check(store: Store, firm: Firm, callers: Callers) -> None:
    """Hold the log and the quota against what the callers saw."""
    with store.read() as connection:
        rows = {row.id: row for row in connection.execute(select(requests))}
        assert connection.scalar(select(func.count()).select_from(requests)) == len(rows)
        # Killed between its reservation and its note, a call holds something until its deadline.
        held = connection.scalar(select(func.sum(reservations.c.tokens))) or 0
        used = connection.scalar(select(quota_table.c.day_tokens).where(quota_table.c.application == firm.id))
    tokens = {id: row.prompt_tokens + row.completion_tokens for id, row in rows.items()}
    assert {id: tokens.get(id) for id in callers.answered} == callers.answered
    assert all(rows[id].action == "served" for id in callers.answered)
    assert used == sum(tokens.values()) + held
    assert {row.action for row in rows.values()} <= {"served", "cancelled", "failed", "refused"}


def kill(store: Store, url: str, folder: Path, kills: int) -> None:
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    register(url, "tiny", make_directory(folder / "tiny"), "default")
    firm = Firm.of(store)
    firm.review(Conditions(limits=UNLIMITED))
    callers = Callers(firm.key(now=utc_now()).text, random.Random(seed))
    with crew(url, "--workers", str(WORKERS)) as made:
        asyncio.run(harm(callers, made, kills))
    with crew(url, "--workers", str(WORKERS)) as again:  # what was left is brought in before anybody is answered
        check(store, firm, callers)
        before = len(callers.answered)

        async def go_on() -> None:
            asking = asyncio.create_task(callers.run(again))
            await callers.until(5)
            callers.is_over = True
            await asking

        asyncio.run(go_on())
        again.process.send_signal(signal.SIGTERM)
        assert again.process.wait(60) == 0
    assert len(callers.answered) > before and set(callers.refused) <= {503, 200}
    check(store, firm, callers)
    quotas.return_overdue(store, now=utc_now())


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PEPPER_VARIABLE, "a secret of the tests with 32 characters")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


# The soak below is on both.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_killed_at_any_moment_no_row_and_no_quota_is_lost_or_doubled(
    store: Store, database: str, tmp_path: Path
) -> None:
    kill(store, database, tmp_path, 3)


@pytest.mark.soak
def test_killed_30_times(store: Store, database: str, tmp_path: Path) -> None:
    kill(store, database, tmp_path, 30)
