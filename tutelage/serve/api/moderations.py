"""/v1/moderations: what the content filter says of texts."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tutelage.safety.categories import CATEGORIES
from tutelage.safety.policy import Policy, Verdict
from tutelage.serve.api import bodies
from tutelage.serve.screen import Screen

#: Most texts of one call.
MOST_TEXTS = 128
#: Most characters of one call: what waits behind it are people's answers.
MOST_CHARACTERS = 100_000


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


def router(screen: Screen) -> APIRouter:
    """Return the endpoint."""
    routes = APIRouter()

    @routes.post("/v1/moderations")
    async def moderations(request: Request) -> dict[str, Any]:
        parameters = await bodies.read(request, ModerationParameters)
        verdicts = await screen.score(parameters.texts)
        policy = screen.content.policy
        return {
            "id": f"modr-{secrets.token_hex(12)}",
            "model": policy.version,
            "results": [shown(verdict, policy) for verdict in verdicts],
        }

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
