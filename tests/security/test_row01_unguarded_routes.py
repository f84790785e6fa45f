"""Row 1: whatever is asked, in whatever way it is spelled, nothing but the two questions about health is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Mount, Route

from tests.firms import Firm
from tests.serve.scripted import Exchange, ScriptedEngine, ask, running
from tutelage.store import Store

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "X-OTHER")
PUBLIC = ("/healthz", "/readyz")
SPELLINGS = (
    "{path}",
    "{path}/",
    "/{path}",
    "/.{path}",
    "/%2e{path}",
    "/healthz/..{path}",
    "/healthz/%2e%2e{path}",
    "{path};/healthz",
    "{path}?/healthz",
    "{path}%00",
    "/healthz%2f..{path}",
)
ELSEWHERE = (
    "/",
    "/docs",
    "/openapi.json",
    "/metrics",
    "/v1",
    "/healthz/",
    "/HEALTHZ",
    "/Healthz",
    "/v1/healthz",
    "*",
    "",
)


def paths(routes: Sequence[Any], before: str = "") -> Iterator[str]:
    """Name every route, those of included routers and mounts too; what is neither is a bug of this test."""
    for route in routes:
        if isinstance(route, Route):
            yield before + route.path.replace("{name}", "default")
        elif isinstance(route, Mount):
            yield from paths(route.routes, before + route.path)
        else:
            yield from paths(route.original_router.routes, before)


def test_without_a_key_every_path_and_method_is_refused(store: Store) -> None:
    async def run() -> None:
        engine = ScriptedEngine()
        async with running(store, engine=engine) as app:
            below = FastAPI()
            below.get("/inside")(lambda: {"secret": 1})
            app.mount("/later", below)
            app.get("/v1/later")(lambda: {"secret": 1})
            known = list(paths(app.routes))
            assert {"/v1/models", "/v1/completions", "/v1/chat/completions", "/later/inside", "/v1/later"} <= set(known)
            guarded = [path for path in known if path not in PUBLIC]
            asked = [form.format(path=path) for path in guarded for form in SPELLINGS]
            asked += [one.upper() for one in guarded] + list(ELSEWHERE)
            for path in asked:
                for method in METHODS:
                    answer = await ask(app, path, method=method)
                    assert answer.status == 401, (method, path, answer)
                    assert answer.json["error"]["code"] == "invalid_api_key" and b"secret" not in answer.body
                    assert answer.headers["www-authenticate"] == "Bearer"
            for path in PUBLIC:
                assert (await ask(app, path)).status == 200
        assert engine.asked == []

    asyncio.run(run())


def test_nothing_but_http_is_spoken(store: Store) -> None:
    async def run() -> None:
        said = []

        async def send(message: dict[str, object]) -> None:
            said.append(message)

        async with running(store) as app:
            await app({"type": "websocket", "path": "/healthz", "headers": []}, None, send)
        assert said == [{"type": "websocket.close", "code": 1008}]

    asyncio.run(run())


def test_every_route_that_answers_texts_asks_for_its_scope(store: Store) -> None:
    """A key without a scope opens the list of models and nothing else."""
    key = Firm.of(store).key(scopes=("feedback",)).text
    wrong = {"/v1/completions": "complete", "/v1/chat/completions": "complete", "/v1/moderations": "moderate"}

    async def run() -> None:
        async with running(store) as app:
            for path in paths(app.routes):
                answer = await ask(app, path, b"{}", headers={"Authorization": f"Bearer {key}"})
                if path in wrong:
                    assert (answer.status, answer.json["error"]["code"]) == (403, "missing_scope"), path
                else:
                    assert path in (*PUBLIC, "/v1/models", "/v1/models/default", "/v1/feedback"), path

    asyncio.run(run())


def test_local_mode_answers_this_machine_by_name_until_there_is_an_application(store: Store) -> None:
    async def run() -> None:
        async with running(store, is_private=True) as app:
            body = {"prompt": "a"}
            assert (await ask(app, "/v1/completions", body)).status == 200
            for host in (b"evil.example", b"localhost.evil.example", b"evil.example@localhost.x", b"[", b"[::1", b""):
                answer = await ask(app, "/v1/completions", body, headers=[(b"host", host)])
                assert answer.status == 403 and "localhost" in answer.json["error"]["message"]
            await asyncio.to_thread(Firm.of, store)
            answer = Exchange()
            for _ in range(400):
                answer = await ask(app, "/v1/completions", body)
                if answer.status == 401:
                    break
                await asyncio.sleep(0.01)
            assert answer.status == 401

    asyncio.run(run())
