"""The queue before an engine: who waits, who is next, who is refused; orders and refusals are worked out by hand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tutelage.generate.waiting import Bounds, FairQueue, OverloadedError, Share

X1, X2, Y1, Z1 = ("X", "x1"), ("X", "x2"), ("Y", "y1"), ("Z", "z1")


class Bench:
    """Requests of a queue by name: when they were let in, and how to let them end."""

    def __init__(self, **bounds: int) -> None:
        self.queue = FairQueue(Bounds(**bounds))
        self.order: list[str] = []
        self.refused: dict[str, OverloadedError] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def join(self, name: str, share: Share, *, tokens: int = 1, choices: int = 1, patience: float = 60) -> None:
        """Let a request join, and wait until it runs, waits or is refused."""
        self._ends[name] = asyncio.Event()

        async def run() -> None:
            try:
                async with self.queue.turn(share, tokens=tokens, choices=choices, patience=patience):
                    self.order.append(name)
                    await self._ends[name].wait()
            except OverloadedError as error:
                self.refused[name] = error

        self.tasks[name] = asyncio.create_task(run())
        await settle()

    async def end(self, name: str) -> None:
        """Let a running request end."""
        self._ends[name].set()
        await self.tasks[name]
        await settle()

    async def drain(self) -> None:
        """Let everything end, in the order in which it runs."""
        ended = 0
        while ended < len(self.order):
            await self.end(self.order[ended])
            ended += 1


async def settle() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


@asynccontextmanager
async def bench(**bounds: int) -> AsyncIterator[Bench]:
    made = Bench(**bounds)
    yield made
    await made.drain()
    await asyncio.gather(*made.tasks.values(), return_exceptions=True)
    assert (made.queue.running, made.queue.requests, made.queue.tokens) == (0, 0, 0)


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]


def test_applications_take_turns_and_so_do_the_keys_of_each() -> None:
    async def work() -> None:
        async with bench(choices=1) as one:
            await one.join("first", Z1)
            for name, share in [("x1a", X1), ("x1b", X1), ("x1c", X1), ("x2a", X2), ("y1a", Y1), ("y1b", Y1)]:
                await one.join(name, share)
            assert one.queue.requests == 6
        assert one.order == ["first", "x1a", "y1a", "x2a", "y1b", "x1b", "x1c"]

    run(work)


def test_a_flood_waits_behind_itself() -> None:
    async def work() -> None:
        async with bench(choices=1) as one:
            for number in range(10):
                await one.join(f"flood{number}", X1)
            await one.join("calm", Y1)
        assert one.order.index("calm") == 2 and not one.refused

    run(work)


def test_when_it_is_full_the_newest_of_whoever_has_most_is_refused() -> None:
    async def work() -> None:
        async with bench(choices=1, requests=3) as one:
            for number in range(5):
                await one.join(f"flood{number}", X1)
            assert set(one.refused) == {"flood4"}  # one runs and three wait
            await one.join("calm", Y1)
            assert set(one.refused) == {"flood4", "flood3"}
            await one.join("other", X2)  # its application has most, and in it the other key
            assert set(one.refused) == {"flood4", "flood3", "flood2"}
            assert 1 <= one.refused["flood4"].retry_after <= 30
            assert f"in {one.refused['flood4'].retry_after} seconds" in str(one.refused["flood4"])
        assert one.order == ["flood0", "flood1", "calm", "other"]

    run(work)


def test_of_equals_the_latest_is_refused() -> None:
    async def work() -> None:
        async with bench(choices=1, requests=2) as one:
            for name, share in [("z", Z1), ("x", X1), ("y", Y1), ("late", ("W", "w1"))]:
                await one.join(name, share)
            assert set(one.refused) == {"late"}

    run(work)


def test_prompt_tokens_are_bounded_too() -> None:
    async def work() -> None:
        async with bench(choices=1, tokens=100) as one:
            await one.join("z", Z1, tokens=10_000)  # what runs does not wait
            await one.join("x", X1, tokens=90)
            await one.join("y", Y1, tokens=10)
            assert not one.refused and one.queue.tokens == 100
            await one.join("y2", Y1, tokens=10)
            assert set(one.refused) == {"x"}
            await one.join("large", ("W", "w1"), tokens=101)
            assert set(one.refused) == {"x", "large"}

    run(work)


def test_what_is_large_is_not_passed_by_what_is_small() -> None:
    async def work() -> None:
        async with bench(choices=4) as one:
            await one.join("small", X1, choices=3)
            await one.join("large", Y1, choices=4)
            await one.join("tiny", Z1, choices=1)
            assert one.order == ["small"] and one.queue.running == 3
            await one.end("small")
            assert one.order == ["small", "large"]
            await one.end("large")
            assert one.order == ["small", "large", "tiny"]
            await one.end("tiny")
            await one.join("huge", X1, choices=9)  # more than there ever is runs alone
            await one.join("next", X1)
            assert one.order[-1] == "huge"

    run(work)


def test_who_waits_too_long_or_leaves_takes_no_room() -> None:
    async def work() -> None:
        async with bench(choices=1) as one:
            await one.join("first", X1)
            await one.join("hasty", Y1, patience=0.001)
            await one.join("gone", Y1)
            while "hasty" not in one.refused:
                await asyncio.sleep(0.001)
            assert "waited too long" in str(one.refused["hasty"])
            one.tasks["gone"].cancel()
            await settle()
            assert one.queue.requests == 0
            await one.join("last", Z1)
        assert one.order == ["first", "last"]

    run(work)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_bounds_hold_and_nothing_stays(seed: int) -> None:
    draw = random.Random(seed)

    async def work() -> None:
        queue = FairQueue(Bounds(choices=5, requests=6, tokens=60))
        shares = [X1, X2, Y1, Z1]

        async def call() -> None:
            try:
                async with queue.turn(
                    draw.choice(shares),
                    tokens=draw.randrange(30),
                    choices=draw.randrange(1, 5),
                    patience=draw.choice([0.0, 0.001, 5.0]),
                ):
                    await asyncio.sleep(draw.choice([0, 0, 0.001]))
            except OverloadedError:
                pass

        calls = []
        for _ in range(400):
            calls.append(asyncio.create_task(call()))
            if draw.random() < 0.3:
                draw.choice(calls).cancel()
            await asyncio.sleep(0)
            assert queue.running <= 5 and queue.requests <= 6 and queue.tokens <= 60
        await asyncio.gather(*calls, return_exceptions=True)
        assert (queue.running, queue.requests, queue._lanes) == (0, 0, {})

    run(work)
