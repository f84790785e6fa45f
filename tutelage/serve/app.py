"""The API as one web application. It never loads torch: engines are other processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Depends, FastAPI

from tutelage import __version__
from tutelage.serve.admission.access import Gate
from tutelage.serve.admission.capacity import Capacity
from tutelage.serve.api import chat, completions, models
from tutelage.serve.api.calls import Caller
from tutelage.serve.catalogue import Catalogue
from tutelage.web import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """The key ("" for none, on this machine only) and how many choices may wait or run."""

    key: str = ""
    most_choices: int = 512


def create_app(catalogue: Catalogue, options: ServeOptions) -> FastAPI:
    """Return the application; its engines run while it runs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await catalogue.start()
            yield
        finally:
            await catalogue.stop()

    app = FastAPI(
        title="Tutelage", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    errors.install(app)
    caller = Caller(catalogue, Capacity(options.most_choices))
    guarded = [Depends(Gate(options.key))]
    app.include_router(models.health(catalogue))
    app.include_router(models.router(catalogue), dependencies=guarded)
    app.include_router(completions.router(caller), dependencies=guarded)
    app.include_router(chat.router(caller), dependencies=guarded)
    return app
