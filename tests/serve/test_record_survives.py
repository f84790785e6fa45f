"""A server under load that is told to stop loses no row of the request log; one that is killed loses only its last.

The server is a real process with a real socket; only its engine is scripted, so that it starts without torch.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import func, select

from tutelage.serve.api.recorder import GATHER_SECONDS
from tutelage.store import Store
from tutelage.store.request_tables import requests

PROGRAM = """
import socket, sys
import uvicorn
from tests.serve.scripted import ScriptedCatalogue
from tutelage.serve.app import ServeOptions, create_app
from tutelage.store import Store

with Store.open(sys.argv[1], create=False) as store, socket.create_server(("127.0.0.1", 0)) as bound:
    app = create_app(ScriptedCatalogue(store), ServeOptions(is_private=True))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    print(bound.getsockname()[1], flush=True)
    server.run(sockets=[bound])
"""
#: How long after its answer a call may still be on its way to the database on a busy machine.
IN_FLIGHT = 10 * GATHER_SECONDS


@contextmanager
def server(url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout
            yield process, f"http://127.0.0.1:{int(process.stdout.readline())}/v1/completions"
        finally:
            process.kill()


def load(address: str, ending: threading.Event, answered: dict[str, float]) -> None:
    """Ask one call after the other until the end; note when each was answered."""
    with httpx2.Client() as client:
        while not ending.is_set():
            try:
                answer = client.post(address, json={"prompt": "a", "max_tokens": 9})
            except httpx2.HTTPError:
                return
            if answer.status_code == 200:
                answered[answer.json()["id"]] = time.monotonic()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_row_is_lost_or_doubled(tmp_path: Path, number: signal.Signals) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    Store.open(url).close()
    ending, answered = threading.Event(), dict[str, float]()
    with server(url) as (process, address):
        clients = [threading.Thread(target=load, args=(address, ending, answered)) for _ in range(4)]
        for client in clients:
            client.start()
        while len(answered) < 20:
            time.sleep(0.01)
        # A server that is killed must have had the time to write something.
        time.sleep((number == signal.SIGKILL) * IN_FLIGHT + random.Random(seed).uniform(0.05, 0.4))
        died = time.monotonic()
        process.send_signal(number)
        ending.set()
        process.wait(60)
        for client in clients:
            client.join()
    with Store.open(url) as store, store.read() as connection:
        written = set(connection.scalars(select(requests.c.id)))
        assert connection.scalar(select(func.count()).select_from(requests)) == len(written)
    must = {id for id, at in answered.items() if number == signal.SIGTERM or at < died - IN_FLIGHT}
    assert len(must) >= 1 and must <= written
