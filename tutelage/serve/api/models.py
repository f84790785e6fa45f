"""/v1/models, and whether the server lives and is ready."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from tutelage.serve.catalogue import Catalogue, Served
from tutelage.web.errors import ApiError


def router(catalogue: Catalogue) -> APIRouter:
    """Return the list of models."""
    routes = APIRouter()

    @routes.get("/v1/models")
    async def models() -> dict[str, Any]:
        for name in catalogue.names:  # an alias that moved shows at once
            await catalogue.find(name)
        return {
            "object": "list",
            "data": [_shown(catalogue, name, s) for name, s in sorted(catalogue.current().items())],
        }

    @routes.get("/v1/models/{name}")
    async def model(name: str) -> dict[str, Any]:
        return _shown(catalogue, name, await catalogue.find(name))

    return routes


def health(catalogue: Catalogue) -> APIRouter:
    """Return the two questions that need no key."""
    routes = APIRouter()

    @routes.get("/healthz")
    async def is_alive() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/readyz")
    async def is_ready() -> dict[str, str]:
        if not catalogue.is_ready:
            raise ApiError(503, "An engine is not ready; try again in a moment.", headers={"Retry-After": "2"})
        return {"status": "ready"}

    return routes


def _shown(catalogue: Catalogue, name: str, served: Served) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": catalogue.created,
        "owned_by": "tutelage",
        "version": served.name,
    }
