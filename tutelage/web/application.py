"""A site of pages as one web application: everything of it asks who is there, and every error is a page."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Depends, FastAPI

from tutelage import __version__
from tutelage.web import access, headers, pages
from tutelage.web.bodies import Limit
from tutelage.web.requests import UNTRACED
from tutelage.web.site import Site


def create(site: Site, routers: Iterable[APIRouter]) -> FastAPI:
    """Return the application of a site, with its static files."""
    app = FastAPI(
        title="Tutelage",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(access.admit)],
        telemetry=UNTRACED,
    )
    app.state.site = site
    pages.install_errors(app)
    # What is mounted below it has its bodies counted too.
    app.add_middleware(Limit)
    app.add_middleware(headers.Headers, is_encrypted=site.is_encrypted)
    app.include_router(site.pages.static.router())
    for router in routers:
        app.include_router(router)
    return app
