"""Row 12: clients that leave at any moment leave nothing behind: no slot, no reservation, no handler, no task."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.firms import UNLIMITED, Firm
from tests.generate.tiny import make_directory
from tests.serve.gateway import gateway, request, reset
from tutelage.generate.process import EngineOptions
from tutelage.store import Store
from tutelage.store.application_forms import Conditions
from tutelage.web.site import utc_now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
AT_ONCE = 16
PLAIN: dict[str, Any] = {"prompt": "the goat", "max_tokens": 5, "temperature": 0}


def wish(draw: random.Random) -> tuple[str, dict[str, Any]]:
    """Ask for anything that takes some time."""
    body: dict[str, Any] = {"max_tokens": draw.choice([1, 20, 60]), "n": draw.choice([1, 1, 2, 16]),
                            "stream": draw.random() < 0.6, "temperature": 1}  # fmt: skip
    if draw.random() < 0.3:
        return "/v1/chat/completions", {**body, "messages": [{"role": "user", "content": "the"}]}
    if not body["stream"] and draw.random() < 0.3:
        body = {**body, "best_of": 16}
    return "/v1/completions", {**body, "prompt": draw.choice(["the", ["one", "two", "three"], [1, 2, 3]])}


async def leave(port: int, key: str, draw: random.Random) -> str:
    """Ask, and leave at some moment, politely or not; say at which."""
    path, body = wish(draw)
    sent = request(path, body, {"Authorization": f"Bearer {key}"})
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    moment = draw.choice(["inside the request", "at once", "soon", "soon", "with the first words", "in the middle"])
    if moment == "inside the request":
        sent = sent[: draw.randrange(1, len(sent))]
    writer.write(sent)
    await writer.drain()
    if moment == "soon":
        await asyncio.sleep(draw.uniform(0, 0.1))
    elif moment in ("with the first words", "in the middle"):
        await reader.read(1)
    if moment == "in the middle":
        await reader.read(draw.randrange(1, 4000))
    if draw.random() < 0.5:
        reset(writer)
    else:
        writer.close()
    return moment


async def disconnect(store: Store, url: str, folder: Path, count: int) -> None:
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    draw = random.Random(seed)
    firm = Firm.of(store)
    firm.review(Conditions(limits=UNLIMITED))
    key = firm.key(now=utc_now()).text
    # Fewer choices at once than are asked for, so that some clients leave the queue.
    engine = EngineOptions(threads=1, max_batch=24, max_waiting=64)
    async with gateway(store, url, make_directory(folder / "tiny"), engine) as here:
        address, headers = f"http://127.0.0.1:{here.port}/v1/completions", {"Authorization": f"Bearer {key}"}

        async def answer() -> Any:
            async with httpx2.AsyncClient(timeout=120, headers=headers) as client:
                return (await client.post(address, json=PLAIN)).json()["choices"]

        before = await answer()
        async with asyncio.timeout(60):
            while (baseline := await here.held())["connections"]:
                await asyncio.sleep(0.02)
        assert {name for name, number in baseline.items() if number} == {"tasks"}
        moments: Counter[str] = Counter()
        room = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with room:
                moments[await leave(here.port, key, draw)] += 1

        await asyncio.gather(*(one() for _ in range(count)))
        assert moments.total() == count and len(moments) == 5, moments
        await here.until(baseline)
        assert await answer() == before


def test_50_random_disconnects_leave_nothing_behind(store: Store, database: str, tmp_path: Path) -> None:
    asyncio.run(disconnect(store, database, tmp_path, 50))


@pytest.mark.soak
def test_1000_random_disconnects_leave_nothing_behind(store: Store, database: str, tmp_path: Path) -> None:
    asyncio.run(disconnect(store, database, tmp_path, 1000))
