"""/playground: ask a model and read the answer as it comes, by the endpoints of the API itself.

Below an application's address stand the API's own routes, let in by the session instead of a key; in local mode the
page asks the API as it is.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from tutelage.serve.api import chat, completions, feedback
from tutelage.serve.api.calls import Caller
from tutelage.serve.pages import welcome
from tutelage.serve.pages.visiting import LOCAL_NAME, Visits
from tutelage.store import requests
from tutelage.store.requests import Hit
from tutelage.store.requests import Request as Call
from tutelage.web.access import public
from tutelage.web.site import Here

#: Where the API's routes stand for a person who asks through an application.
PREFIX = "/playground/{application}"


def router(caller: Caller, visits: Visits) -> APIRouter:
    """Return the page and what it asks."""
    routes = APIRouter()

    # Let in by `begin`, which knows local mode: `admit` would ask for a session there.
    @routes.get("/playground")
    @public
    async def playground(request: Request, here: Here, application: str = "") -> Response:
        begun = await welcome.begin(visits, request, application)
        if isinstance(begun, Response):
            return begun
        names = caller.catalogue.current().items()
        return await asyncio.to_thread(
            here.pages.render,
            request,
            "playground.html",
            begun=begun,
            api="/v1" if begun.application == LOCAL_NAME else f"/playground/{begun.application}/v1",
            models=[(name, served.name) for name, served in sorted(names) if begun.grant.may_use(name)],
        )

    @routes.get("/playground/{application}/requests/{id}")
    @public
    async def recorded(request: Request, application: str, id: str) -> dict[str, Any]:
        visitor = await visits.visitor(request, application)
        found = await feedback.find(caller.recorder, id, visitor.grant)
        mine = caller.admission.ledger.end_user(visitor.grant, visitor.user)
        if found.end_user != mine:
            raise feedback.unknown_request()
        hits = await asyncio.to_thread(requests.hits, caller.catalogue.store, id)
        return _told(found, hits)

    for endpoint in (
        completions.router(caller),
        chat.router(caller),
        feedback.router(caller.admission, caller.recorder),
    ):
        routes.include_router(endpoint, prefix=PREFIX, dependencies=[Depends(visits.enter)])
    return routes


def _told(found: Call, hits: list[Hit]) -> dict[str, Any]:
    """Return what the log says of a call, for the one who made it."""
    return {
        "id": found.id,
        "model": found.model,
        "action": found.action,
        "finish_reasons": found.finish_reasons,
        "prompt_tokens": found.prompt_tokens,
        "completion_tokens": found.completion_tokens,
        "prompt_severity": found.prompt_severity,
        "completion_severity": found.completion_severity,
        "categories": {role: [hit.category for hit in hits if hit.role == role] for role in ("prompt", "completion")},
        "is_filtered": bool(found.policy_version),
        "data_use": found.data_use,
        "notice_version": found.notice_version,
    }
