"""Engines that several gateway processes share: one process keeps them, the others hold them. No torch here.

A gateway asks the keeper for a model and gets the socket of its engine, which it then asks directly. An engine runs
as long as anybody holds it: holding is a connection to the keeper, so a gateway that dies has let go.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tutelage.errors import UnavailableError, UserError
from tutelage.generate.connection import EngineConnection
from tutelage.generate.process import EngineOptions, EngineProcess
from tutelage.generate.wire import frame, read_frame

#: Seconds between two looks whether an engine that died is there again.
LOOK_SECONDS = 0.05
_NO_KEEPER = "The process that keeps the engines has ended; start the server again."

Wanted = tuple[Path, EngineOptions]


@dataclass(slots=True, eq=False)
class _Kept:
    engine: EngineProcess
    starting: asyncio.Task[None]
    holders: int = 0


class Keeper:
    """Keeps the engines that processes of this user hold. `start` before use, `stop` after; in one event loop."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="tutelage-keeper-"))  # mode 0700
        self.address = self._directory / "keeper.sock"
        self._kept: dict[Wanted, _Kept] = {}
        self._listening: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._listening = await asyncio.start_unix_server(self._connection, path=self.address)

    async def stop(self) -> None:
        """End all engines."""
        if self._listening is not None:
            self._listening.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        shutil.rmtree(self._directory, ignore_errors=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if (wish := await read_frame(reader)) is not None:
                await self._held(wish, reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _held(self, wish: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hold an engine for a process until it goes, and tell it where the engine is as often as it asks."""
        wanted = Path(wish["model"]), EngineOptions(**wish["options"])
        kept = self._hold(wanted)
        try:
            try:
                await asyncio.shield(kept.starting)
            except UserError as error:
                kind = "unavailable" if isinstance(error, UnavailableError) else "refused"
                writer.write(frame({"kind": kind, "message": str(error)}))
                await writer.drain()
                return
            while await read_frame(reader) is not None:
                while not kept.engine.is_ready:
                    await asyncio.sleep(LOOK_SECONDS)
                engine = kept.engine
                told = {"socket": str(engine.socket), "context": engine.context, "pid": engine.pid}
                writer.write(frame({"kind": "there", **told}))
                await writer.drain()
        finally:
            await self._let_go(wanted, kept)

    def _hold(self, wanted: Wanted) -> _Kept:
        if wanted not in self._kept:
            engine = EngineProcess(*wanted)
            self._kept[wanted] = _Kept(engine, asyncio.create_task(engine.start()))
        kept = self._kept[wanted]
        kept.holders += 1
        return kept

    async def _let_go(self, wanted: Wanted, kept: _Kept) -> None:
        kept.holders -= 1
        if kept.holders:
            return
        if self._kept.get(wanted) is kept:  # whoever wants it from now on gets another one
            del self._kept[wanted]
        kept.starting.cancel()
        await asyncio.gather(kept.starting, return_exceptions=True)
        await kept.engine.stop()


class EngineClient(EngineConnection):
    """An engine of a keeper, which may be another process. It is the same to whoever asks as one of one's own."""

    def __init__(self, keeper: Path, model: Path, options: EngineOptions) -> None:
        super().__init__()
        self.keeper, self.model, self.options = keeper, model, options
        self._held: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._pid: int | None = None

    @property
    def pid(self) -> int | None:
        """Return the engine's process id, None while it is not reached."""
        return self._pid if self.is_ready else None

    async def start(self) -> None:
        """Hold the engine and wait until it answers; raise its own sentence when it cannot start."""
        try:
            self._held = await asyncio.open_unix_connection(self.keeper)
        except OSError as error:
            raise UnavailableError(_NO_KEEPER) from error
        self._held[1].write(frame({"model": str(self.model), "options": asdict(self.options)}))
        reader = await self._reach()
        self._watch = asyncio.create_task(self._keep_reading(reader))

    async def stop(self) -> None:
        """Let go of the engine, which ends when nobody holds it; what it still answers here fails."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._disconnect()
        held, self._held = self._held, None
        if held is not None:
            held[1].close()
            with contextlib.suppress(ConnectionError):
                await held[1].wait_closed()

    async def _keep_reading(self, reader: asyncio.StreamReader) -> None:
        """Hand out answers; when the engine dies, fail what is open and reach the next one."""
        while True:
            await self._read(reader)
            await self._disconnect()
            reader = await self._reach()

    async def _reach(self) -> asyncio.StreamReader:
        """Connect to the engine as soon as there is one."""
        assert self._held is not None
        reader, writer = self._held
        while True:
            writer.write(frame({"op": "where"}))
            told = await read_frame(reader)
            if told is None:
                raise UnavailableError(_NO_KEEPER)
            if told["kind"] != "there":
                raise (UnavailableError if told["kind"] == "unavailable" else UserError)(told["message"])
            self.context, self._pid = told["context"], told["pid"]
            try:
                return await self._connect(Path(told["socket"]))
            except OSError:  # it died a moment ago, and its keeper does not know yet
                await asyncio.sleep(LOOK_SECONDS)
