"""Run the API: open the store, start engines and application, and listen."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import uvicorn

from tutelage.errors import UserError
from tutelage.generate.process import EngineOptions, EngineProcess
from tutelage.govern import jobs as watching
from tutelage.govern import retention
from tutelage.serve.app import ServeOptions, create_app
from tutelage.serve.catalogue import Catalogue
from tutelage.serve.screen import FilterOptions, Screen
from tutelage.store import Store, applications, keys
from tutelage.web.listening import Listening, bind, check
from tutelage.web.site import utc_now

#: The alias that is served unless others are named.
DEFAULT = "default"
#: How long running answers may take to end when the server is stopped.
GRACE_SECONDS = 10


class Serving(NamedTuple):
    """What serves: models, the content filter, where it listens, and the open socket."""

    catalogue: Catalogue
    screen: Screen
    listening: Listening
    bound: socket.socket


def serve(
    store_url: str,
    names: Sequence[str],
    listening: Listening,
    engine: EngineOptions,
    tell: Callable[[str], None],
    policy: str = "",
) -> None:
    """Serve the named models until interrupted; `tell` gets a line when the server answers.

    `policy` is the file of the content filter's policy. The filter's engine is ours, whatever the models' is.
    """
    check(listening)
    with Store.open(store_url, create=False) as store, bind(listening) as bound:
        retention.begin(store, now=utc_now())
        watching.stand(store, now=utc_now())
        if not listening.is_private or applications.is_any(store):
            keys.pepper(store)  # what is wrong with it is said before anybody asks
        # What filters is never on a server of somebody else's.
        own = replace(engine, vllm="")
        screen = Screen(store, FilterOptions.read(policy, store), lambda path: EngineProcess(path, own))
        serving = Serving(Catalogue(store, names or [DEFAULT], engine), screen, listening, bound)
        asyncio.run(_run(serving, ServeOptions(is_private=listening.is_private), tell))


async def _run(serving: Serving, options: ServeOptions, tell: Callable[[str], None]) -> None:
    catalogue, screen, listening, bound = serving
    # Engines start here and not in the application's own start, so that what is wrong with them is one sentence.
    try:
        await screen.start()
        await catalogue.start()
    except UserError:
        await catalogue.stop()
        await screen.stop()
        raise
    config = uvicorn.Config(
        create_app(catalogue, options, screen),
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
    tell(f"Serving {models} at {listening.address(bound.getsockname()[1])}/v1")
    tell(screen.told())
    await uvicorn.Server(config).serve(sockets=[bound])
