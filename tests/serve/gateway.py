"""The API on a real socket in this process, so that a test can ask over the network and look inside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from sqlalchemy import func, select

from tests.generate.tiny import make
from tests.serve.server import register
from tutelage.generate.process import EngineOptions
from tutelage.models.load import save
from tutelage.serve.admission.admission import Admission
from tutelage.serve.app import ServeOptions, create_app
from tutelage.serve.catalogue import Catalogue
from tutelage.store import Store
from tutelage.store.application_tables import reservations
from tutelage.web.patience import PatientProtocol

#: How long a test waits for what must happen on a busy machine.
SECONDS = 120
#: Tokens of the long context.
LONG = 8192


@contextlib.asynccontextmanager
async def listening(app: FastAPI, protocol: type[PatientProtocol] = PatientProtocol) -> AsyncIterator[uvicorn.Server]:
    """Serve an application on a free port."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as bound:
        config = uvicorn.Config(app, http=protocol, log_config=None, access_log=False)
        server = uvicorn.Server(config)
        server.port = bound.getsockname()[1]  # type: ignore[attr-defined]
        task = asyncio.create_task(server.serve(sockets=[bound]))
        while not server.started:
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
        try:
            yield server
        finally:
            server.should_exit = True
            await task


@dataclass
class Gateway:
    """A gateway with a real engine, and what can be seen of it."""

    app: FastAPI
    server: uvicorn.Server
    catalogue: Catalogue
    store: Store

    @property
    def port(self) -> int:
        """Return where it listens."""
        return int(self.server.port)  # type: ignore[attr-defined]

    @property
    def engine(self) -> Any:
        """Return the engine behind `default`."""
        return self.catalogue.find("default").engine

    async def held(self) -> dict[str, int]:
        """Count everything that a call may leave behind: in the gateway, in the engine, in the database."""
        admission: Admission = self.app.state.admission
        await admission.ledger.settled()
        stats = await self.engine.stats()
        with self.store.read() as connection:
            rows = connection.scalar(select(func.count()).select_from(reservations)) or 0
        state = self.server.server_state
        return {
            "connections": len(state.connections),
            "handlers": len(state.tasks),
            "tasks": len(asyncio.all_tasks()),
            "running": len(admission.running),
            "held": sum(served.calls for served in self.catalogue.current().values()),
            "in_flight": self.engine.in_flight,
            "rows": stats["running"] + stats["waiting"],
            "queued": stats["queued"] + stats["admitted"],
            "reservations": rows,
        }

    async def until(self, expected: dict[str, int]) -> None:
        """Wait until it holds no more than that."""
        found: dict[str, int] = {}
        try:
            async with asyncio.timeout(SECONDS):
                while (found := await self.held()) != expected:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{found} instead of {expected}") from None


@contextlib.asynccontextmanager
async def gateway(
    store: Store, url: str, model: Path, engine: EngineOptions, options: ServeOptions | None = None
) -> AsyncIterator[Gateway]:
    """Serve a model directory as `default`, with its engine in a process."""
    register(url, "tiny", model, "default")
    catalogue = Catalogue(store, ["default"], engine)
    app = create_app(catalogue, options or ServeOptions())
    async with listening(app) as server:
        yield Gateway(app, server, catalogue, store)


def request(path: str, body: Any, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a request as it goes over the wire."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(content))}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in {**given, **(headers or {})}.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def reset(writer: asyncio.StreamWriter) -> None:
    """Leave without a word, as a client does that was killed: the other side gets a reset."""
    bare: socket.socket = writer.get_extra_info("socket")
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def long_model(folder: Path) -> Path:
    """Save a tiny model with a context of which an answer takes seconds."""
    network, tokenizer = make(context=LONG)
    return save(network, tokenizer, folder)


def endless(**more: Any) -> dict[str, Any]:
    """Return a request for an answer that takes the whole long context."""
    end = make()[1].eos_token_id
    return {"prompt": "the", "max_tokens": LONG - 8, "temperature": 0, "logit_bias": {str(end): -100}, **more}
