"""The API as one web application. It never loads torch: engines are other processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from fastapi import Depends, FastAPI

from tutelage import __version__
from tutelage.generate.process import EngineProcess
from tutelage.serve.admission.access import Gate, needs
from tutelage.serve.admission.admission import Admission
from tutelage.serve.admission.timeouts import Timeouts
from tutelage.serve.api import chat, completions, feedback, models, moderations
from tutelage.serve.api.calls import Caller
from tutelage.serve.api.journal import Journal
from tutelage.serve.api.recorder import Recorder
from tutelage.serve.api.repeats import Repeats
from tutelage.serve.catalogue import Catalogue
from tutelage.serve.screen import FilterOptions, Screen
from tutelage.serve.telemetry.meters import Meters
from tutelage.serve.telemetry.pulse import Pulse
from tutelage.serve.telemetry.told import Trace, teller
from tutelage.web import errors
from tutelage.web.headers import Headers
from tutelage.web.requests import UNTRACED, Requests
from tutelage.web.site import utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Whether only this machine reaches the server, and by https; how long calls may take; the one clock.

    `meters` count, and `trace` makes spans of what ended, None for none. `journal` is the folder where a process keeps
    what the database does not know yet, None for nowhere.
    """

    is_private: bool = True
    is_encrypted: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)
    now: Callable[[], datetime] = utc_now
    meters: Meters = field(default_factory=Meters)
    trace: Trace | None = None
    journal: Path | None = None


def create_app(catalogue: Catalogue, options: ServeOptions, screen: Screen | None = None) -> FastAPI:
    """Return the application; its engines, and its content filter's, run while it runs. By default rules filter."""
    screen = screen or Screen(catalogue.store, FilterOptions(), EngineProcess)
    admission = Admission.over(catalogue.store, options.timeouts, now=options.now)

    recorder = Recorder(catalogue.store, None if options.journal is None else Journal(options.journal))
    repeats = Repeats(catalogue.store, options.now)
    pulse = Pulse(catalogue, screen, admission, recorder, options.meters)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        recorder.start()
        try:
            await admission.start()
            await repeats.start()
            await screen.start()
            await catalogue.start()
            await pulse.start()
            yield
        finally:
            await pulse.stop()
            await catalogue.stop()
            await screen.stop()
            await repeats.stop()
            await admission.stop()
            # Last of all: every call that ended until here is written down.
            await asyncio.to_thread(recorder.stop)

    app = FastAPI(
        title="Tutelage",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry=UNTRACED,
    )
    #: For what looks at a running application from outside.
    app.state.admission = admission
    errors.install(app)
    app.add_middleware(Gate, grants=admission.grants, is_private=options.is_private, running=admission.running)
    # Around the gate, so that what it refuses has headers, and is told too.
    app.add_middleware(Headers, is_encrypted=options.is_encrypted)
    app.add_middleware(Requests, tell=teller(options.meters, options.trace))
    caller = Caller(catalogue, admission, recorder, screen, repeats)
    # Pages ask by it too (serve/pages), so that there is one way to a model.
    app.state.caller = caller
    completing = [Depends(needs("complete"))]
    app.include_router(models.health(pulse))
    app.include_router(models.router(catalogue))
    app.include_router(completions.router(caller), dependencies=completing)
    app.include_router(chat.router(caller), dependencies=completing)
    app.include_router(feedback.router(admission, recorder), dependencies=[Depends(needs("feedback"))])
    app.include_router(moderations.router(screen, admission), dependencies=[Depends(needs("moderate"))])
    return app
