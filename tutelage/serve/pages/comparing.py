"""Two answers to one prompt, by two arms that nobody is told of before the vote.

Both go the way of every call: admission, quota, filter and log. They are shown together when both are there, because
which of two models is the faster one would tell them apart, and so would the order of their ends.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from tutelage.generate.wire import Ask
from tutelage.serve.api.calls import Caller, Wanted
from tutelage.serve.api.schema import ChatParameters
from tutelage.serve.pages import pairs
from tutelage.serve.pages.settings import ArmSettings, CompareSettings
from tutelage.serve.pages.visiting import Visitor
from tutelage.serve.stream.pieces import Piece
from tutelage.store import votes
from tutelage.store.votes import Choice, Comparison, Reason, Side, Vote
from tutelage.web.errors import ApiError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What an arm answered: the side that it is from now on, and the text."""

    side: Side
    piece: Piece


class Comparing:
    """Lets arms answer, and takes votes. `chance` draws the arms and their sides."""

    def __init__(self, caller: Caller, settings: CompareSettings, chance: random.Random | None = None) -> None:
        self.caller, self.settings = caller, settings
        self.store = caller.catalogue.store
        self.chance = chance or random.SystemRandom()

    def arms(self, visitor: Visitor) -> list[str]:
        """Return the arms that somebody may compare; of those that are the same at this moment, one."""
        end_user = self._voter(visitor)
        found: dict[tuple[str, str, tuple[str, ...]], str] = {}
        for name, arm in self.settings.arms.items():
            if visitor.grant.may_use(arm.model):
                served = self.caller.catalogue.find(arm.model, f"{visitor.grant.application_id}/{end_user}")
                found.setdefault((served.name, arm.frame, arm.stop), name)
        return list(found.values())

    async def answer(self, request: Request, visitor: Visitor, prompt: str) -> dict[str, Any]:
        """Let two arms answer, and return both texts; which arms they are of is kept here, and told after the vote."""
        voter, digest = self._voter(visitor), votes.prompt_of(self.store, prompt)
        done = await asyncio.to_thread(votes.voted, self.store, voter=voter, prompt=digest)
        drawn = pairs.draw(self.arms(visitor), done, self.chance)
        if drawn is None:
            raise ApiError(
                409, "You voted on all there is to compare with this prompt; write another one.", code="all_compared"
            )
        wanted = [self._wanted(request, visitor, name, prompt) for name in drawn]
        left, right = await _together([self._answer(name, one) for name, one in zip(drawn, wanted, strict=True)])
        note = wanted[0].note
        shown = Comparison(
            id=f"cmp-{secrets.token_hex(12)}",
            voter=voter,
            application_id=visitor.grant.application_id,
            prompt=digest,
            left=left.side,
            right=right.side,
            data_use=note.data_use,
            notice_version=note.grant.notice_version if note.data_use == "training" else "",
            created=note.created,
        )
        await asyncio.to_thread(votes.add, self.store, shown)
        return {"id": shown.id, "left": _shown(left.piece), "right": _shown(right.piece)}

    async def vote(self, visitor: Visitor, id: str, choice: Choice, reasons: Sequence[Reason]) -> dict[str, Any]:
        """Keep a vote on a comparison of one's own, and return what stood on which side."""
        mine = {"voter": self._voter(visitor), "application_id": visitor.grant.application_id}
        about = await asyncio.to_thread(votes.get, self.store, id, **mine)
        now = self.caller.admission.ledger.now()
        made = Vote(comparison_id=id, choice=choice, reasons=tuple(reasons), created=now)
        await asyncio.to_thread(votes.vote, self.store, about, made)
        return {"left": self._named(about.left), "right": self._named(about.right)}

    def name_of(self, arm: str) -> str:
        """Return what people call an arm; one that is not configured any more keeps its section's name."""
        settings = self.settings.arms.get(arm)
        return settings.name or arm if settings else arm

    def _named(self, side: Side) -> dict[str, str]:
        return {"arm": self.name_of(side.arm), "model": side.model}

    def _voter(self, visitor: Visitor) -> str:
        return self.caller.admission.ledger.end_user(visitor.grant, visitor.user)

    def _wanted(self, request: Request, visitor: Visitor, name: str, prompt: str) -> Wanted:
        arm, settings = self.settings.arms[name], self.settings
        message = {"role": "user", "content": prompt}
        parameters = ChatParameters.model_validate(
            {"model": arm.model, "messages": [message], "user": visitor.user, "temperature": settings.temperature}
        )
        wanted = self.caller.wanted(request, parameters, [_ask(arm, settings, prompt)], "chatcmpl")
        if arm.frame:
            wanted.note.said = [(("user", prompt),)]
        return wanted

    async def _answer(self, arm: str, wanted: Wanted) -> Answered:
        async with self.caller.open(wanted) as call:
            [piece] = await call.whole()
            return Answered(side=Side(arm=arm, model=call.served.name, request=wanted.id), piece=piece)


async def _together(work: Sequence[Any]) -> list[Answered]:
    """Return what all of them return; when one fails, or nobody waits any more, the others are cancelled."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _ask(arm: ArmSettings, settings: CompareSettings, prompt: str) -> Ask:
    return Ask(
        text=arm.frame.replace("{prompt}", prompt) if arm.frame else None,
        messages=None if arm.frame else (("user", prompt),),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        stop=arm.stop,
    )


def _shown(piece: Piece) -> dict[str, Any]:
    """Return an answer without anything that names who wrote it."""
    return {"text": piece.text, "finish_reason": piece.finish_reason}
