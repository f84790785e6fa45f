"""The account of a call: what it may cost is reserved before it runs, and what it did cost is counted when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from tutelage.errors import UserError
from tutelage.generate.wire import Ask
from tutelage.serve.admission.grants import Grant
from tutelage.store import Store, end_users, quotas
from tutelage.store.application_forms import Limits
from tutelage.store.quotas import Refused, Reservation
from tutelage.web.errors import ApiError
from tutelage.web.site import utc_now

logger = logging.getLogger(__name__)

#: Tokens that a model's template may add to a conversation, and to each of its messages.
TEMPLATE_TOKENS, MESSAGE_TOKENS = 256, 16
#: Tokens that a text may have beside one for each byte: its beginning.
_BEGINNING = 2
_SAID = {
    "requests_per_minute": "requests a minute",
    "tokens_per_minute": "tokens a minute",
    "tokens_per_day": "tokens a day",
}


@dataclass(slots=True)
class Bill:
    """What a call holds of its quota, and what it cost so far."""

    reservation: Reservation | None
    tokens: int = 0


class Ledger:
    """Reserves and settles. Settling goes on after the answer, and in spite of a client that leaves."""

    def __init__(self, store: Store, now: Callable[[], datetime] = utc_now) -> None:
        self.store, self.now = store, now
        self._settling: set[asyncio.Task[None]] = set()

    def end_user(self, grant: Grant, user: str) -> str:
        """Return what stands for the `user` of a request from now on, "" in local mode; on a page it is who asks."""
        return "" if grant.is_local else end_users.hash_of(self.store, grant.organisation_id, grant.person or user)

    async def reserve(self, grant: Grant, end_user: str, tokens: int) -> Reservation | None:
        """Hold what a call may cost; raise ApiError 403 for one person too many and 429 beyond the quota."""
        if grant.limits is None:
            return None
        reserved = await self._reserve(grant.application_id, grant.limits, tokens)
        try:
            if grant.limits.end_users:
                await self._admit(grant, end_user, grant.limits.end_users)
        except BaseException:
            self.settle(reserved, 0)
            raise
        return reserved

    @contextlib.asynccontextmanager
    async def charge(self, grant: Grant, end_user: str, tokens: int) -> AsyncIterator[Bill]:
        """Hold what a call may cost until the end of the block, then count what the bill says."""
        bill = Bill(await self.reserve(grant, end_user, tokens))
        try:
            yield bill
        finally:
            self.settle(bill.reservation, bill.tokens)

    def settle(self, reservation: Reservation | None, tokens: int) -> None:
        """Count what a call used, from now on in the background; a gateway that dies first leaves it to the others."""
        if reservation is not None:
            self._keep(self._settle(reservation, tokens))

    async def settled(self) -> None:
        """Wait until everything is counted."""
        while self._settling:
            await asyncio.gather(*self._settling)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _reserve(self, application: str, limits: Limits, tokens: int) -> Reservation:
        reserve = partial(quotas.reserve, self.store, application, tokens=tokens, limits=limits)
        reserving = asyncio.create_task(asyncio.to_thread(reserve, now=self.now()))
        try:
            reserved = await asyncio.shield(reserving)
        except asyncio.CancelledError:
            # The client left meanwhile; what is held for it is given back as soon as it is there.
            self._keep(self._give_back(reserving))
            raise
        if isinstance(reserved, Refused):
            raise _beyond(reserved, tokens)
        return reserved

    async def _give_back(self, reserving: asyncio.Task[Reservation | Refused]) -> None:
        with contextlib.suppress(UserError):
            reserved = await reserving
            if isinstance(reserved, Reservation):
                await self._settle(reserved, 0)

    async def _settle(self, reservation: Reservation, tokens: int) -> None:
        try:
            await asyncio.to_thread(quotas.settle, self.store, reservation, tokens=tokens, now=self.now())
        except UserError as error:
            logger.error("a call could not be settled and is returned after its deadline: %s", error)

    async def _admit(self, grant: Grant, end_user: str, most: int) -> None:
        is_one_of_few = await asyncio.to_thread(
            end_users.admit, self.store, grant.application_id, end_user, most=most, now=self.now()
        )
        if not is_one_of_few:
            raise ApiError(
                403,
                f"Before its review an application is for {most} people, and this is one more; send it in for review.",
                code="end_user_limit",
                param="user",
            )


def most_tokens(asks: Sequence[Ask], context: int) -> int:
    """Return how many tokens these requests can cost at most, prompts included; a prompt counts once."""
    return sum(_most(ask, context) for ask in asks)


def _most(ask: Ask, context: int) -> int:
    """Bound one request: a token has a byte at least, and a prompt and an answer fit into the context together."""
    if ask.ids is not None:
        prompt = len(ask.ids)
    elif ask.messages is not None:
        prompt = TEMPLATE_TOKENS + sum(MESSAGE_TOKENS + len(text.encode()) for _, text in ask.messages)
    else:
        prompt = _BEGINNING + len((ask.text or "").encode())
    choices = ask.best_of or ask.n
    if ask.max_tokens is None:  # what the prompt leaves, which with the prompt is the context
        return choices * context
    answer = min(ask.max_tokens, context)
    return min(prompt, context - answer) + choices * answer


def _beyond(refused: Refused, tokens: int) -> ApiError:
    said = _SAID[refused.limit]
    if refused.retry_after is None:
        return ApiError(
            400,
            f"This call may cost {tokens} tokens, and the application has {refused.most} {said}; ask for less at once.",
            code="request_too_large",
        )
    seconds = max(1, int(refused.retry_after) + 1)
    code = "insufficient_quota" if refused.limit == "tokens_per_day" else "rate_limit_exceeded"
    message = f"The application has {refused.most} {said}, which are used up; try again in {seconds} seconds."
    return ApiError(429, message, code=code, headers={"Retry-After": str(seconds)})
