"""/v1/models, and whether the server lives and is ready."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from tutelage.serve.admission.access import grant_of
from tutelage.serve.catalogue import Catalogue, Served, unknown
from tutelage.serve.telemetry.pulse import Pulse
from tutelage.web.errors import ApiError


def router(catalogue: Catalogue) -> APIRouter:
    """Return the list of models."""
    routes = APIRouter()

    @routes.get("/v1/models")
    async def models(request: Request) -> dict[str, Any]:
        grant = grant_of(request)
        return {
            "object": "list",
            "data": [
                _shown(catalogue, name, served)
                for name, served in sorted(catalogue.current().items())
                if grant.may_use(name)
            ],
        }

    @routes.get("/v1/models/{name}")
    async def model(request: Request, name: str) -> dict[str, Any]:
        if not grant_of(request).may_use(name):
            raise unknown(name)
        return _shown(catalogue, name, catalogue.find(name))

    return routes


def health(pulse: Pulse) -> APIRouter:
    """Return the two questions that need no key."""
    routes = APIRouter()

    @routes.get("/healthz")
    async def is_alive() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/readyz")
    async def is_ready() -> dict[str, str]:
        if reasons := pulse.reasons():
            told = " ".join(reason.sentence for reason in reasons)
            raise ApiError(503, told, code=reasons[0].code, headers={"Retry-After": "2"})
        return {"status": "ready"}

    return routes


def _shown(catalogue: Catalogue, name: str, served: Served) -> dict[str, Any]:
    kept = catalogue.kept(name)
    dates = {"deprecated": kept.since.isoformat(), "sunset": kept.until.isoformat()} if kept else {}
    return {
        "id": name,
        "object": "model",
        "created": catalogue.created,
        "owned_by": "tutelage",
        "version": served.name,
        **dates,
    }
