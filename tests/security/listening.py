"""Applications on real ports of this machine, for clients and browsers that know nothing of our code."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


@contextmanager
def listening(app: Any, **options: Any) -> Iterator[str]:
    """Serve an application until the end of the block and yield its address; `options` are uvicorn's."""
    scheme = "https" if "ssl_certfile" in options else "http"
    with socket.create_server(("127.0.0.1", 0)) as bound:
        config = uvicorn.Config(app, log_level="critical", ws="none", **{"lifespan": "off", **options})
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            yield f"{scheme}://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def silent() -> Iterator[tuple[int, socket.socket]]:
    """Yield a port at which nobody should knock, and the socket that `nobody_knocked` asks."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        bound.setblocking(False)
        yield bound.getsockname()[1], bound


def nobody_knocked(bound: socket.socket) -> bool:
    """Say that no connection waits to be taken."""
    try:
        bound.accept()[0].close()
    except BlockingIOError:
        return True
    return False
