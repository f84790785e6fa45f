"""`tutelage label` as a process: what it prints, what it refuses, how it stops."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.labeling import PASSWORD

PROGRAM = [sys.executable, "-m", "tutelage.cli", "label", "--port", "0"]


class Running:
    """A started program: its process, its address, and the first administrator's link ("" without one)."""

    def __init__(self, process: subprocess.Popen[str], lines: int) -> None:
        assert process.stdout
        self.process = process
        self.printed = "".join(process.stdout.readline() for _ in range(lines))
        (self.address,) = re.findall(r"Labeling at (\S+)", self.printed)
        self.link = next(iter(re.findall(r"once: (\S+)", self.printed)), "")

    def stop(self) -> int:
        """Send SIGTERM and return the status."""
        self.process.terminate()
        return self.process.wait(timeout=60)


@contextmanager
def labeling(folder: Path, *options: str, lines: int = 2) -> Iterator[Running]:
    """Start `tutelage label` in a folder; it prints this many lines."""
    with subprocess.Popen([*PROGRAM, *options], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Running(process, lines)
        finally:
            process.terminate()


def test_the_first_start_prints_a_link_that_works_and_later_ones_none(tmp_path: Path) -> None:
    with labeling(tmp_path) as running, httpx2.Client() as client:
        assert (tmp_path / "tutelage.db").exists()
        assert running.link.startswith(f"{running.address}/enter/")
        form = {"name": "Ada", "password": PASSWORD}
        assert client.post(running.link, data=form).status_code == 303
        assert client.get(running.address, headers={"accept": "text/html"}).status_code == 200
        assert running.stop() in (0, -signal.SIGTERM)
    with labeling(tmp_path, lines=1) as running:
        assert running.link == ""
        assert client_status(running.address) == 401


def client_status(address: str) -> int:
    return httpx2.get(address).status_code


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_running_request_is_answered_before_the_server_stops(tmp_path: Path, workers: str) -> None:
    with labeling(tmp_path, "--workers", workers) as running:
        host, port = running.address.removeprefix("http://").split(":")
        # The server knows of a request whose body is still on its way.
        with httpx2.Client(base_url=f"http://{host}:{port}", timeout=60) as client:
            assert client.get("/sign-in").status_code == 200
            begun, go_on = threading.Event(), threading.Event()

            def body() -> Iterator[bytes]:
                yield b"name=Ada&"
                begun.set()
                assert go_on.wait(60)
                yield b"password=x"

            def send() -> None:
                kind = {"content-type": "application/x-www-form-urlencoded", "content-length": "19"}
                answers.append(client.post("/sign-in", content=body(), headers=kind).status_code)

            answers: list[int] = []
            sender = threading.Thread(target=send)
            sender.start()
            assert begun.wait(60)
            running.process.terminate()
            threading.Timer(1, go_on.set).start()
            sender.join(60)
        assert answers == [403]
        assert running.process.wait(timeout=60) in (0, -signal.SIGTERM)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--host", "0.0.0.0"), "give --tls-certificate and --tls-key, or --behind-proxy"),
        (("--tls-certificate", "c.pem"), "TLS needs both files"),
        (("--workers", "0"), "workers"),
        (("--database", "mysql://h/d"), "SQLite or PostgreSQL"),
    ],
)
def test_what_cannot_be_served_is_a_sentence(refused: Callable[..., str], options: tuple[str, ...], told: str) -> None:
    assert told in refused("label", "--port", "0", *options)
    assert not Path("tutelage.db").exists()


def test_the_log_has_a_line_for_each_request_and_no_word_of_anybody(tmp_path: Path) -> None:
    command = [*PROGRAM, "--workers", "2", "--log-format", "json"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process, httpx2.Client(timeout=60) as client:  # fmt: skip
        try:
            running = Running(process, 2)
            form = {"name": "Canary", "password": f"canary {PASSWORD}"}
            answers = [
                client.post(running.link, data=form),
                client.get(f"{running.address}/canary?canary=1", headers={"User-Agent": "canary"}),
                client.post(f"{running.address}/sign-in", data=form, headers={"Cookie": "canary=1"}),
            ]
        finally:
            process.terminate()
            log = process.communicate(timeout=60)[1]
    found = [json.loads(line) for line in log.splitlines()]
    told = {line["request"]: (line["method"], line["route"], line["status"]) for line in found}
    routes = [("POST", "/enter/{token}"), ("GET", "other"), ("POST", "/sign-in")]
    for answer, route in zip(answers, routes, strict=True):
        assert told[answer.headers["x-request-id"]] == (*route, answer.status_code)
    assert answers[0].status_code == 303
    assert "canary" not in log.lower() and running.link.rpartition("/")[2] not in log
