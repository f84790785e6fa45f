"""Run the labeling app: open the store, print how to come in, listen, and drain when told to stop."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from functools import partial

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors.multiprocess import Multiprocess

from tutelage import logs
from tutelage.feedback import instructions, screening
from tutelage.feedback.app.app import Settings, create
from tutelage.store import Store, accounts
from tutelage.web import listening
from tutelage.web.entry import LINK
from tutelage.web.listening import Listening
from tutelage.web.requests import Requests
from tutelage.web.site import utc_now

#: How long running requests may take to end when the server is stopped.
GRACE_SECONDS = 10
#: How long a browser's connection waits for its next request: longer than hands rest between two saves of a draft.
KEEP_ALIVE_SECONDS = 75
#: How long a worker may give no sign of life before it is started again: loading takes seconds on a busy machine.
SILENT_SECONDS = 30


def serve(store_url: str, where: Listening, workers: int, tell: Callable[[str], None]) -> None:
    """Serve the labeling app until SIGTERM or Ctrl-C; `tell` gets the address, and the first admin's link if due.

    Each worker is a process with its own connections; the address is taken once and shared by all.
    """
    listening.check(where)
    with listening.bind(where) as bound:
        address = where.address(bound.getsockname()[1])
        with Store.open(store_url) as store:
            instructions.publish_defaults(store, now=utc_now())
            screening.publish_default(store, now=utc_now())
            token = accounts.invite_first_admin(store, now=utc_now())
        tell(f"Labeling at {address}")
        if token:
            tell(f"The first administrator comes in by this link, once: {address}{LINK}{token}")
        _run(store_url, where, workers, bound)


def application(store_url: str, is_encrypted: bool) -> ASGIApp:
    """Return the application over the store in a worker's process, which logs as the process that started it.

    A worker that starts while the database is away says so to whoever asks until it is back: one that ended would be
    started again and again.
    """
    _end_with_parent()
    logs.follow()
    return Requests(create(Store.awaited(store_url), Settings(is_encrypted=is_encrypted)))


def _end_with_parent() -> None:
    """Drain this worker when the process that started it is gone: it would keep the address from the next start."""
    parent = multiprocessing.parent_process()
    if parent is None:  # there is one process only
        return

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _run(store_url: str, where: Listening, workers: int, bound: socket.socket) -> None:
    config = uvicorn.Config(
        partial(application, store_url, where.is_encrypted or where.is_behind_proxy),
        factory=True,
        workers=workers,
        log_config=None,  # its lines go where ours go
        log_level="warning",
        access_log=False,
        server_header=False,
        ssl_certfile=where.certificate or None,
        ssl_keyfile=where.private_key or None,
        proxy_headers=where.is_behind_proxy,
        # The port is this server's alone when a proxy is the only way in, so whoever connects is the proxy.
        forwarded_allow_ips="*" if where.is_behind_proxy else None,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_worker_healthcheck=SILENT_SECONDS,
    )
    if workers > 1:
        Multiprocess(config, sockets=[bound]).run()
    else:
        uvicorn.Server(config).run(sockets=[bound])
