"""Calls that are sent again with their Idempotency-Key: answered once, told again, counted once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from tests.databases import database, store
from tests.firms import Firm
from tests.serve.scripted import Exchange, ScriptedEngine, ask, running
from tutelage.serve.api import repeats
from tutelage.store import Store, quotas
from tutelage.store.request_tables import repeats as table
from tutelage.store.request_tables import requests
from tutelage.web.site import utc_now

__all__ = ["database", "store"]

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
BODY: dict[str, Any] = {"prompt": "a", "max_tokens": 9}
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 9}
PATHS = {"/v1/completions": BODY, "/v1/chat/completions": CHAT}


class Client:
    """A customer's program."""

    def __init__(self, store: Store) -> None:
        self.firm = Firm.of(store, state="live")
        self.key = self.firm.key(now=utc_now()).text

    async def ask(
        self, app: FastAPI, name: str | None, body: Any = None, path: str = "/v1/completions", **more: Any
    ) -> Exchange:
        headers = {"Authorization": f"Bearer {self.key}", **({} if name is None else {repeats.HEADER: name})}
        return await ask(app, path, BODY if body is None else body, headers=headers, **more)


def count(store: Store, what: Any = table) -> int:
    with store.read() as connection:
        return connection.scalar(select(func.count()).select_from(what)) or 0


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_a_call_that_is_sent_again_is_answered_once_and_told_again(store: Store, path: str, is_stream: bool) -> None:
    client, engine = Client(store), ScriptedEngine()
    body = {**PATHS[path], "stream": is_stream}

    async def run() -> list[Exchange]:
        async with running(store, engine=engine) as app:
            # The same, spelled with its defaults.
            return [await client.ask(app, "call-1", one, path) for one in (body, body, {**body, "n": 1, "seed": None})]

    first, *others = asyncio.run(run())
    assert first.status == 200 and "idempotency-replayed" not in first.headers
    for other in others:
        assert (other.status, other.body) == (200, first.body)
        assert other.headers["idempotency-replayed"] == "true"
        assert other.headers["content-type"].split(";")[0] == first.headers["content-type"].split(";")[0]
    assert len(engine.asked) == 1 and count(store, requests) == 1
    used = quotas.used(store, client.firm.id, now=utc_now())
    assert (used.minute_requests, used.day_tokens) == (1, 4 + 3)


def test_a_key_means_one_body_at_one_address(store: Store) -> None:
    client, engine = Client(store), ScriptedEngine()

    async def run() -> None:
        async with running(store, engine=engine) as app:
            assert (await client.ask(app, "call-1")).status == 200
            for body, path in [({**BODY, "max_tokens": 8}, "/v1/completions"), (CHAT, "/v1/chat/completions")]:
                other = await client.ask(app, "call-1", body, path)
                assert (other.status, other.json["error"]["code"]) == (409, "idempotency_key_reused")
                assert other.headers["x-should-retry"] == "false"
            for name in (None, None, "call-2"):
                assert "idempotency-replayed" not in (await client.ask(app, name)).headers
        assert len(engine.asked) == 4

    asyncio.run(run())


@pytest.mark.parametrize("name", ["", "x" * 256, "a\tb", "é"])
def test_a_key_that_is_none_is_refused(store: Store, name: str) -> None:
    client, engine = Client(store), ScriptedEngine()

    async def run() -> None:
        async with running(store, engine=engine) as app:
            answer = await client.ask(app, name)
            assert (answer.status, answer.json["error"]["code"], engine.asked) == (400, "idempotency_key", [])

    asyncio.run(run())


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_while_a_call_is_answered_its_double_is_told_to_wait(store: Store, is_stream: bool) -> None:
    client, engine = Client(store), ScriptedEngine(pause_after=1)
    body = {**BODY, "stream": is_stream}

    async def run() -> None:
        async with running(store, engine=engine) as app:
            first = asyncio.create_task(client.ask(app, "call-1", body))
            while not engine.in_flight:
                await asyncio.sleep(0.01)
            double = await client.ask(app, "call-1", body)
            assert (double.status, double.json["error"]["code"]) == (409, "idempotency_key_in_use")
            assert double.headers["retry-after"] == "1"
            engine.go_on.set()
            whole = await first
            assert (await client.ask(app, "call-1", body)).body == whole.body
            assert len(engine.asked) == 1

    asyncio.run(run())


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_what_was_not_answered_whole_is_begun_anew(store: Store, is_stream: bool) -> None:
    """A client that left, an engine without an answer, a call beyond its time: each can be sent again."""
    client, engine = Client(store), ScriptedEngine(pause_after=1)
    body = {**BODY, "stream": is_stream}

    async def run() -> None:
        async with running(store, engine=engine) as app:
            leaving = Exchange()
            task = asyncio.create_task(client.ask(app, "call-1", body, exchange=leaving))
            while not engine.in_flight:
                await asyncio.sleep(0.01)
            leaving.left.set()
            await task
            await gone(store)
            late = await ask(
                app,
                "/v1/completions",
                body,
                headers={"Authorization": f"Bearer {client.key}", repeats.HEADER: "call-1",
                         "X-Tutelage-Timeout": "0.05"},
            )  # fmt: skip
            assert b"deadline_exceeded" in late.body
            await gone(store)
            engine.pause_after = None
            answer = await client.ask(app, "call-1", body)
            assert answer.status == 200 and "idempotency-replayed" not in answer.headers
            assert (await client.ask(app, "call-1", body)).body == answer.body
            assert len(engine.asked) == 3

    asyncio.run(run())


async def gone(store: Store) -> None:
    async with asyncio.timeout(30):
        while count(store):
            await asyncio.sleep(0.01)


def test_what_is_too_long_is_not_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MOST_BYTES", 100)
    client, engine = Client(store), ScriptedEngine()

    async def run() -> None:
        async with running(store, engine=engine) as app:
            for is_stream in (False, True):
                for _ in range(2):
                    answer = await client.ask(app, f"call-{is_stream}", {**BODY, "stream": is_stream})
                    assert answer.status == 200 and len(answer.body) > 100
                    await gone(store)
        assert len(engine.asked) == 4

    asyncio.run(run())


def test_a_gateway_that_lives_keeps_its_calls_and_one_that_died_loses_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "SIGN_SECONDS", 0.02)
    monkeypatch.setattr(repeats, "HELD", timedelta(seconds=2))
    client, engine, other = Client(store), ScriptedEngine(pause_after=1), ScriptedEngine()

    async def run() -> None:
        async with running(store, engine=engine) as one, running(store, engine=other) as two:
            first = asyncio.create_task(client.ask(one, "call-1"))
            while not engine.in_flight:
                await asyncio.sleep(0.01)
            with store.read() as connection:
                began = connection.execute(select(table)).one()
            while True:  # its hold grows while it lives
                with store.read() as connection:
                    if connection.execute(select(table)).one().held_until > began.held_until:
                        break
                await asyncio.sleep(0.02)
            assert (await client.ask(two, "call-1")).status == 409
            with store.write() as connection:  # as if it had given no sign for as long
                connection.execute(table.update().values(held_until=utc_now(), holder="dead"))
            assert (await client.ask(two, "call-1")).status == 200
            engine.go_on.set()
            late = await first  # its own client is answered, and what was kept stays
            assert late.status == 200
            assert (await client.ask(one, "call-1")).json["id"] != late.json["id"]
        assert len(engine.asked) == len(other.asked) == 1

    asyncio.run(run())
