"""A server under load that is told to stop, or killed, loses no row of the request log.

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

from tutelage.serve.api.journal import recover
from tutelage.store import Store
from tutelage.store.request_tables import requests
from tutelage.web.site import utc_now

PROGRAM = """
import socket, sys
from pathlib import Path
import uvicorn
from tests.serve.scripted import ScriptedCatalogue
from tutelage.serve.app import ServeOptions, create_app
from tutelage.store import Store

with Store.open(sys.argv[1], create=False) as store, socket.create_server(("127.0.0.1", 0)) as bound:
    app = create_app(ScriptedCatalogue(store), ServeOptions(is_private=True, journal=Path(sys.argv[2])))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    print(bound.getsockname()[1], flush=True)
    server.run(sockets=[bound])
"""


@contextmanager
def server(url: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, url, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout
            yield process, f"http://127.0.0.1:{int(process.stdout.readline())}/v1/completions"
        finally:
            process.kill()


def load(address: str, ending: threading.Event, answered: dict[str, int]) -> None:
    """Ask one call after the other until the end; note what each answer cost."""
    with httpx2.Client() as client:
        while not ending.is_set():
            try:
                answer = client.post(address, json={"prompt": "a", "max_tokens": 9})
            except httpx2.HTTPError:
                return
            if answer.status_code == 200:
                answered[answer.json()["id"]] = answer.json()["usage"]["total_tokens"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_row_is_lost_or_doubled(tmp_path: Path, number: signal.Signals) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    Store.open(url).close()
    ending, answered = threading.Event(), dict[str, int]()
    with server(url, tmp_path / "calls") as (process, address):
        clients = [threading.Thread(target=load, args=(address, ending, answered)) for _ in range(4)]
        for client in clients:
            client.start()
        while len(answered) < 20:
            time.sleep(0.01)
        time.sleep(random.Random(seed).uniform(0.05, 0.4))
        process.send_signal(number)
        ending.set()
        process.wait(60)
        for client in clients:
            client.join()
    with Store.open(url) as store:
        recovered = recover(store, tmp_path / "calls", now=utc_now())
        assert (recovered > 0) == (number == signal.SIGKILL)
        with store.read() as connection:
            written = {row.id: row for row in connection.execute(select(requests))}
            assert connection.scalar(select(func.count()).select_from(requests)) == len(written)
        for id, tokens in answered.items():
            assert (written[id].action, written[id].prompt_tokens + written[id].completion_tokens) == ("served", tokens)
        cut = [row for id, row in written.items() if id not in answered]
        assert all(row.action in ("served", "cancelled", "failed") for row in cut) and len(cut) <= 4
        assert recover(store, tmp_path / "calls", now=utc_now()) == 0
    assert list((tmp_path / "calls").iterdir()) == []
