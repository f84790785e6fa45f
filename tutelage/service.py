"""Run the API: open the store, start engines and gateways, and listen.

One process does all but compute, or a parent keeps the engines and several workers share them (`--workers`).
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from tutelage import logs
from tutelage.errors import UserError
from tutelage.generate.connection import EngineConnection
from tutelage.generate.process import EngineOptions, EngineProcess
from tutelage.generate.sharing import EngineClient, Keeper
from tutelage.govern import consent, retention
from tutelage.govern import jobs as watching
from tutelage.govern.pages.part import part as govern_pages
from tutelage.release.desk import Desk
from tutelage.serve import workers
from tutelage.serve.admission.timeouts import Timeouts
from tutelage.serve.api.journal import folder_of, recover
from tutelage.serve.app import ServeOptions, create_app
from tutelage.serve.catalogue import Catalogue
from tutelage.serve.draining import LAST_SECONDS, DrainingServer
from tutelage.serve.pages import settings as page_settings
from tutelage.serve.pages.part import part as ask_pages
from tutelage.serve.pages.settings import PageSettings
from tutelage.serve.screen import FilterOptions, Screen
from tutelage.serve.telemetry import spans
from tutelage.serve.telemetry.exposed import WorkersCollector, exposed, shared
from tutelage.serve.telemetry.meters import Meters
from tutelage.serve.workers import Workers
from tutelage.store import Store, accounts, applications, keys
from tutelage.store.accounts import GOVERNING, Role
from tutelage.web import parts, site
from tutelage.web.entry import LINK
from tutelage.web.listening import Listening, bind, check
from tutelage.web.patience import PatientProtocol
from tutelage.web.requests import Requests
from tutelage.web.site import utc_now

logger = logging.getLogger(__name__)

_ADMINS: tuple[Role, ...] = ("admin",)
#: The alias that is served unless others are named.
DEFAULT = "default"

#: Makes the engine of a model directory: a process of one's own, or one that is shared.
Connect = Callable[[Path, EngineOptions], EngineConnection]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the server serves: the file of the content filter's policy, how long calls may take, in how many processes,
    whether people are shown pages at the same address, and the file of those on which they ask models.
    """

    policy: str = ""
    timeouts: Timeouts = field(default_factory=Timeouts)
    workers: int = 1
    has_pages: bool = True
    playground: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a gateway needs to know, in whatever process it runs."""

    store_url: str
    names: Sequence[str]
    listening: Listening
    engine: EngineOptions
    settings: Settings

    def pages(self) -> PageSettings | None:
        """Return what the pages offer on which people ask models, None without pages."""
        if not self.settings.has_pages:
            return None
        return page_settings.read(self.settings.playground).check_served(self.names or [DEFAULT])

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Plan:
        """Read what `asdict` made of it."""
        settings = given["settings"]
        return cls(
            store_url=given["store_url"],
            names=given["names"],
            listening=Listening(**given["listening"]),
            engine=EngineOptions(**given["engine"]),
            settings=Settings(**{**settings, "timeouts": Timeouts(**settings["timeouts"])}),
        )


class Gateway:
    """The models and the filter of one process. The filter is never on a server of somebody else's."""

    def __init__(self, plan: Plan, store: Store, connect: Connect) -> None:
        self.plan = plan
        own = replace(plan.engine, vllm="")
        self.screen = Screen(store, FilterOptions.read(plan.settings.policy, store), lambda path: connect(path, own))
        self.catalogue = Catalogue(store, plan.names or [DEFAULT], plan.engine, connect=connect)

    async def start(self) -> None:
        """Start the engines, so that what is wrong with them is one sentence before anybody may ask."""
        try:
            await self.screen.start()
            await self.catalogue.start()
        except UserError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Let go of the engines."""
        await self.catalogue.stop()
        await self.screen.stop()

    async def listen(self, bound: socket.socket, meters: Meters, started: Callable[[], None]) -> None:
        """Answer on a socket until the process is told to stop; `started` is called when it answers."""
        trace = spans.from_environment()
        try:
            await self._server(meters, trace, started).serve(sockets=[bound])
        finally:
            if trace is not None:
                trace.close()

    def _server(self, meters: Meters, trace: spans.Spans | None, started: Callable[[], None]) -> DrainingServer:
        listening, timeouts = self.plan.listening, self.plan.settings.timeouts
        journal = folder_of(self.catalogue.store)
        options = ServeOptions(
            is_private=listening.is_private,
            is_encrypted=listening.is_encrypted or listening.is_behind_proxy,
            timeouts=timeouts,
            meters=meters,
            trace=trace,
            journal=journal,
        )
        api = create_app(self.catalogue, options, self.screen)
        pages = self.plan.pages()
        whole = api if pages is None else with_pages(api, self.catalogue.store, listening, pages)
        config = uvicorn.Config(
            whole,
            http=PatientProtocol,
            log_config=None,  # its lines go where ours go
            log_level="warning",
            access_log=False,
            server_header=False,
            ssl_certfile=listening.certificate or None,
            ssl_keyfile=listening.private_key or None,
            proxy_headers=listening.is_behind_proxy,
            timeout_graceful_shutdown=LAST_SECONDS,
            h11_max_incomplete_event_size=1 << 16,
        )
        started()
        return DrainingServer(config, api.state.admission.running, timeouts.grace)

    def tell(self, bound: socket.socket, metrics: str, tell: Callable[[str], None]) -> None:
        """Say at the start of the server what it serves and where."""
        current = sorted(self.catalogue.current().items())
        models = ", ".join(f"{name} ({served.name})" for name, served in current if name != served.name)
        address = self.plan.listening.address(bound.getsockname()[1])
        tell(f"Serving {models} at {address}/v1")
        tell(self.screen.told())
        store, is_terminal = self.catalogue.store, sys.stdout.isatty()
        if self.plan.settings.has_pages and (line := first_admin(store, address, is_terminal=is_terminal)):
            tell(line)
        if metrics:
            tell(f"Metrics at {metrics}")


def serve(
    store_url: str,
    names: Sequence[str],
    listening: Listening,
    engine: EngineOptions,
    tell: Callable[[str], None],
    settings: Settings | None = None,
) -> None:
    """Serve the named models until interrupted; `tell` gets a line when the server answers."""
    check(listening)
    plan = Plan(store_url=store_url, names=names, listening=listening, engine=engine, settings=settings or Settings())
    plan.pages()  # what is wrong with them is said before anything starts
    with _ending_well(), Store.open(store_url, create=False) as store, bind(listening) as bound:
        retention.begin(store, now=utc_now())
        watching.stand(store, now=utc_now())
        consent.notice(store, now=utc_now())  # the first one, before anybody reads it
        if not listening.is_private or applications.is_any(store):
            keys.pepper(store)  # what is wrong with it is said before anybody asks
        _recover(store)
        run = _share if plan.settings.workers > 1 else _alone
        asyncio.run(run(plan, store, bound, tell))


@contextmanager
def _ending_well() -> Iterator[None]:
    """Let SIGTERM end the program with status 0 also while it starts or ends: once everything is closed."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


