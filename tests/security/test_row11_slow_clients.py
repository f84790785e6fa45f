"""Row 11: who is slow, silent or many loses the connection; the others are answered meanwhile.

The limits are shortened; what is tested is that each wait has an end, not how long it is.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable

import pytest
import uvicorn

from tests.serve.gateway import listening, request
from tests.serve.scripted import ScriptedCatalogue, ScriptedEngine
from tutelage.serve.api import bodies
from tutelage.serve.app import ServeOptions, create_app
from tutelage.store import Store
from tutelage.web.patience import PatientProtocol

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
BODY = {"prompt": "a", "max_tokens": 3}
#: What a test waits at most for what must come.
SECONDS = 60


class Hasty(PatientProtocol):
    head_seconds, stall_seconds = 0.3, 0.3


class Small(PatientProtocol):
    most_connections = 3


def served(
    store: Store,
    use: Callable[[int, uvicorn.Server], Awaitable[None]],
    protocol: type[PatientProtocol],
    engine: ScriptedEngine,
) -> None:
    """Run a test against a server with these limits; `use` gets its port."""

    async def run() -> None:
        app = create_app(ScriptedCatalogue(store, engine=engine), ServeOptions())
        async with listening(app, protocol) as server, asyncio.timeout(SECONDS):
            port = int(server.port)  # type: ignore[attr-defined]
            await use(port, server)
            await is_answered(port)

    asyncio.run(run())


async def is_answered(port: int) -> None:
    """An ordinary call is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("/v1/completions", BODY, {"Connection": "close"}))
    assert (await ends(reader)).startswith(b"HTTP/1.1 200")
    writer.close()


async def ends(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the server closes the connection, one way or the other."""
    found = b""
    try:
        while part := await reader.read(4096):
            found += part
    except ConnectionError:
        pass
    return found


def leave(task: asyncio.Task[None], *writers: asyncio.StreamWriter) -> None:
    task.cancel()
    for writer in writers:
        writer.close()


async def dribble(writer: asyncio.StreamWriter, line: bytes) -> None:
    """Send a byte now and then, for as long as somebody takes it."""
    try:
        while not writer.is_closing():
            for byte in line:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.02)
    except ConnectionError:
        pass


def test_silence_and_heads_that_never_end_are_cut_off(store: Store) -> None:
    async def use(port: int, server: uvicorn.Server) -> None:
        silent, idle = await asyncio.open_connection("127.0.0.1", port)
        slow, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n")
        dribbling = asyncio.create_task(dribble(writer, b"X-A: b\r\n"))
        await is_answered(port)
        assert await ends(silent) == b"" and await ends(slow) == b""
        leave(dribbling, idle, writer)

    served(store, use, Hasty, ScriptedEngine())


def test_the_head_of_a_later_request_on_a_connection_has_no_longer(store: Store) -> None:
    async def use(port: int, server: uvicorn.Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/v1/completions", BODY))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.write(b"POST /v1/completions HTTP/1.1\r\n")
        dribbling = asyncio.create_task(dribble(writer, b"X-A: b\r\n"))
        assert b"HTTP" not in await ends(reader)
        leave(dribbling, writer)

    served(store, use, Hasty, ScriptedEngine())


def test_a_body_that_does_not_come_is_408(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.3)
    engine = ScriptedEngine()

    async def use(port: int, server: uvicorn.Server) -> None:
        for length in (b"Content-Length: 900000\r\n", b"Transfer-Encoding: chunked\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            writer.write(head + length + b"\r\n" + (b"4\r\n" if b"chunked" in length else b"") + b'{"pr')
            answer = await ends(reader)
            assert answer.startswith(b"HTTP/1.1 408") and b'"error"' in answer
            writer.close()
        assert engine.asked == []

    served(store, use, Hasty, engine)


def test_a_body_without_a_length_is_read_up_to_the_limit_only(store: Store) -> None:
    engine = ScriptedEngine()

    async def use(port: int, server: uvicorn.Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
        flooding = asyncio.create_task(dribble_chunks(writer))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413")
        await ends(reader)  # what it goes on to send is not listened to for ever
        leave(flooding, writer)
        assert engine.asked == []

    served(store, use, Hasty, engine)


async def dribble_chunks(writer: asyncio.StreamWriter) -> None:
    try:
        while not writer.is_closing():
            writer.write(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
            await writer.drain()
    except ConnectionError:
        pass


@pytest.mark.parametrize("is_stream", [True, False])
def test_who_does_not_read_an_answer_loses_it_and_its_call_ends(store: Store, is_stream: bool) -> None:
    """40 MB fit into no buffer on the way."""
    engine = ScriptedEngine(words=("x" * 20_000,) * 2000)

    async def use(port: int, server: uvicorn.Server) -> None:
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", port)) as bare:
            bare.setblocking(False)
            await loop.sock_sendall(bare, request("/v1/completions", {**BODY, "stream": is_stream}))
            running = server.config.app.state.admission.running  # type: ignore[union-attr]
            while not engine.asked or engine.in_flight or len(running) or server.server_state.connections:
                await asyncio.sleep(0.02)
        engine.words = ("short",)

    served(store, use, Hasty, engine)


def test_a_connection_too_many_is_told_to_come_back(store: Store) -> None:
    async def use(port: int, server: uvicorn.Server) -> None:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head, _, body = (await ends(reader)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503") and b"Retry-After: 5" in head
        assert json.loads(body)["error"]["code"] == "overloaded"
        held[1][1].write(request("/v1/completions", BODY, {"Connection": "close"}))  # who is in is answered
        assert (await ends(held[1][0])).startswith(b"HTTP/1.1 200")
        for _, other in [*held, (reader, writer)]:
            other.close()
        while True:
            try:
                await is_answered(port)
                return
            except AssertionError:
                await asyncio.sleep(0.02)

    served(store, use, Small, ScriptedEngine())
