"""Row 10: what a call may cost is bounded and held before it runs, and no extreme parameter ends the engine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from tests.firms import Firm
from tests.generate.tiny import make, make_directory
from tests.serve.gateway import gateway
from tests.serve.scripted import Exchange, ScriptedEngine, ask, running
from tutelage.generate.process import EngineOptions
from tutelage.store import Store
from tutelage.store.application_forms import Conditions, Limits
from tutelage.store.application_tables import reservations
from tutelage.web.site import utc_now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
#: Two prompts of 4 tokens, three choices of 7 tokens each: 2 * (4 + 3 * 7).
CALL = {"prompt": [[1, 2, 3, 4], [5, 6, 7, 8]], "n": 3, "max_tokens": 7}
COST = 50


def held(store: Store) -> list[int]:
    with store.read() as connection:
        return list(connection.scalars(select(reservations.c.tokens)))


@pytest.mark.parametrize(
    ("more", "cost"),
    [({}, COST), ({"best_of": 5}, 2 * (4 + 5 * 7)), ({"n": 1, "max_tokens": 10**9}, 2 * 64), ({"stream": True}, COST)],
)
def test_all_that_a_call_can_cost_is_held_before_it_runs(store: Store, more: dict[str, Any], cost: int) -> None:
    """The engine's context is 64 tokens. A minute has room for this call and not for another one."""
    firm = Firm.of(store)
    limits = Limits(requests_per_minute=100, tokens_per_minute=2 * cost - 1, tokens_per_day=10**6)
    firm.review(Conditions(limits=limits))
    headers = {"Authorization": f"Bearer {firm.key(now=utc_now()).text}"}

    async def run() -> tuple[Exchange, Exchange]:
        engine = ScriptedEngine(pause_after=0)
        async with running(store, engine=engine) as app:
            first = asyncio.create_task(ask(app, "/v1/completions", {**CALL, **more}, headers=headers))
            while len(engine.asked) < 2:
                await asyncio.sleep(0.01)
            assert held(store) == [cost]
            second = await ask(app, "/v1/completions", {**CALL, **more}, headers=headers)
            large = await ask(app, "/v1/completions", {**CALL, "n": 16, "max_tokens": 64}, headers=headers)
            assert (large.status, large.json["error"]["code"]) == (400, "request_too_large")
            assert len(engine.asked) == 2
            engine.go_on.set()
            return await first, second

    first, second = asyncio.run(run())
    assert first.status == 200
    assert (second.status, second.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(second.headers["retry-after"]) <= 61
    assert held(store) == []


VOCABULARY = len(make()[1])
LEAST = 5e-324
#: Everything at an end of what it may be.
EXTREMES: list[dict[str, Any]] = [
    *({"temperature": value} for value in (0, LEAST, 1e-308, 1e-9, 2)),
    *({"top_p": value} for value in (LEAST, 1e-300, 1e-9, 1)),
    {"temperature": LEAST, "top_p": LEAST},
    *({"presence_penalty": value, "frequency_penalty": value} for value in (-2, 2)),
    *({"logit_bias": {str(token): value for token in range(VOCABULARY)}} for value in (-100, 100)),
    {"logit_bias": {str(token): (-100) ** (token % 2) for token in range(VOCABULARY)}, "temperature": 0},
    {"logit_bias": {"999999999": 1}},
    {"n": 16},
    {"n": 16, "prompt": ["the"] * 8},
    {"best_of": 20},
    {"prompt": ["the"] * 128, "max_tokens": 1},
    {"max_tokens": 10**18},
    {"max_tokens": 0, "echo": True, "logprobs": 5},
    {"echo": True, "logprobs": 5, "n": 4, "stream": True},
    {"seed": -(2**63)},
    {"seed": 2**63 - 1},
    {"stop": ["x" * 256, " ", "\n", "é"]},
    {"stop": ["\U0001f642"], "stream": True},
    {"prompt": ""},
    {"prompt": "\0" * 50},
    {"prompt": "\U0010ffff" * 20},
    {"prompt": "the " * 40_000},
    {"prompt": [0] * 95},
    {"prompt": [0] * 100_000},
    {"prompt": [VOCABULARY]},
    {"prompt": [2**31 - 1]},
    {"prompt": [[0], [VOCABULARY + 1]]},
    {"user": "x" * 100_000},
]
#: Beyond that.
REFUSED: list[dict[str, Any]] = [
    {"temperature": 2.0001}, {"temperature": -LEAST}, {"top_p": 0}, {"top_p": 1.0001}, {"presence_penalty": 2.1},
    {"n": 0}, {"n": 17}, {"best_of": 21}, {"n": 2, "best_of": 1}, {"n": 2, "prompt": ["a"] * 65},
    {"best_of": 2, "stream": True}, {"max_tokens": -1}, {"logprobs": 6}, {"stop": ["x" * 257]}, {"stop": ["a"] * 5},
    {"logit_bias": {"1": 101}}, {"logit_bias": {"-1": 1}}, {"seed": 2**63}, {"prompt": []}, {"prompt": [[]]},
    {"prompt": [-1]}, {"suffix": "x"},
]  # fmt: skip


def test_extreme_parameters_are_answered_or_refused_and_the_engine_stays(
    store: Store, database: str, tmp_path: Path
) -> None:
    plain = {"prompt": "the goat", "max_tokens": 8, "seed": 5, "logprobs": 1}

    async def run() -> None:
        model = make_directory(tmp_path / "tiny")
        async with gateway(store, database, model, EngineOptions(threads=1)) as here:
            address = f"http://127.0.0.1:{here.port}/v1/completions"
            async with httpx2.AsyncClient(timeout=120) as client:

                async def status(body: dict[str, Any]) -> int:
                    return (await client.post(address, json={"prompt": "the", "max_tokens": 6, **body})).status_code

                pid, before = here.engine.pid, (await client.post(address, json=plain)).json()
                baseline = await here.held()
                found = await asyncio.gather(*map(status, EXTREMES))
                assert set(found) <= {200, 400}, [body for body, one in zip(EXTREMES, found, strict=True) if one > 400]
                assert found.count(200) > len(EXTREMES) / 2
                assert set(await asyncio.gather(*map(status, REFUSED))) == {400}
                after = (await client.post(address, json=plain)).json()
                assert after["choices"] == before["choices"] and here.engine.pid == pid
            await here.until({**baseline, "connections": 0, "tasks": baseline["tasks"]})

    asyncio.run(run())
