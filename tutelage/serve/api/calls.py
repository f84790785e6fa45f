"""What both endpoints do with a call: find the model, hold room, ask, and answer whole or as a stream."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tutelage.generate.wire import Ask
from tutelage.serve.admission.capacity import Capacity
from tutelage.serve.catalogue import Catalogue, Served
from tutelage.serve.stream.answers import Answers
from tutelage.serve.stream.events import events
from tutelage.serve.stream.pieces import Growing, Piece

Result = TypeVar("Result")
CLIENT_GONE = 499


class New(NamedTuple):
    """A piece of a choice; `choice` counts through the choices of all prompts."""

    choice: int
    piece: Piece
    is_first: bool


@dataclass(slots=True)
class Call:
    """A call on its way: its model, its answers, and its token counts."""

    served: Served
    answers: Answers
    asks: Sequence[Ask]
    is_echo: bool
    id: str
    created: int = field(default_factory=lambda: int(time.time()))
    completion_tokens: int = 0

    def usage(self) -> dict[str, int]:
        """Return the token counts so far; a prompt counts once however many choices it has."""
        prompt = sum(accepted.prompt_tokens for accepted in self.answers.accepted.values())
        counts = {"prompt_tokens": prompt, "completion_tokens": self.completion_tokens}
        return {**counts, "total_tokens": prompt + self.completion_tokens}

    def head(self, kind: str) -> dict[str, Any]:
        """Return what every answer and chunk begins with."""
        fingerprint = self.served.fingerprint
        head = {"id": self.id, "object": kind, "created": self.created, "model": self.served.name}
        return {**head, "system_fingerprint": fingerprint}

    async def pieces(self) -> AsyncIterator[New]:
        """Yield what is new of any choice."""
        n = self.asks[0].n
        growing: dict[int, Growing] = {}
        scores: dict[int, Any] = {}
        async for number, news in self.answers.news():
            index = number * n + news.choice
            self.completion_tokens += news.is_token + news.discarded
            if news.prompt is not None:
                scores[number] = news.prompt
            is_first = index not in growing
            piece = Piece()
            if is_first:
                growing[index] = Growing()
                if self.is_echo:
                    text = self.answers.accepted[number].prompt_text
                    piece = growing[index].prompt(text, scores.get(number))
            piece.add(growing[index].add(news))
            if is_first or piece.text or piece.tokens or piece.finish_reason:
                yield New(index, piece, is_first)

    async def whole(self) -> list[Piece]:
        """Return all choices when they have ended."""
        choices = [Piece() for _ in range(len(self.asks) * self.asks[0].n)]
        async for new in self.pieces():
            choices[new.choice].add(new.piece)
        return choices


#: Makes the chunks of a streamed answer.
Chunks = Callable[[Call], AsyncIterator[dict[str, Any]]]


class Caller:
    """Opens calls on the served models, within the capacity."""

    def __init__(self, catalogue: Catalogue, capacity: Capacity) -> None:
        self.catalogue, self.capacity = catalogue, capacity

    @contextlib.asynccontextmanager
    async def open(self, model: str, asks: Sequence[Ask], prefix: str, is_echo: bool = False) -> AsyncIterator[Call]:
        """Ask the engine; leaving the block cancels what still runs."""
        served = await self.catalogue.find(model)
        with self.capacity.take(sum(ask.best_of or ask.n for ask in asks)):
            async with Answers(served.engine, asks) as answers:
                yield Call(served, answers, asks, is_echo, f"{prefix}-{secrets.token_hex(12)}")


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result | None:
    """Return what `work` returns; cancel it and return None when the client leaves first."""
    task = asyncio.create_task(work)
    leaving = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else None
    finally:
        for pending in (task, leaving):
            pending.cancel()
        await asyncio.gather(task, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def plain(request: Request, work: Coroutine[Any, Any, dict[str, Any]]) -> Response:
    """Answer with JSON, unless nobody listens any more."""
    answer = await unless_gone(request, work)
    return Response(status_code=CLIENT_GONE) if answer is None else JSONResponse(answer)


class CallStream(StreamingResponse):
    """A stream that ends its call however it ends itself: also when the client leaves before the first event."""

    def __init__(self, call: contextlib.AsyncExitStack, content: AsyncIterator[bytes]) -> None:
        super().__init__(content, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        async with self._call:
            await super().__call__(scope, receive, send)


async def streamed(opened: contextlib.AbstractAsyncContextManager[Call], chunks: Chunks) -> Response:
    """Answer with the stream of `chunks(call)`; what is refused is refused before the stream begins."""
    stack = contextlib.AsyncExitStack()
    call = await stack.enter_async_context(opened)
    return CallStream(stack, events(chunks(call)))
