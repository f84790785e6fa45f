"""Run the API: open the store, start engines and application, and listen."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from tutelage.errors import UserError
from tutelage.generate.process import EngineOptions, EngineProcess
from tutelage.govern import consent, retention
from tutelage.govern import jobs as watching
from tutelage.govern.pages.part import part as govern_pages
from tutelage.release.desk import Desk
from tutelage.serve.app import ServeOptions, create_app
from tutelage.serve.catalogue import Catalogue
from tutelage.serve.pages import settings as page_settings
from tutelage.serve.pages.part import part as ask_pages
from tutelage.serve.pages.settings import PageSettings
from tutelage.serve.screen import FilterOptions, Screen
from tutelage.serve.telemetry import spans
from tutelage.serve.telemetry.exposed import exposed
from tutelage.serve.telemetry.meters import Meters
from tutelage.store import Store, accounts, applications, keys
from tutelage.store.accounts import GOVERNING, Role
from tutelage.web import parts, site
from tutelage.web.entry import LINK
from tutelage.web.listening import Listening, bind, check
from tutelage.web.requests import Requests
from tutelage.web.site import utc_now

_ADMINS: tuple[Role, ...] = ("admin",)
#: The alias that is served unless others are named.
DEFAULT = "default"
#: How long running answers may take to end when the server is stopped.
GRACE_SECONDS = 10


class Serving(NamedTuple):
    """What serves: models, the content filter, where it listens, the open socket, and the address of the metrics."""

    catalogue: Catalogue
    screen: Screen
    listening: Listening
    bound: socket.socket
    metrics: str


def serve(  # noqa: PLR0913 - what the command line says
    store_url: str,
    names: Sequence[str],
    listening: Listening,
    engine: EngineOptions,
    tell: Callable[[str], None],
    policy: str = "",
    *,
    has_pages: bool = True,
    playground: str = "",
) -> None:
    """Serve the named models until interrupted; `tell` gets a line when the server answers.

    `policy` is the file of the content filter's policy. The filter's engine is ours, whatever the models' is.
    `has_pages`: people are shown pages at the same address; `playground` is the file of those on which they ask models.
    """
    check(listening)
    pages = page_settings.read(playground).check_served(names or [DEFAULT]) if has_pages else None
    meters, trace = Meters(), spans.from_environment()
    with (
        _ending_well(),
        Store.open(store_url, create=False) as store,
        bind(listening) as bound,
        exposed(listening, meters.registry, store) as metrics,
    ):
        retention.begin(store, now=utc_now())
        watching.stand(store, now=utc_now())
        consent.notice(store, now=utc_now())  # the first one, before anybody reads it
        if not listening.is_private or applications.is_any(store):
            keys.pepper(store)  # what is wrong with it is said before anybody asks
        # What filters is never on a server of somebody else's.
        own = replace(engine, vllm="")
        screen = Screen(store, FilterOptions.read(policy, store), lambda path: EngineProcess(path, own))
        serving = Serving(Catalogue(store, names or [DEFAULT], engine), screen, listening, bound, metrics)
        options = ServeOptions(
            is_private=listening.is_private,
            is_encrypted=listening.is_encrypted or listening.is_behind_proxy,
            meters=meters,
            trace=trace,
        )
        try:
            asyncio.run(_run(serving, options, tell, pages))
        finally:
            if trace is not None:
                trace.close()


@contextmanager
def _ending_well() -> Iterator[None]:
    """Let SIGTERM end the program with status 0 once everything is closed.

    The web server drains, and then lets the signal do what it did before: end the process, and close nothing.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


async def _run(
    serving: Serving, options: ServeOptions, tell: Callable[[str], None], pages: PageSettings | None
) -> None:
    catalogue, screen, listening, bound, metrics = serving
    # Engines start here and not in the application's own start, so that what is wrong with them is one sentence.
    try:
        await screen.start()
        await catalogue.start()
    except UserError:
        await catalogue.stop()
        await screen.stop()
        raise
    api = create_app(catalogue, options, screen)
    config = uvicorn.Config(
        api if pages is None else with_pages(api, catalogue.store, listening, pages),
        log_config=None,  # its lines go where ours go
        log_level="warning",
        access_log=False,
        server_header=False,
        ssl_certfile=listening.certificate or None,
        ssl_keyfile=listening.private_key or None,
        proxy_headers=listening.is_behind_proxy,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=1 << 16,
    )
    models = ", ".join(
        f"{name} ({served.name})" for name, served in sorted(catalogue.current().items()) if name != served.name
    )
    address = listening.address(bound.getsockname()[1])
    tell(f"Serving {models} at {address}/v1")
    tell(screen.told())
    if pages is not None and (line := first_admin(catalogue.store, address, is_terminal=sys.stdout.isatty())):
        tell(line)
    if metrics:
        tell(f"Metrics at {metrics}")
    await uvicorn.Server(config).serve(sockets=[bound])


def with_pages(api: FastAPI, store: Store, listening: Listening, pages: PageSettings) -> ASGIApp:
    """Return the API with the pages of customers and of the operator's people at the same address."""
    is_encrypted = listening.is_encrypted or listening.is_behind_proxy
    asking = ask_pages(api.state.caller, pages, is_private=listening.is_private)
    brought = [asking, govern_pages(Desk())]
    settings = site.Settings(is_encrypted=is_encrypted, roles=GOVERNING)
    return parts.Beside(api, Requests(parts.create(store, settings, brought)), brought)


def first_admin(store: Store, address: str, *, is_terminal: bool) -> str:
    """Return a line that says how the first administrator comes in, "" when there is one.

    Somebody at a terminal gets the link itself; elsewhere lines are kept for long and read by many.
    """
    if any(person.is_active for person in accounts.all_people(store, _ADMINS)):
        return ""
    if not is_terminal:
        return "Nobody is an administrator yet; `tutelage apps admin` prints a link for the first one."
    token = accounts.invite_first_admin(store, now=utc_now())
    return f"The first administrator comes in by this link, once: {address}{LINK}{token}"
