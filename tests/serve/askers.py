"""The API with its pages over a scripted engine, and people who ask there, without a socket."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import uvicorn

from tests.firms import Firm
from tests.labeling import QUICK
from tests.serve.scripted import Exchange, ScriptedEngine, ask, running
from tutelage.serve.pages.part import part
from tutelage.serve.pages.settings import PageSettings
from tutelage.store import Store, counters, notice_views, notices, sessions
from tutelage.store.application_forms import DataUse
from tutelage.store.notice_views import View
from tutelage.web import access, parts
from tutelage.web.site import Settings, utc_now

ARMS = {"base": {"model": "base"}, "sft": {"model": "sft", "name": "Supervised"}, "ppo": {"model": "ppo"}}
COMPARING = PageSettings.model_validate({"compare": {"arms": ARMS, "max_tokens": 9}})


@dataclass
class Listening:
    """A site that answers at `address`."""

    address: str
    app: Site
    loop: asyncio.AbstractEventLoop
    server: uvicorn.Server

    def soon(self, do: Callable[[], Any]) -> None:
        """Do something in the thread of the site."""
        self.loop.call_soon_threadsafe(do)


@dataclass
class Asker:
    """Somebody who is signed in on the pages."""

    app: Any
    store: Store
    token: str
    application: str = "local"

    @classmethod
    def of(cls, app: Any, firm: Firm, *, person: str = "", data_use: DataUse | None = "training") -> Asker:
        """Sign a customer of a firm in, who has read the notice unless `data_use` is None."""
        who = person or firm.customer
        if data_use is not None:
            read_notice(firm.store, who, data_use)
        token = sessions.open_for(firm.store, who, agent="", now=utc_now())
        return cls(app, firm.store, token, firm.id)

    async def get(self, path: str, *, html: bool = False, **more: Any) -> Exchange:
        return await self._ask(path, None, {"accept": "text/html"} if html else {}, more)

    async def post(self, path: str, body: Any, **more: Any) -> Exchange:
        return await self._ask(path, body, {"x-csrf-token": self.proof}, more)

    @property
    def proof(self) -> str:
        """Return what the page would send along."""
        found = sessions.find(self.store, self.token, now=utc_now()) if self.token else None
        return access.proof(self.app.site.state.site, found)

    async def _ask(self, path: str, body: Any, headers: dict[str, str], more: dict[str, Any]) -> Exchange:
        cookie = {"cookie": f"tutelage={self.token}"} if self.token else {}
        given = {**cookie, **headers, **more.pop("headers", {})}
        return await ask(self.app, path, body, headers=given, **more)


def read_notice(store: Store, person: str, data_use: DataUse, *, now: datetime | None = None) -> None:
    """Let somebody have read the newest notice; the first one is published when there is none."""
    newest = notices.newest(store) or notices.publish(store, "data-use-1", "We train.", by="", now=utc_now())
    view = View(person=person, notice_version=newest.version, data_use=data_use, created=now or utc_now())
    notice_views.add(store, view)


class Site(parts.Beside):
    """The API and its pages at one address; `api` and `site` are the two."""

    def __init__(self, api: Any, store: Store, settings: PageSettings, *, is_private: bool) -> None:
        made = [part(api.state.caller, settings, is_private=is_private)]
        self.api, self.site = api, parts.create(store, Settings(passwords=QUICK), made)
        super().__init__(api, self.site, made)

    async def noticed(self) -> None:
        """Wait until the gateway has seen every change of who may be served."""
        grants = self.api.state.caller.admission.grants
        value = counters.value(grants.store)
        while grants.version < value:
            await asyncio.sleep(0.01)


@contextlib.contextmanager
def listening(store: Store, **options: Any) -> Iterator[Listening]:
    """Run the same on a port of this machine, in a thread of its own, for a real browser."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        started: queue.Queue[Listening | BaseException] = queue.Queue()

        async def serve() -> None:
            async with asking(store, **options) as app:
                config = uvicorn.Config(app, log_level="warning", ws="none", lifespan="off")
                address = f"http://127.0.0.1:{bound.getsockname()[1]}"
                server = uvicorn.Server(config)
                started.put(Listening(address, app, asyncio.get_running_loop(), server))
                await server.serve(sockets=[bound])

        def run() -> None:
            try:
                asyncio.run(serve())
            except BaseException as error:  # what goes wrong here is told where somebody waits
                started.put(error)
                raise

        thread = threading.Thread(target=run)
        thread.start()
        found = started.get()
        if isinstance(found, BaseException):
            raise found
        try:
            yield found
        finally:
            found.server.should_exit = True
            thread.join()


@contextlib.asynccontextmanager
async def asking(
    store: Store,
    *,
    settings: PageSettings = COMPARING,
    engine: ScriptedEngine | None = None,
    is_private: bool = False,
    **more: Any,
) -> AsyncIterator[Site]:
    """Run the API with its pages; all arms are served by the one scripted engine."""
    names = ("default", *(arm.model for arm in settings.compare.arms.values()))
    async with running(store, names=names, engine=engine, is_private=is_private, **more) as api:
        yield Site(api, store, settings, is_private=is_private)