async def _alone(plan: Plan, store: Store, bound: socket.socket, tell: Callable[[str], None]) -> None:
    """Serve from this process."""
    gateway, meters = Gateway(plan, store, EngineProcess), Meters()
    with exposed(plan.listening, meters.registry, store) as metrics:
        await gateway.start()
        try:
            await gateway.listen(bound, meters, lambda: gateway.tell(bound, metrics, tell))
        finally:
            await gateway.stop()


async def _share(plan: Plan, store: Store, bound: socket.socket, tell: Callable[[str], None]) -> None:
    """Keep the engines for workers, and the workers running, until told to stop.

    This process holds the engines too, and follows the aliases, so they stay when workers die.
    """
    keeper = Keeper()
    gateway = Gateway(plan, store, partial(EngineClient, keeper.address))
    crew = Workers(__name__, {**asdict(plan), "keeper": str(keeper.address)}, bound, plan.settings.workers)
    crew.at_death = lambda: asyncio.to_thread(_recover, store)
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_signal_handler(signal.SIGINT, lambda: crew.hurry() if stopped.is_set() else stopped.set())
    with shared() as folder, exposed(plan.listening, WorkersCollector(folder), store) as metrics:
        try:
            await keeper.start()
            await gateway.start()
            await crew.start()
            gateway.tell(bound, metrics, tell)
            await stopped.wait()
        finally:
            await crew.stop(plan.settings.timeouts.grace)
            await gateway.stop()
            await keeper.stop()


def _recover(store: Store) -> None:
    """Bring into the database what gateways of this machine left that were killed."""
    try:
        if count := recover(store, folder_of(store), now=utc_now()):
            logger.warning("%d calls of a gateway that died are in the database now", count)
    except UserError as error:
        logger.error("what a gateway left that died is brought in later: %s", error)


async def _work(plan: Plan, store: Store, bound: socket.socket, keeper: Path) -> None:
    """Serve as one of several, over the engines of the parent."""
    gateway = Gateway(plan, store, partial(EngineClient, keeper))
    await gateway.start()
    try:
        await gateway.listen(bound, Meters(), workers.ready)
    finally:
        await gateway.stop()


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


def work() -> int:
    """Be a worker of the process that started this one."""
    logs.follow()
    given = workers.given()
    plan = Plan.read(given)
    try:
        with Store.open(plan.store_url, create=False) as store, socket.socket(fileno=given["socket"]) as bound:
            asyncio.run(_work(plan, store, bound, Path(given["keeper"])))
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(work())
