"""vLLM as the engine: a private upstream behind the interface of `runner.Runner`.

It gets token ids and gives token ids, so prompts, text, stop strings and the bytes of tokens are made by the same code
as for our own engine. A server that is started here listens on loopback with a key that only this process knows: many
of vLLM's routes, such as the one that replaces the weights, ask for none. No torch here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import secrets
import shlex
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tutelage.errors import UnavailableError, UserError
from tutelage.generate.request import LATE, Event, Request, RequestError, Top, is_textual
from tutelage.generate.text import Decoder, TextStream
from tutelage.records import FinishReason

logger = logging.getLogger(__name__)

#: The only name under which the upstream knows its model.
NAME = "model"
#: Where the key of a server at a URL is read from.
KEY_VARIABLE = "TUTELAGE_VLLM_KEY"
#: Seconds that a server may take to load its model, and between two looks whether it has.
PATIENCE, PAUSE = 600.0, 0.5
#: More options for the servers that are started here, as on a command line.
OPTIONS_VARIABLE = "TUTELAGE_VLLM_OPTIONS"
_GONE = "The vLLM server of this model is not reachable; see whether it still runs, then try again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where a vLLM server answers, and what it was told its model's context is."""

    url: str
    context: int
    key: str = field(default="", repr=False)


class VllmServer:
    """A vLLM server of our own, in the Python environment where vLLM is installed."""

    def __init__(self, python: Path, model: Path, *, dtype: str = "float32", max_batch: int = 128) -> None:
        self.python, self.model, self.dtype, self.max_batch = python, model, dtype, max_batch
        self._process: asyncio.subprocess.Process | None = None
        self._cause = self._last = ""
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> Upstream:
        """Start the server and wait until it answers; raise one sentence with its last words when it does not."""
        if not self.python.is_file():
            raise UserError(f"There is no Python at {self.python}; give the one of the environment that has vLLM.")
        key, port = secrets.token_urlsafe(24), _free_port()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tutelage.generate.leash"),
            *(str(self.python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(self.model)),
            *("--served-model-name", NAME, "--host", "127.0.0.1", "--port", str(port)),
            *("--dtype", self.dtype, "--max-num-seqs", str(self.max_batch), "--disable-log-stats"),
            *("--max-logprobs", "20", *shlex.split(os.environ.get(OPTIONS_VARIABLE, ""))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "VLLM_API_KEY": key, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"},
            start_new_session=True,
        )
        self._reading = asyncio.create_task(self._read())
        url = f"http://127.0.0.1:{port}"
        try:
            async with asyncio.timeout(PATIENCE):
                context = await self._wait(url, key)
        except TimeoutError as error:
            await self.stop()
            raise UnavailableError(f"vLLM did not answer within {PATIENCE:.0f} seconds: {self._said()}") from error
        return Upstream(url=url, context=context, key=key)

    async def stop(self) -> None:
        """End the server with all its children."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()
        if self._reading is not None:
            await self._reading
            self._reading = None

    async def ended(self) -> None:
        """Wait until the server ends by itself; raise its last words."""
        assert self._process is not None
        status = await self._process.wait()
        raise UnavailableError(f"vLLM ended with status {status}: {self._said()}")

    async def _wait(self, url: str, key: str) -> int:
        assert self._process is not None
        async with httpx2.AsyncClient(base_url=url, headers=_headers(key)) as client:
            while True:
                if self._process.returncode is not None:
                    raise UnavailableError(f"vLLM ended while it started: {self._said()}")
                with contextlib.suppress(httpx2.TransportError):
                    if (await client.get("/health")).status_code == 200:
                        return await context_of(client)
                await asyncio.sleep(PAUSE)

    async def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        async for line in self._process.stdout:
            text = line.decode("utf-8", "replace").rstrip()
            logger.info("vllm: %s", text)
            self._last = text or self._last
            if not self._cause and (error := re.search(r"\b\w*Error: .+", text)):
                self._cause = error[0]

    def _said(self) -> str:
        """Return the first error, which caused all others, or the last words."""
        return self._cause or self._last or "it said nothing"


async def connect(url: str, key: str = "") -> Upstream:
    """Return the server at a URL; raise a sentence when nobody answers there or it has another model's name."""
    try:
        async with httpx2.AsyncClient(base_url=url, headers=_headers(key)) as client:
            return Upstream(url=url, context=await context_of(client), key=key)
    except httpx2.TransportError as error:
        raise UnavailableError(f"No vLLM server answers at {url}; start it, or correct the address.") from error


async def context_of(client: httpx2.AsyncClient) -> int:
    """Return the context of the model that is served as NAME."""
    answer = await client.get("/v1/models")
    if answer.status_code != 200:
        raise UnavailableError(f"The vLLM server at {client.base_url} answers {answer.status_code}; check its key.")
    for model in answer.json()["data"]:
        if model["id"] == NAME:
            return int(model["max_model_len"])
    raise UserError(
        f"The vLLM server at {client.base_url} serves no {NAME!r}; start it with --served-model-name {NAME}."
    )


class VllmRunner:
    """Sends requests to an upstream and yields events as `runner.Runner` does."""

    def __init__(self, upstream: Upstream, decoder: Decoder, end_id: int | None) -> None:
        self.context, self.decoder, self._end_id = upstream.context, decoder, end_id
        limits = httpx2.Limits(max_connections=None)
        timeout = httpx2.Timeout(10.0, read=None)
        headers = _headers(upstream.key)
        self._client = httpx2.AsyncClient(base_url=upstream.url, headers=headers, limits=limits, timeout=timeout)
        self._running = self._prompt_tokens = self._tokens = 0

    def check(self, request: Request) -> None:
        """Raise RequestError when the request can never be answered."""
        request.check()
        request.check_fits(self.context)

    async def generate(self, request: Request) -> AsyncIterator[Event]:
        """Yield the events of a request until all its choices have ended; leaving early cancels it."""
        self.check(request)
        answer = _Answer(request, self.decoder)
        self._running += 1
        try:
            async with asyncio.timeout(request.deadline):
                async for event in self._stream(request, answer):
                    self._tokens += event.token is not None
                    yield event
        except TimeoutError:
            for choice in sorted(answer.open):
                yield Event(0, choice, None, 0.0, "cancelled", error=LATE)
        except httpx2.TransportError as error:
            raise UnavailableError(_GONE) from error
        finally:
            self._running -= 1
            self._prompt_tokens += len(request.prompt_ids)

    async def _stream(self, request: Request, answer: _Answer) -> AsyncIterator[Event]:
        body = body_of(request, self._end_id)
        async with self._client.stream("POST", "/v1/completions", json=body) as response:
            if response.status_code != 200:
                raise _refusal(response.status_code, await response.aread())
            async for line in response.aiter_lines():
                if not line.startswith("data:"):
                    continue
                data = line.removeprefix("data:").strip()
                if data == "[DONE]":
                    break
                for event in answer.read(json.loads(data)):
                    yield event
                if not answer.open:  # every choice met a stop string: what vLLM still writes is cancelled
                    return
        if answer.open:
            raise UnavailableError("vLLM's answer ended before it was complete; try again.")

    async def stats(self) -> dict[str, int]:
        """Return the load as this process sees it."""
        return {
            "running": self._running,
            "waiting": 0,
            "context": self.context,
            "prompt_tokens": self._prompt_tokens,
            "tokens": self._tokens,
        }

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()


def body_of(request: Request, end_id: int | None) -> dict[str, Any]:
    """Return the request in the words of vLLM's completions route.

    Tokens come as "token_id:7", because text does not tell which token was meant. Our stop tokens replace vLLM's own.
    """
    stops = ([] if end_id is None else [end_id]) if request.stop_ids is None else list(request.stop_ids)
    body: dict[str, Any] = {
        "model": NAME,
        "prompt": list(request.prompt_ids),
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "n": request.choices,
        "stop_token_ids": stops,
        "ignore_eos": True,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "logprobs": request.top_logprobs,
        "return_tokens_as_token_ids": True,
        "skip_special_tokens": False,
        "stream": True,
    }
    if request.seed is not None:
        body["seed"] = request.seed % 2**63
    if request.logit_bias:
        added: dict[str, float] = {}
        for token, value in request.logit_bias:
            added[str(token)] = added.get(str(token), 0.0) + value
        body["logit_bias"] = added
    if request.prompt_logprobs:
        body["echo"] = True
    if request.tenant:  # its cache of prompts would tell one tenant by its speed what another one sent
        body["cache_salt"] = request.tenant
    return body


class _Answer:
    """Turns vLLM's chunks into events. At a stop string a choice ends for us, whatever vLLM goes on to say."""

    def __init__(self, request: Request, decoder: Decoder) -> None:
        self.request = request
        self.open = set(range(request.choices))
        self._texts = [TextStream(decoder, request.stop) for _ in range(request.choices)] if is_textual(request) else []
        # With an echo every choice begins with the prompt's tokens.
        self._echoed = [len(request.prompt_ids) if request.prompt_logprobs else 0] * request.choices
        self._scores: list[list[tuple[float, tuple[Top, ...]]]] = [[] for _ in range(request.choices)]

    def read(self, chunk: Mapping[str, Any]) -> list[Event]:
        """Return the events of one chunk."""
        if "error" in chunk:
            raise UnavailableError(f"vLLM failed while it answered: {chunk['error'].get('message', '')}")
        events: list[Event] = []
        for choice in chunk["choices"]:
            index, reason = choice["index"], choice["finish_reason"]
            if index not in self.open:
                continue
            entries = _entries(choice.get("logprobs"))
            if self._echoed[index]:
                entries = self._without_prompt(index, entries)
            for number, (token, logprob, top) in enumerate(entries):
                last = reason if number == len(entries) - 1 else None
                events.append(self._event(index, token, logprob, top, last))
                if index not in self.open:
                    break
            if reason is not None and index in self.open:  # nothing was asked for, or only the prompt's scores
                self.open.discard(index)
                events.append(Event(0, index, None, 0.0, _reason(reason), prompt=self._prompt(index)))
        return events

    def _without_prompt(self, index: int, entries: list[Entry]) -> list[Entry]:
        echoed = entries[: self._echoed[index]]
        self._scores[index] += [(logprob, top) for _, logprob, top in echoed]
        self._echoed[index] -= len(echoed)
        return [] if self.request.max_tokens == 0 else entries[len(echoed) :]

    def _prompt(self, index: int) -> tuple[tuple[float, tuple[Top, ...]], ...] | None:
        """Return the prompt's scores with the first event of the first choice."""
        if index or not self._scores[0]:
            return None
        scores, self._scores[0] = tuple(self._scores[0][1:]), []
        return scores

    def _event(self, index: int, token: int, logprob: float, top: tuple[Top, ...], reason: str | None) -> Event:
        ended = None if reason is None else _reason(reason)
        text = ""
        if self._texts:
            stream = self._texts[index]
            text = "" if ended == "stop" else stream.push(token)
            if ended is not None and not stream.stopped:
                text += stream.finish()
            ended = "stop" if stream.stopped else ended
        if ended is not None:
            self.open.discard(index)
        prompt = self._prompt(index)
        return Event(0, index, token, logprob, ended, text, top=top, prompt=prompt)


#: A token with its log-probability and the likeliest ones at its place.
Entry = tuple[int, float, tuple[Top, ...]]


def _entries(logprobs: Mapping[str, Any] | None) -> list[Entry]:
    if not logprobs:
        return []
    likely = logprobs.get("top_logprobs") or [None] * len(logprobs["tokens"])
    rows = zip(logprobs["tokens"], logprobs["token_logprobs"], likely, strict=True)
    return [(_id(token), 0.0 if score is None else score, _tops(token, top)) for token, score, top in rows]


def _tops(token: str, likely: Mapping[str, float] | None) -> tuple[Top, ...]:
    """Return the likeliest tokens; vLLM adds the sampled one when it is not among them."""
    found = sorted((Top(_id(name), score) for name, score in (likely or {}).items()), key=lambda top: -top.logprob)
    return tuple(found)


def _id(token: str) -> int:
    return int(token.removeprefix("token_id:"))


def _reason(reason: str) -> FinishReason:
    return "length" if reason == "length" else "stop"


def _refusal(status: int, body: bytes) -> Exception:
    """Say what vLLM said: 400 is about the request, everything else about the server."""
    try:
        value = json.loads(body)
        said = str((value.get("error") or value).get("message", ""))
    except (ValueError, AttributeError):
        said = ""
    if status in (400, 422):
        return RequestError(f"vLLM refuses the request: {said}")
    return UnavailableError(f"vLLM answers {status}: {said or 'nothing more'}")


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
