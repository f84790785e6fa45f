"""An engine that says what a test wants, when it wants it, and an exchange with an application without a socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI

from tutelage.generate.process import EngineOptions
from tutelage.generate.wire import Accepted, Ask, News
from tutelage.records import RegisteredModel
from tutelage.serve.app import ServeOptions, create_app
from tutelage.serve.catalogue import Catalogue, Served, unknown
from tutelage.serve.screen import Screen
from tutelage.store import Store
from tutelage.web.site import utc_now


@dataclass(eq=False)
class ScriptedEngine:
    """Answers every choice with `words`, one piece each; after `pause_after` pieces it waits for `go_on`."""

    words: tuple[str, ...] = ("one ", "two ", "three")
    pause_after: int | None = None
    context: int = 64
    prompt_tokens: int = 4
    is_ready: bool = True
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[Ask] = field(default_factory=list)
    in_flight: int = 0
    cancelled: int = 0

    async def stats(self) -> dict[str, int]:
        """Say how busy it is."""
        return {"running": self.in_flight, "waiting": 0}

    async def generate(self, ask: Ask) -> AsyncIterator[Accepted | News]:
        """Tell the script."""
        self.asked.append(ask)
        self.in_flight += 1
        is_whole = False
        try:
            yield Accepted(prompt_tokens=self.prompt_tokens, prompt_text=ask.text or "")
            for number, word in enumerate(self.words):
                if number == self.pause_after:
                    await self.go_on.wait()
                for choice in range(ask.n):
                    yield News(choice=choice, text=word, is_token=True)
            for choice in range(ask.n):
                yield News(choice=choice, finish_reason="stop")
            is_whole = True
        finally:
            self.in_flight -= 1
            self.cancelled += not is_whole


class ScriptedCatalogue(Catalogue):
    """The names of a test, all served by one scripted engine."""

    def __init__(self, store: Store, names: Sequence[str] = ("default",), engine: ScriptedEngine | None = None) -> None:
        super().__init__(store, names, EngineOptions())
        self.engine = engine or ScriptedEngine()

    async def start(self) -> None:
        """Start nothing."""

    async def stop(self) -> None:
        """Stop nothing."""

    @property
    def is_ready(self) -> bool:
        """Say what the engine says."""
        return self.engine.is_ready

    def find(self, name: str, caller: str = "") -> Served:
        """Return the engine of a name of the test."""
        if name not in self.current():
            raise unknown(name)
        return self.current()[name]

    def current(self) -> dict[str, Served]:
        """Return the engine under all names and versions."""
        models = [
            RegisteredModel(name=f"{name}-model", version=1, path=".", sha256="ab" * 32, run="test")
            for name in self.names
        ]
        served = {name: Served(model, self.engine) for name, model in zip(self.names, models, strict=True)}
        return {**served, **{one.name: one for one in served.values()}}


@contextlib.asynccontextmanager
async def running(
    store: Store,
    *,
    names: Sequence[str] = ("default",),
    engine: ScriptedEngine | None = None,
    is_private: bool = False,
    now: Callable[[], datetime] = utc_now,
    screen: Screen | None = None,
) -> AsyncIterator[FastAPI]:
    """Run the API over a scripted engine, as others reach it unless `is_private`."""
    options = ServeOptions(is_private=is_private, now=now)
    app = create_app(ScriptedCatalogue(store, names, engine), options, screen)
    async with app.router.lifespan_context(app):
        yield app


@contextlib.contextmanager
def in_background(store: Store, **options: Any) -> Iterator[Callable[..., Exchange]]:
    """Run the API in a thread of its own; give a function that asks it, for tests that are no coroutines."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def do(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    context = running(store, **options)
    app = do(context.__aenter__())
    try:
        yield lambda *request, **more: do(ask(app, *request, **more))
    finally:
        do(context.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass
class Exchange:
    """One request to an application, and what came back of it so far."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_over: bool = False
    has_news: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    _sent: bool = False

    @property
    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """Return the events of a stream, without the last word."""
        lines = [line.removeprefix("data: ") for line in self.body.decode().split("\n\n") if line]
        return [json.loads(line) for line in lines if line != "[DONE]"]

    async def until(self, text: str) -> None:
        """Wait until the answer holds a text."""
        while text.encode() not in self.body:
            self.has_news.clear()
            assert not self.is_over, self.body
            await self.has_news.wait()

    async def send(self, message: dict[str, Any]) -> None:
        """Take what the application sends."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")
            self.is_over = not message.get("more_body", False)
        self.has_news.set()


async def ask(
    app: Any,
    path: str,
    body: Any = None,
    *,
    method: str = "",
    headers: Mapping[str, str] | Sequence[tuple[bytes, bytes]] = (),
    exchange: Exchange | None = None,
) -> Exchange:
    """Send a request and return the answer; with an `exchange` of one's own it can be watched meanwhile."""
    exchange = exchange or Exchange()
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    given = (
        [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()]
        if isinstance(headers, Mapping)
        else list(headers)
    )
    names = {name for name, _ in given}
    given = [*given, *([(b"host", b"localhost")] if b"host" not in names else [])]
    given += [(b"content-type", b"application/json")] if content and b"content-type" not in names else []
    raw, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method or ("POST" if content else "GET"),
        "scheme": "http",
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": given,
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "state": {},
    }

    async def receive() -> dict[str, Any]:
        if not exchange._sent:
            exchange._sent = True
            return {"type": "http.request", "body": content, "more_body": False}
        await exchange.left.wait()
        return {"type": "http.disconnect"}

    await app(scope, receive, exchange.send)
    return exchange
