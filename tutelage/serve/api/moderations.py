"""/v1/moderations: what the content filter says of texts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tutelage.generate.waiting import Bounds, FairQueue, OverloadedError, Share
from tutelage.safety.categories import CATEGORIES
from tutelage.safety.policy import Policy, Verdict
from tutelage.serve.admission.access import grant_of
from tutelage.serve.admission.admission import Admission
from tutelage.serve.api import bodies
from tutelage.serve.api.calls import plain
from tutelage.serve.screen import Screen
from tutelage.serve.stream.answers import overloaded

#: Most texts of one call.
MOST_TEXTS = 128
#: Most characters of one call: what waits behind it are people's answers.
MOST_CHARACTERS = 100_000
#: Texts of a call that are scored before the next one has its turn.
TOGETHER = 16
#: The classifier reads the texts of one call at a time, so that people's answers never wait behind more than those.
BOUNDS = Bounds(choices=1, requests=64, tokens=16 * MOST_CHARACTERS)


class ModerationParameters(BaseModel):
    """The parameters. `model` may name anything: there is one filter, whose version the answer has."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input: str | Annotated[list[str], Field(min_length=1, max_length=MOST_TEXTS)]
    model: str = ""

    @model_validator(mode="after")
    def _is_no_book(self) -> ModerationParameters:
        if sum(map(len, self.texts)) > MOST_CHARACTERS:
            raise ValueError(f"input has more than {MOST_CHARACTERS} characters; send several calls")
        return self

    @property
    def texts(self) -> list[str]:
        """Return the texts one by one."""
        return [self.input] if isinstance(self.input, str) else self.input


def router(screen: Screen, admission: Admission) -> APIRouter:
    """Return the endpoint. A call counts among the requests a minute, and costs no tokens."""
    routes = APIRouter()
    queue = FairQueue(BOUNDS)

    async def scored(share: Share, texts: Sequence[str]) -> list[Verdict]:
        found: list[Verdict] = []
        for start in range(0, len(texts), TOGETHER):
            part = texts[start : start + TOGETHER]
            tokens = sum(map(len, part))  # characters: what waits is bounded, not counted
            async with queue.turn(share, tokens=tokens, choices=1, patience=admission.timeouts.queue):
                found += await screen.score(part)
        return found

    @routes.post("/v1/moderations")
    async def moderations(request: Request) -> Response:
        grant = grant_of(request)
        texts = (await bodies.read(request, ModerationParameters)).texts
        share = (grant.application_id, grant.key_id or grant.person)

        async def answer() -> dict[str, Any]:
            async with admission.ledger.charge(grant, admission.ledger.end_user(grant, ""), 0):
                try:
                    verdicts = await scored(share, texts)
                except OverloadedError as error:
                    raise overloaded(error) from error
            policy = screen.content.policy
            return {
                "id": f"modr-{secrets.token_hex(12)}",
                "model": policy.version,
                "results": [shown(verdict, policy) for verdict in verdicts],
            }

        return await plain(request, answer())

    return routes


def shown(verdict: Verdict, policy: Policy) -> dict[str, Any]:
    """Return a verdict as OpenAI's endpoint does, with severity and rule; a category nobody scores is null, not no."""
    flagged = verdict.flagged(policy)
    scored = [one for one in CATEGORIES if one.is_openai or one.name in verdict.scores]
    return {
        "flagged": verdict.severity > 0,
        "categories": {one.name: flagged.get(one.name) for one in scored},
        "category_scores": {one.name: verdict.scores.get(one.name) for one in scored},
        "category_applied_input_types": {one.name: ["text"] for one in scored if one.name in verdict.scores},
        "severity": verdict.severity,
        "rule": verdict.rule,
    }
