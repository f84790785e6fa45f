"""Servers as sides of a comparison, and a client that costs little: one connection, read as it comes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tutelage.generate.wire import Ask, frame, read_frame

ROOT = Path(__file__).parents[1]
#: How long a server may take until it answers, on a machine that does much else.
PATIENCE = 600.0


class Streamed(NamedTuple):
    """One stream: seconds until its first token and its end, and how many tokens came."""

    first: float
    seconds: float
    tokens: int


class Server:
    """A server in a process of its own, which sleeps while others are measured: some turn a core while they wait."""

    def __init__(self, name: str, command: Sequence[str], *, model: str, ready: str, env: Mapping[str, str]) -> None:
        self.name, self.model, self.port = name, model, free_port()
        self._ready = ready
        # Files, not pipes: a pipe that nobody reads would stop the process when it is full.
        self._said = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [word.replace("{port}", str(self.port)) for word in command],
            stdout=self._said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", **env},
            start_new_session=True,
        )
        self.extra: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        #: Of each turn, the median of the streams' first tokens.
        self.first: list[float] = []

    def wait(self) -> None:
        """Wait until the server answers."""
        until = time.monotonic() + PATIENCE
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.name} does not answer: {self.said()[-2000:]}")
            time.sleep(0.2)
        self.sleep()

    def said(self) -> str:
        """Return what the server printed."""
        self._said.seek(0)
        return self._said.read()

    def run(self, prompts: Sequence[str], new: int) -> float:
        """Stream the answers to all prompts at once; return the seconds that `new` tokens for each would take."""
        self.wake()
        try:
            began = time.perf_counter()
            found = asyncio.run(self._all(prompts, new))
            seconds = time.perf_counter() - began
        finally:
            self.sleep()
        self.first.append(statistics.median(one.first for one in found))
        # A stream that met the end of its text early has fewer; what is compared is a rate.
        return seconds * len(prompts) * new / sum(one.tokens for one in found)

    def wake(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def sleep(self) -> None:
        """Stop it until it is wanted."""
        self._signal(signal.SIGSTOP)

    def end(self) -> None:
        """End the process and those that it has started."""
        self._signal(signal.SIGKILL)
        self.process.wait()
        self._said.close()

    def body(self, prompt: str, new: int) -> bytes:
        """Return the request for a stream."""
        asked = {"model": self.model, "prompt": prompt, "max_tokens": new, "temperature": 0, "stream": True}
        return json.dumps({**asked, **self.extra}).encode()

    async def _all(self, prompts: Sequence[str], new: int) -> list[Streamed]:
        streams = (stream(self.port, self.body(prompt, new), self.headers) for prompt in prompts)
        return list(await asyncio.gather(*streams))

    def _answers(self) -> bool:
        with suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self._ready}", timeout=5) as answer:
                return bool(answer.status == 200)
        return False

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def gateway(name: str, database: str, dtype: str, *options: str) -> Server:
    """Start `tutelage serve`."""
    command = [sys.executable, "-m", "tutelage.cli", "serve", "--database", database, "--port", "{port}"]
    env = {"PYTHONPATH": str(ROOT), "TUTELAGE_LOG_LEVEL": "warning"}
    server = Server(name, [*command, "--dtype", dtype, *options], model="default", ready="/readyz", env=env)
    server.extra = {"stream_options": {"include_usage": True}}
    return server


def transformers(model: Path, dtype: str, *options: str) -> Server:
    """Start `transformers serve`."""
    program = str(Path(sys.executable).with_name("transformers"))
    command = [program, "serve", str(model), "--host", "127.0.0.1", "--port", "{port}", "--device", "cpu"]
    name = "transformers serve" + (" with continuous batching" if options else "")
    return Server(name, [*command, "--dtype", dtype, *options], model=str(model), ready="/health", env={})


def vllm(python: str, model: Path, dtype: str) -> Server:
    """Start vLLM's server."""
    command = [
        python,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        str(model),
        "--served-model-name",
        "model",
    ]
    command += ["--host", "127.0.0.1", "--port", "{port}", "--dtype", dtype, "--max-num-seqs", "64"]
    command += ["--max-model-len", "512", "--gpu-memory-utilization", "0.3", "--disable-log-stats"]
    env = {"VLLM_CPU_KVCACHE_SPACE": "4", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR", "PYTHONPATH": ""}
    server = Server("vLLM", [*command, "--no-enable-prefix-caching"], model="model", ready="/health", env=env)
    server.extra = {"stream_options": {"include_usage": True}, "ignore_eos": True}
    return server


async def stream(port: int, body: bytes, headers: Mapping[str, str]) -> Streamed:
    """Send a request on a connection of its own and read its events until the server closes it."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request(body, {**headers, "Connection": "close"}))
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"answered {status!r} {await reader.read()!r}")
    first, pieces, counted = 0.0, 0, 0
    while line := await reader.readline():
        if not line.startswith(b"data:") or line.strip() == b"data: [DONE]":
            continue
        event = json.loads(line[5:])
        if event.get("error"):
            raise RuntimeError(str(event["error"]))
        if any(choice.get("text") for choice in event["choices"]):
            first, pieces = first or time.perf_counter() - began, pieces + 1
        counted = (event.get("usage") or {}).get("completion_tokens") or counted
    writer.close()
    return Streamed(first, time.perf_counter() - began, counted or pieces)


class Line:
    """A connection that is kept: what a request takes by it is the server's time and nearly nothing else."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._port, self._headers = port, headers

    async def __aenter__(self) -> Line:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up."""
        self._writer.close()

    async def ask(self, body: bytes) -> None:
        """Send a request and read its whole answer."""
        self._writer.write(_request(body, self._headers))
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        content = await self._reader.readexactly(int(length[1]) if length else 0)
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(f"answered {head!r} {content!r}")


class Socket:
    """The private socket of a gateway's engine: the same engine without the gateway."""

    def __init__(self, path: str) -> None:
        self._path, self._tag = path, 0

    async def __aenter__(self) -> Socket:
        """Connect."""
        self._reader, self._writer = await asyncio.open_unix_connection(self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up."""
        self._writer.close()

    async def ask(self, ask: Ask) -> None:
        """Send a request and read its whole answer."""
        self._tag += 1
        self._writer.write(frame({"op": "generate", "tag": self._tag, "ask": ask.to_json()}))
        while True:
            message = await read_frame(self._reader)
            if message is None or message["kind"] in ("failed", "refused", "overloaded"):
                raise RuntimeError(f"the engine answered {message}")
            if message["kind"] == "news" and message["news"][4] is not None:
                return


def engine_socket(server: Server) -> str:
    """Return the path of the private socket of a gateway's engine."""
    for child in psutil.Process(server.process.pid).children(recursive=True):
        words = child.cmdline()
        if "tutelage.generate.server" in words:
            return words[words.index("--socket") + 1]
    raise RuntimeError(f"{server.name} has no engine")


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


def _request(body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST /v1/completions HTTP/1.1\r\n{head}\r\n".encode() + body
