"""A chat endpoint on a real port that stands for somebody's model: what it says is scripted."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

#: What is said to a conversation: a text, or a whole response.
Script = Callable[[list[dict[str, str]]], str | Response]
_SHOWN = re.compile(r"<(REQUEST|ANSWER A|ANSWER B|ANSWER) ([0-9a-f]{12})>\n(.*?)\n</\1 \2>", re.DOTALL)


@dataclass
class Peer:
    """Where it answers, and the requests that it got: bodies and headers."""

    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def answering(script: Script) -> Iterator[Peer]:
    """Answer chat completions by a script until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        peer = Peer(f"http://127.0.0.1:{bound.getsockname()[1]}/v1")
        config = uvicorn.Config(_app(peer, script), log_level="warning", ws="none", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            yield peer
        finally:
            server.should_exit = True
            thread.join()


def _app(peer: Peer, script: Script) -> FastAPI:
    app, lock = FastAPI(), threading.Lock()

    @app.post("/v1/chat/completions")
    def chat(body: dict[str, Any], request: Request) -> Response:
        with lock:
            peer.bodies.append(body)
            peer.headers.append(dict(request.headers))
        said = script(body["messages"])
        return said if isinstance(said, Response) else completion(said)

    return app


def completion(text: str | None, usage: dict[str, int] | None = None) -> Response:
    """Return a reply as the protocol has it; 100 tokens read and 10 written unless told otherwise."""
    message = {"role": "assistant", "content": text}
    told = {"prompt_tokens": 100, "completion_tokens": 10} if usage is None else usage
    return JSONResponse({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": told})


def shown(messages: list[dict[str, str]]) -> dict[str, str]:
    """Return the texts between the marks of the first question, by name."""
    return {name: text for name, _, text in _SHOWN.findall(messages[1]["content"])}


def likes_longer(messages: list[dict[str, str]]) -> str:
    """Prefer the longer answer, and rate by length."""
    texts = shown(messages)
    if "ANSWER" in texts:
        quality = min(7, 1 + len(texts["ANSWER"]) // 5)
        return json.dumps({"quality": quality, "flags": {"fails_task": quality < 3, "hallucination": None}})
    a, b = len(texts["ANSWER A"]), len(texts["ANSWER B"])
    return json.dumps({"better": "tie" if a == b else "A" if a > b else "B"})
