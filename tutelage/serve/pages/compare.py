"""/compare: the same prompt to two arms, side by side and blind, a vote, and the tally of all votes for operators."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from tutelage.serve.api import bodies
from tutelage.serve.api.calls import unless_gone
from tutelage.serve.pages import tally, welcome
from tutelage.serve.pages.comparing import Comparing
from tutelage.serve.pages.visiting import Visits
from tutelage.store import votes
from tutelage.store.accounts import STAFF
from tutelage.store.votes import REASONS, Choice, Reason
from tutelage.web.access import SignInNeededError, public
from tutelage.web.errors import ApiError
from tutelage.web.site import Here

#: Who sees the tally.
SEES = (*STAFF, "researcher")
GONE = 499


class Asked(BaseModel):
    """The prompt that two arms answer."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: Annotated[str, Field(max_length=100_000)]

    @field_validator("prompt")
    @classmethod
    def _says_something(cls, prompt: str) -> str:
        if not prompt.strip():
            raise ValueError("the prompt is empty; write one")
        return prompt


class Voted(BaseModel):
    """A vote on a comparison."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(min_length=1, max_length=100)]
    choice: Choice
    reasons: Annotated[list[Reason], Field(max_length=len(REASONS))] = []

    @field_validator("reasons")
    @classmethod
    def _are_different(cls, reasons: list[Reason]) -> list[Reason]:
        if len(set(reasons)) < len(reasons):
            raise ValueError("a reason is named twice")
        return reasons


def router(comparing: Comparing, visits: Visits) -> APIRouter:
    """Return the pages and what they ask. All are let in by `Visits`, which knows local mode."""
    routes = APIRouter()

    @routes.get("/compare")
    @public
    async def compare(request: Request, here: Here, application: str = "") -> Response:
        begun = await welcome.begin(visits, request, application)
        if isinstance(begun, Response):
            return begun
        number = len(comparing.arms(begun.visitor))
        return await asyncio.to_thread(
            here.pages.render, request, "compare.html", begun=begun, number=number, reasons=REASONS
        )

    @routes.post("/compare/{application}/answers")
    @public
    async def answers(request: Request, application: str) -> Any:
        visitor = await visits.visitor(request, application)
        asked = await bodies.read(request, Asked)
        found = await unless_gone(request, comparing.answer(request, visitor, asked.prompt))
        return Response(status_code=GONE) if found is None else found

    @routes.post("/compare/{application}/votes")
    @public
    async def vote(request: Request, application: str) -> dict[str, Any]:
        visitor = await visits.visitor(request, application)
        said = await bodies.read(request, Voted)
        return await comparing.vote(visitor, said.id, said.choice, said.reasons)

    @routes.get("/compare/tally")
    @public
    async def show_tally(request: Request, here: Here) -> Response:
        if not await visits.is_local(request):
            found = getattr(request.state, "session", None)
            if found is None:
                raise SignInNeededError
            if found.person.role not in SEES:
                raise ApiError(403, "Votes are counted for who operates this; ask an administrator.", code="wrong_role")
        cast = await asyncio.to_thread(votes.counted, comparing.store)
        counted = await asyncio.to_thread(tally.count, cast)
        return await asyncio.to_thread(
            here.pages.render, request, "tally.html", counted=counted, name_of=comparing.name_of
        )

    return routes
