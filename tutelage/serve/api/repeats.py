"""Idempotency keys: a call that is sent again with the key that it had is answered once, and told again.

The key is the client's own word for a call, and means something for one API key and one body only. While a call is
being answered, another one with its key is refused with 409: who waits for it tries again. What was answered whole is
kept for a day; what was not is forgotten, so that the call can be sent again. A gateway that dies while it answers
loses its hold after `HELD`, and the next one answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from tutelage.errors import UserError
from tutelage.serve.admission.access import grant_of
from tutelage.serve.api.calls import CallStream
from tutelage.serve.stream.events import DONE, ERROR
from tutelage.store import Store, repeats
from tutelage.store.repeats import Call
from tutelage.web.errors import ApiError

logger = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
#: Said with an answer that was given before.
REPLAYED = {"Idempotency-Replayed": "true"}
LONGEST_KEY = 255
#: The longest answer that is kept.
MOST_BYTES = 1 << 22
#: For how long a gateway that gives no sign of life holds its calls, and how often it gives one.
HELD = timedelta(seconds=30)
SIGN_SECONDS = 10.0


class Repeats:
    """The calls with a key that this process answers. `start` before use, `stop` after; in one event loop."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self.store, self.now = store, now
        self.holder = secrets.token_hex(8)
        self._held: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._living: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Give signs of life from now on."""
        self._living = asyncio.create_task(self._live())

    async def stop(self) -> None:
        """Write what is to be written, and give no more signs."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._living is not None:
            self._living.cancel()
            await asyncio.gather(self._living, return_exceptions=True)

    async def once(
        self, request: Request, parameters: BaseModel, answer: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Answer a call, or tell again what was answered; without a key this is `answer`."""
        call = self._call(request, parameters)
        if call is None:
            return await answer()
        found = await asyncio.to_thread(
            repeats.claim, self.store, call, holder=self.holder, now=self.now(), until=self.now() + HELD
        )
        if found.state == "another":
            raise ApiError(
                409,
                f"This {HEADER} was sent with another body before; take a new one for another call.",
                code="idempotency_key_reused",
                headers={"x-should-retry": "false"},
            )
        if found.state == "running":
            raise ApiError(
                409,
                f"The call with this {HEADER} is being answered; try again in a second.",
                code="idempotency_key_in_use",
                headers={"Retry-After": "1"},
            )
        if found.state == "answered":
            is_stream = getattr(parameters, "stream", False)
            media = "text/event-stream" if is_stream else "application/json"
            return Response(found.answer, media_type=media, headers={"Cache-Control": "no-store", **REPLAYED})
        self._held.add(call.id)
        return await self._answered(call.id, answer)

    def _call(self, request: Request, parameters: BaseModel) -> Call | None:
        given = request.headers.getlist(HEADER)
        if not given:
            return None
        key = given[0]
        if len(given) > 1 or not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
            message = f"{HEADER} is one word of at most {LONGEST_KEY} printable characters, new for each call."
            raise ApiError(400, message, code="idempotency_key")
        # It counts for one API key, or one person at a page: nobody learns from a word what anybody else asked.
        grant = grant_of(request)
        id = self.store.digest("repeat", grant.key_id, grant.application_id, grant.person, key)
        return Call(id=id, body=self.store.digest("body", request.url.path, parameters.model_dump_json()))

    async def _answered(self, id: str, answer: Callable[[], Awaitable[Response]]) -> Response:
        try:
            response = await answer()
        except BaseException:
            self._later(self._release(id))
            raise
        if isinstance(response, CallStream):
            response.body_iterator = self._kept(id, response.body_iterator)
            response.at_end = lambda: self._later(self._release(id))  # of what was kept, nothing is released
        elif isinstance(response, JSONResponse) and response.status_code == 200 and len(response.body) <= MOST_BYTES:
            await self._keep(id, bytes(response.body).decode())
        else:
            self._later(self._release(id))
        return response

    async def _kept(self, id: str, events: Any) -> AsyncIterator[bytes]:
        """Yield the events of a stream, and keep them before the last one tells the client that it has all."""
        whole = bytearray()
        is_sound = True
        async for event in events:
            is_sound = is_sound and len(whole) <= MOST_BYTES and not event.startswith(ERROR)
            if is_sound:
                whole += event
            if is_sound and event == DONE:
                await self._keep(id, whole.decode())
            yield event

    async def _keep(self, id: str, answer: str) -> None:
        """Keep an answer. It is told to its client even where that fails, and another call will answer anew."""
        try:
            await asyncio.to_thread(repeats.finish, self.store, id, holder=self.holder, answer=answer)
        except UserError as error:
            logger.error("an answer could not be kept for its idempotency key: %s", error)
        self._held.discard(id)

    async def _release(self, id: str) -> None:
        with contextlib.suppress(UserError):  # then it is released when it is no longer held
            await asyncio.to_thread(repeats.release, self.store, id, holder=self.holder)
        self._held.discard(id)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(SIGN_SECONDS)
            if self._held:
                with contextlib.suppress(UserError):
                    await asyncio.to_thread(
                        repeats.prolong, self.store, list(self._held), holder=self.holder, until=self.now() + HELD
                    )
