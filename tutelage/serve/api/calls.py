"""What both endpoints do with a call: find the model, hold room, ask, and answer whole or as a stream."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tutelage.generate.wire import Ask
from tutelage.safety.content import FilterUnavailableError
from tutelage.serve.admission.access import grant_of
from tutelage.serve.admission.admission import Admission
from tutelage.serve.admission.grants import Grant
from tutelage.serve.admission.ledger import most_tokens
from tutelage.serve.admission.running import stopping
from tutelage.serve.admission.timeouts import ending, too_late
from tutelage.serve.api.record import CLIENT_GONE, Note, bug, data_use
from tutelage.serve.api.recorder import Recorder
from tutelage.serve.api.schema import Sampling
from tutelage.serve.catalogue import Catalogue, Served, unknown
from tutelage.serve.screen import BlockedError, Screen, unavailable
from tutelage.serve.stream.answers import Answers
from tutelage.serve.stream.choices import Choices, New
from tutelage.serve.stream.events import DONE, events
from tutelage.serve.stream.pieces import Piece
from tutelage.web.errors import ApiError

if TYPE_CHECKING:
    from tutelage.serve.api.repeats import Repeats

Result = TypeVar("Result")
#: Seconds by which an engine's own deadline is later than ours.
LATER = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a request asks for, by which grant, and for whom: `end_user` is a salted hash, "" in local mode.

    `until` is when it must have ended, on the monotonic clock; `note` is what will be written down of it.
    """

    grant: Grant
    end_user: str
    model: str
    asks: Sequence[Ask]
    id: str
    note: Note
    until: float
    is_echo: bool = False


@dataclass(slots=True)
class Call:
    """A call on its way: what was wanted, its model, its answers, and its token counts."""

    wanted: Wanted
    served: Served
    answers: Answers
    choices: Choices
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
        head = {"id": self.wanted.id, "object": kind, "created": self.created, "model": self.served.name}
        return {**head, "system_fingerprint": fingerprint}

    async def pieces(self) -> AsyncIterator[New]:
        """Yield what is new of any choice, as far as the filter lets it leave."""
        try:
            async for new in self._pieces():
                yield new
        except ApiError as error:  # a stream tells it to the client and ends as if nothing had happened
            self.wanted.note.error = error
            raise
        except Exception:
            self.wanted.note.error = bug()
            raise
        self.wanted.note.is_whole = True

    async def _pieces(self) -> AsyncIterator[New]:
        try:
            async for batch in self.answers.batches():
                for number, news in batch:
                    self.completion_tokens += news.is_token + news.discarded
                    self.choices.add(number, news)
                settling = self.choices.settled()
                for new in await (self.answers.while_running(settling) if self.choices.is_scoring else settling):
                    self.wanted.note.give(new.choice, new.written, new.tokens, new.piece.finish_reason)
                    yield new
                for number in {number for number, _ in batch if self.choices.is_over(number)}:
                    self.answers.drop(number)
        except FilterUnavailableError as error:
            raise unavailable(error) from error

    async def whole(self) -> list[Piece]:
        """Return all choices when they have ended."""
        choices = [Piece() for _ in range(len(self.wanted.asks) * self.wanted.asks[0].n)]
        async for new in self.pieces():
            choices[new.choice].add(new.piece)
        return choices


#: Makes the chunks of a streamed answer.
Chunks = Callable[[Call], AsyncIterator[dict[str, Any]]]


