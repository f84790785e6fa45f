"""The systemd units: what their ExecStart starts is ready, and ends with status 0 when systemd says so."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from tests.cli.test_pages import parse
from tests.serve.server import make_store
from tutelage import service
from tutelage.store import Store, accounts

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROGRAM = "/opt/tutelage/bin/tutelage"
#: What every unit that is reached from outside, or reads what came from there, does without.
HARDENING = {
    "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
    "PrivateDevices": "yes", "CapabilityBoundingSet": "", "RestrictNamespaces": "yes", "RestrictSUIDSGID": "yes",
    "SystemCallFilter": "@system-service", "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6", "UMask": "0077",
}  # fmt: skip


class Unit:
    """A unit file as systemd reads it: settings by name, each with all its values."""

    def __init__(self, name: str) -> None:
        self.settings: dict[str, list[str]] = {}
        for line in (DEPLOY / name).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith(("#", "[")):
                key, _, value = line.partition("=")
                self.settings.setdefault(key, []).append(value)

    def command(self, environment: dict[str, str]) -> tuple[list[str], dict[str, str]]:
        """Return what is started with which environment; `environment` is what the EnvironmentFile would hold."""
        given = dict(one.split("=", 1) for one in self.settings["Environment"]) | environment
        [line] = self.settings["ExecStart"]
        words = shlex.split(re.sub(r"\$\{(\w+)\}", lambda found: given[found[1]], line))
        assert words[0] == PROGRAM
        return [sys.executable, "-m", "tutelage.cli", *words[1:]], given


@contextmanager
def started(name: str, folder: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start what a unit starts, as it would: in its folder, with its environment."""
    command, given = Unit(name).command(environment)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **given}
    with subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], word: str) -> str:
    """Return what a program prints up to the line that begins with a word."""
    assert process.stdout
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith(word):
            return printed
    raise AssertionError(f"{printed}{process.communicate()[1]}")


@pytest.mark.parametrize("name", ["tutelage.service", "tutelage-worker.service"])
def test_a_unit_may_do_nothing_but_its_work(name: str) -> None:
    unit = Unit(name)
    assert {key: unit.settings[key][-1] for key in HARDENING} == HARDENING
    assert unit.settings["User"] == ["tutelage"] and unit.settings["KillMode"] == ["mixed"]
    assert unit.settings["WorkingDirectory"] == ["/var/lib/tutelage"] and unit.settings["StateDirectory"] == [
        "tutelage"
    ]


def test_the_api_is_ready_and_ends_with_status_0(tmp_path: Path) -> None:
    url = make_store(tmp_path)
    ports = {"TUTELAGE_PORT": "0", "TUTELAGE_METRICS_PORT": "0"}
    with started("tutelage.service", tmp_path, TUTELAGE_DATABASE=url, **ports) as process:
        printed = until(process, "Metrics")
        address = re.findall(r"at (\S+)/v1", printed)[0]
        metrics = re.findall(r"Metrics at (\S+)", printed)[0]
        # The journal keeps what is printed: how the first administrator comes in stands there, and not the link.
        assert "`tutelage apps admin` prints a link" in printed and "/enter/" not in printed
        ready = httpx2.get(f"{address}/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
        assert httpx2.get(f"{address}/v1/models").status_code == 401
        assert "tutelage_requests_total" in httpx2.get(metrics).text
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert '"event": "request"' in errors and "Traceback" not in errors


def test_somebody_at_a_terminal_gets_the_first_administrators_link(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        line = service.first_admin(store, "http://127.0.0.1:8000", is_terminal=True)
        [link] = re.findall(r"once: http://127\.0\.0\.1:8000/enter/(\S+)$", line)
        offered = accounts.invitation(store, link, now=datetime.now(UTC))
        assert offered and offered.offer.role == "admin"
        accounts.enter(store, link, "Ada", "no hash", now=datetime.now(UTC))
        assert service.first_admin(store, "http://127.0.0.1:8000", is_terminal=True) == ""


def test_the_worker_works_and_ends_with_status_0(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    Store.open(url).close()
    with started("tutelage-worker.service", tmp_path, TUTELAGE_DATABASE=url) as process:
        assert process.stdout and process.stdout.readline()
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_the_container_file_says_that_nobody_ran_it_and_starts_what_exists() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    assert text.startswith("# NOT RUN: no test builds or starts this file.")
    [command] = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    parse(shlex.join(["tutelage", *re.findall(r'"([^"]*)"', command)]))


def test_an_image_holds_nobodys_data() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert set(ignored) >= {".git", ".venv*", "runs", "models", "*.db", "*.pepper"}
