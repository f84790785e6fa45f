"""The API as one application, mounted below the pages. Nothing is open without an access token or a one-time link."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from tutelage import __version__
from tutelage.errors import UserError
from tutelage.feedback.app.api import (
    entry,
    figures,
    guidance,
    own,
    schema,
    screening,
    staff,
    submissions,
    tasks,
    work,
)
from tutelage.feedback.app.api.access import Allowance, admit
from tutelage.web import errors
from tutelage.web.errors import ApiError
from tutelage.web.requests import UNTRACED
from tutelage.web.site import Site

#: Where the API stands below the pages.
PREFIX = "/api/v1"
AREAS = (own, work, guidance, screening, staff, tasks, submissions, figures)

DESCRIPTION = """\
What the pages of the labeling app do, for programs.

Every request brings a personal access token (`Authorization: Bearer TOKEN`), made on one's account page; only coming in
by a one-time link needs none. The role and group of its person decide what it may do, and what it does is that
person's doing.

Lists that may be long come in parts: `next` is the cursor of the part that follows. What is made with PUT under a key
that the client makes (a UUID) can be sent again: the same again changes nothing. Errors have one shape."""


def create(site: Site | None, *, calls_per_minute: int) -> FastAPI:
    """Return the application; without a site only its OpenAPI page can be made."""
    app = FastAPI(
        title="Tutelage labeling",
        version=__version__,
        summary="The labeling app for programs",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry=UNTRACED,
        generate_unique_id_function=lambda route: route.name,
        openapi_tags=[{"name": area.TAG, "description": (area.__doc__ or "").strip()} for area in (entry, *AREAS)],
    )
    app.state.site = site
    app.state.allowance = Allowance(per_minute=calls_per_minute, burst=calls_per_minute)
    for kind in (ApiError, UserError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _answer)
    # The one area without a token: who comes in has none yet, and brings a link that is as hard to guess.
    app.include_router(entry.router, tags=[entry.TAG])
    for area in AREAS:
        app.include_router(area.router, tags=[area.TAG], dependencies=[Depends(admit)])

    @app.get("/openapi.json", include_in_schema=False, dependencies=[Depends(admit)])
    def openapi() -> dict[str, Any]:
        """Return this page's own description, to whoever brings a token."""
        return schema.page(app)

    return app


async def _answer(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, HTTPException) and error.status_code == 405:
        error = HTTPException(405, headers={"Allow": ", ".join(_methods(request))})
    if isinstance(error, HTTPException) and error.status_code == 404:
        error = ApiError(404, f"There is nothing at {request.url.path}; see {PREFIX}/openapi.json.")
    return errors.as_json(errors.told(request, error))


def _methods(request: Request) -> list[str]:
    """Return all methods of the resource that was asked for: the framework names those of its first route only."""
    asked = request.scope["path"].removeprefix(request.scope["root_path"])
    return sorted(
        method.upper()
        for path, operations in _paths(request.app).items()
        if compile_path(path)[0].fullmatch(asked)
        for method in operations
    )


@lru_cache(maxsize=1)
def _paths(app: FastAPI) -> dict[str, Any]:
    found: dict[str, Any] = schema.page(app)["paths"]
    return found