class Caller:
    """Opens calls on the served models, within what the grant and the capacity allow."""

    def __init__(
        self, catalogue: Catalogue, admission: Admission, recorder: Recorder, screen: Screen, repeats: Repeats
    ) -> None:
        self.catalogue, self.admission, self.recorder, self.screen = catalogue, admission, recorder, screen
        self.repeats = repeats

    def wanted(
        self, request: Request, parameters: Sampling, asks: Sequence[Ask], prefix: str, *, is_echo: bool = False
    ) -> Wanted:
        """Return what a request asks for; the name of its end user goes no further."""
        grant = grant_of(request)
        note = Note(
            id=f"{prefix}-{secrets.token_hex(12)}",
            endpoint="chat" if prefix == "chatcmpl" else "completions",
            grant=grant,
            end_user=self.admission.ledger.end_user(grant, parameters.user),
            address=request.client.host if request.client else "",
            data_use=data_use(request, grant),
            alias=parameters.model,
            asks=asks,
            is_stream=parameters.stream,
            is_echo=is_echo,
            created=self.admission.ledger.now(),
        )
        request.state.note = note  # the log tells of it when the request has ended
        return Wanted(
            grant=grant,
            end_user=note.end_user,
            model=parameters.model,
            asks=asks,
            id=note.id,
            note=note,
            until=self.admission.timeouts.until(request),
            is_echo=is_echo,
        )

    @contextlib.asynccontextmanager
    async def open(self, wanted: Wanted) -> AsyncIterator[Call]:
        """Ask the engine; leaving the block cancels what still runs, and lets what became of it be written down."""
        with self.recorder.noting(wanted.note):
            self.recorder.check()
            if self.admission.running.is_closed:
                raise stopping()
            async with self._admitted(wanted) as call:
                yield call

    @contextlib.asynccontextmanager
    async def _admitted(self, wanted: Wanted) -> AsyncIterator[Call]:
        """Ask the engine within what is allowed; leaving the block counts what it cost."""
        grant, asks, admission = wanted.grant, wanted.asks, self.admission
        if not grant.may_use(wanted.model):
            raise unknown(wanted.model)
        with self.catalogue.use(wanted.model, f"{grant.application_id}/{wanted.end_user}") as served:
            wanted.note.model = served.name
            most = most_tokens(asks, served.engine.context)
            async with admission.ledger.charge(grant, wanted.end_user, most) as bill:
                wanted.note.reservation = bill.reservation
                self.recorder.began(wanted.note)
                answers = Answers(served.engine, self._timed(wanted))
                choices = Choices(answers.accepted, asks[0].n, is_echo=wanted.is_echo)
                call = Call(wanted, served, answers, choices)
                # Nothing waits between this look and the watch's: whatever ends the grant is seen by one of them.
                with (
                    admission.running.hold(await admission.grants.now_of(grant), answers.end),
                    ending(wanted.until, answers.end),
                ):
                    try:
                        async with answers:
                            wanted.note.accepted = time.monotonic()
                            await self._screen(call)
                            yield call
                    finally:
                        bill.tokens = call.usage()["total_tokens"]
                        wanted.note.count(answers.accepted, call.completion_tokens)
                        if choices.screened is not None and choices.verdict is not None:
                            wanted.note.judge("completion", choices.verdict, choices.screened.content.policy)

    def _timed(self, wanted: Wanted) -> list[Ask]:
        """Return what is asked of the engine: whose turn it takes, and how long it may wait and take."""
        left = wanted.until - time.monotonic()
        if left <= 0:
            raise too_late()
        share = (wanted.grant.application_id, wanted.grant.key_id or wanted.grant.person)
        patience = min(left, self.admission.timeouts.queue)
        # The engine ends by itself what nobody ends here: a little later, so that our word comes first.
        return [replace(ask, share=share, patience=patience, deadline=left + LATER) for ask in wanted.asks]

    async def _screen(self, call: Call) -> None:
        """Have the prompts of a call scored, as the engine read them, and let the same filter score what is written."""
        note, answers = call.wanted.note, call.answers
        prompts = [accepted.prompt_text for _, accepted in sorted(answers.accepted.items())]
        try:
            screened = await answers.while_running(self.screen.opened(call.wanted.grant.filter_mode, prompts))
        except BlockedError as error:
            note.judge("prompt", error.verdict, self.screen.content.policy)
            raise
        if screened is not None:
            policy = screened.content.policy
            note.judge("prompt", policy.worst(screened.prompts), policy)
        call.choices.screened = screened


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


async def plain(
    request: Request, work: Coroutine[Any, Any, dict[str, Any]], headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with JSON, unless nobody listens any more."""
    answer = await unless_gone(request, work)
    return Response(status_code=CLIENT_GONE) if answer is None else JSONResponse(answer, headers=headers)


class CallStream(StreamingResponse):
    """A stream that ends its call however it ends itself: also when the client leaves before the first event."""

    def __init__(
        self, call: contextlib.AsyncExitStack, content: AsyncIterator[bytes], headers: Mapping[str, str]
    ) -> None:
        given = {"Cache-Control": "no-store", **headers}
        super().__init__(_counted(content, call), media_type="text/event-stream", headers=given)
        self._call = call
        #: Is called when the stream has ended, however it did.
        self.at_end: Callable[[], None] = lambda: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            async with self._call:
                await super().__call__(scope, receive, send)
        finally:
            self.at_end()


async def _counted(content: AsyncIterator[bytes], call: contextlib.AsyncExitStack) -> AsyncIterator[bytes]:
    """Yield a stream; when its last word is said, its call has been counted and written down."""
    async for event in content:
        if event == DONE:
            await call.aclose()
        yield event


async def streamed(
    request: Request,
    opened: contextlib.AbstractAsyncContextManager[Call],
    chunks: Chunks,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with the stream of `chunks(call)`; what is refused is refused before the stream begins.

    A client may leave while the call still waits for its turn.
    """
    stack = contextlib.AsyncExitStack()
    try:
        call = await unless_gone(request, stack.enter_async_context(opened))
    except BaseException:
        await stack.aclose()
        raise
    if call is None:
        await stack.aclose()
        return Response(status_code=CLIENT_GONE)
    return CallStream(stack, events(chunks(call)), headers or {})
