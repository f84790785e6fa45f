"""Every answer of the API, whatever its status, says how a browser may treat it."""

from __future__ import annotations

import asyncio

import pytest
from fastapi.testclient import TestClient

from tests.databases import database, store
from tests.serve.scripted import ScriptedCatalogue, ask, running
from tutelage.serve.app import ServeOptions, create_app
from tutelage.store import Store

__all__ = ["database", "store"]

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

#: What a browser needs to be told, written here a second time.
EXPECTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
ASKED = [
    ("/healthz", None, 200),
    ("/v1/models", None, 200),
    ("/v1/completions", {"prompt": "a"}, 200),
    ("/v1/completions", {"prompt": "a", "stream": True}, 200),
    ("/v1/completions", b"{", 400),
    ("/v1/completions", b"x" * (1 << 20) + b"x", 413),
    ("/v1/completions", None, 405),
    ("/nothing", None, 404),
]


def check(headers: dict[str, str]) -> None:
    assert {name: headers.get(name) for name in EXPECTED} == EXPECTED
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert "server" not in headers and "x-powered-by" not in headers


def test_every_status_has_the_headers(store: Store) -> None:
    async def run() -> None:
        async with running(store, is_private=True) as app:
            for path, body, status in ASKED:
                answer = await ask(app, path, body)
                assert answer.status == status, path
                check(answer.headers)
        async with running(store) as app:
            refused = await ask(app, "/v1/models")
            assert refused.status == 401
            check(refused.headers)

    asyncio.run(run())


def test_a_bug_is_answered_with_them_too(store: Store) -> None:
    async def nothing() -> None:
        raise KeyError("a secret of the inside")

    app = create_app(ScriptedCatalogue(store), ServeOptions(is_encrypted=True))
    app.get("/bug")(nothing)
    with TestClient(app, base_url="https://localhost", raise_server_exceptions=False) as client:
        answer = client.get("/bug")
        assert answer.status_code == 500 and "secret" not in answer.text
        check(dict(answer.headers))
        assert client.get("/healthz").headers["strict-transport-security"].startswith("max-age=")
    with TestClient(create_app(ScriptedCatalogue(store), ServeOptions()), base_url="http://localhost") as client:
        assert "strict-transport-security" not in client.get("/healthz").headers
