"""The runner: many callers, one engine thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.generate.tiny import make
from tutelage.errors import UnavailableError
from tutelage.generate.engine import Engine, complete
from tutelage.generate.request import Event, Request, RequestError
from tutelage.generate.runner import Runner


@contextlib.asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[Runner]:
    runner = Runner(engine)
    try:
        yield runner
    finally:
        await runner.close()


async def collect(runner: Runner, request: Request) -> list[Event]:
    return [event async for event in runner.generate(request)]


def test_concurrent_callers_get_what_a_batch_gives() -> None:
    model, tokenizer = make()
    requests = [Request(prompt_ids=(5 + i, 6), max_tokens=9, seed=i, stop_ids=(), n=1 + i % 2) for i in range(6)]
    expected = complete(Engine(model, tokenizer), requests)

    async def run() -> list[list[int]]:
        async with running(Engine(model, tokenizer, max_batch=4)) as runner:
            answers = await asyncio.gather(*(collect(runner, request) for request in requests))
        return [
            [event.token for event in events if event.choice == choice]
            for request, events in zip(requests, answers, strict=True)
            for choice in range(request.n)
        ]

    assert asyncio.run(run()) == [result.ids for result in expected]


def test_refusals_reach_their_caller_only() -> None:
    async def run() -> None:
        async with running(Engine(*make())) as runner:
            good = asyncio.create_task(collect(runner, Request(prompt_ids=(5,), max_tokens=5, stop_ids=())))
            with pytest.raises(RequestError, match="context"):
                await collect(runner, Request(prompt_ids=(5,), max_tokens=5000))
            assert len(await good) == 5

    asyncio.run(run())


def test_leaving_early_frees_the_row() -> None:
    async def run() -> None:
        async with running(Engine(*make())) as runner:
            async with contextlib.aclosing(runner.generate(Request(prompt_ids=(5,), max_tokens=80))) as stream:
                async for _ in stream:
                    break
            while (stats := await runner.stats())["running"]:
                await asyncio.sleep(0.01)
            assert stats["tokens"] < 80

    asyncio.run(run())


def test_a_closed_runner_ends_what_runs_and_refuses_more() -> None:
    async def run() -> None:
        async with running(Engine(*make())) as runner:
            stream = runner.generate(Request(prompt_ids=(5,), max_tokens=90, stop_ids=()))
            await anext(stream)
            await runner.close()
            with pytest.raises(UnavailableError, match="closed"):
                async for _ in stream:
                    pass
            with pytest.raises(UnavailableError, match="closed"):
                await collect(runner, Request(prompt_ids=(5,), max_tokens=1))

    asyncio.run(run())


def test_a_step_that_raises_fails_its_requests_and_the_next_succeed() -> None:
    model, tokenizer = make()
    engine = Engine(model, tokenizer)
    head = model.lm_head.weight.data

    async def run() -> None:
        async with running(engine) as runner:
            model.lm_head.weight.data = head[:, :-1]  # the matrix product now has no sense
            with pytest.raises(UnavailableError, match="RuntimeError"):
                await collect(runner, Request(prompt_ids=(5,), max_tokens=5))
            model.lm_head.weight.data = head
            assert len(await collect(runner, Request(prompt_ids=(5,), max_tokens=5, stop_ids=()))) == 5

    asyncio.run(run())
