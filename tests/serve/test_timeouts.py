"""How long a call may wait and take, and what becomes of one that finds no room or whose client leaves the queue."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.databases import database, store
from tests.serve.gateway import Gateway, endless, gateway, long_model, request, reset
from tests.serve.scripted import ScriptedCatalogue, ScriptedEngine, ask
from tutelage.generate.process import EngineOptions
from tutelage.serve.admission.timeouts import HEADER, Timeouts
from tutelage.serve.app import ServeOptions, create_app
from tutelage.store import Store

__all__ = ["database", "store"]

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
BODY = {"prompt": "a", "max_tokens": 9}


def test_a_call_ends_when_its_time_is_over_and_a_header_only_shortens_it(store: Store) -> None:
    async def run() -> None:
        for own, header in [(60.0, "0.05"), (0.05, "60"), (0.05, "")]:
            engine = ScriptedEngine(pause_after=1)
            options = ServeOptions(timeouts=Timeouts(call=own))
            app = create_app(ScriptedCatalogue(store, engine=engine), options)
            async with app.router.lifespan_context(app):
                headers = {HEADER: header} if header else {}
                plain = await ask(app, "/v1/completions", BODY, headers=headers)
                assert (plain.status, plain.json["error"]["code"]) == (504, "deadline_exceeded")
                assert plain.headers["x-should-retry"] == "false"
                streamed = await ask(app, "/v1/completions", {**BODY, "stream": True}, headers=headers)
                assert streamed.status == 200 and streamed.events[0]["choices"][0]["text"] == "one "
                assert streamed.events[-1]["error"]["code"] == "deadline_exceeded"
                assert engine.in_flight == 0 and engine.cancelled == 2
                # Nor may it wait or take longer in the engine.
                assert all(one.patience and one.patience <= 0.05 for one in engine.asked)
                assert all(one.deadline and one.deadline <= 1.05 for one in engine.asked)

    asyncio.run(run())


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon", "1 2", ""])
def test_a_time_that_is_none_is_refused(store: Store, value: str) -> None:
    async def run() -> None:
        engine = ScriptedEngine()
        app = create_app(ScriptedCatalogue(store, engine=engine), ServeOptions())
        async with app.router.lifespan_context(app):
            answer = await ask(app, "/v1/completions", BODY, headers={HEADER: value})
        assert (answer.status, answer.json["error"]["code"], engine.asked) == (400, "timeout", [])

    asyncio.run(run())


async def waits(gateway: Gateway, **expected: int) -> None:
    """Wait until the engine says so of its queue."""
    async with asyncio.timeout(60):
        while not expected.items() <= (await gateway.engine.stats()).items():
            await asyncio.sleep(0.02)


def test_without_room_a_call_is_503_with_a_time_to_come_back(store: Store, database: str, tmp_path: Path) -> None:
    """One call runs, one waits; a third finds no room, and a client that leaves takes none."""
    engine = EngineOptions(threads=1, max_batch=1, max_waiting=1)
    options = ServeOptions(timeouts=Timeouts(queue=60.0))

    async def run() -> None:
        async with gateway(store, database, long_model(tmp_path / "long"), engine, options) as here:
            address = f"http://127.0.0.1:{here.port}/v1"
            baseline = await here.held()
            _, holding = await asyncio.open_connection("127.0.0.1", here.port)
            holding.write(request("/v1/completions", endless(stream=True)))
            await waits(here, admitted=1, queued=0)
            for is_stream in (True, False):
                _, waiting = await asyncio.open_connection("127.0.0.1", here.port)
                waiting.write(request("/v1/completions", {**BODY, "stream": is_stream}))
                await waits(here, admitted=1, queued=1)
                async with openai.AsyncOpenAI(base_url=address, api_key="none", max_retries=0) as client:
                    with pytest.raises(openai.InternalServerError) as refused:
                        await client.completions.create(model="default", prompt="a", max_tokens=3)
                assert (refused.value.status_code, refused.value.code) == (503, "overloaded")
                assert 1 <= int(refused.value.response.headers["retry-after"]) <= 30
                reset(waiting)
                await waits(here, admitted=1, queued=0)
            reset(holding)
            await here.until(baseline)
            async with httpx2.AsyncClient(timeout=60) as client:
                assert (await client.post(f"{address}/completions", json=BODY)).status_code == 200

    asyncio.run(run())


def test_who_waits_longer_than_the_queue_allows_is_told_to_come_back(
    store: Store, database: str, tmp_path: Path
) -> None:
    engine = EngineOptions(threads=1, max_batch=1)
    options = ServeOptions(timeouts=Timeouts(queue=0.2))

    async def run() -> dict[str, Any]:
        async with gateway(store, database, long_model(tmp_path / "long"), engine, options) as here:
            _, holding = await asyncio.open_connection("127.0.0.1", here.port)
            holding.write(request("/v1/completions", endless(stream=True)))
            await waits(here, admitted=1)
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            writer.write(request("/v1/completions", BODY, {"Connection": "close"}))
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
            assert head.startswith(b"HTTP/1.1 503") and b"retry-after:" in head.lower()
            reset(holding)
            told: dict[str, Any] = json.loads(body)
            return told

    told = asyncio.run(run())
    assert told["error"]["code"] == "overloaded" and "waited too long" in told["error"]["message"]
