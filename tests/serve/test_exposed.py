"""Figures of several workers, figures of the database, and the port that they are read on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from prometheus_client import CollectorRegistry

from tests.databases import database, store
from tests.firms import NOW, Firm
from tutelage.errors import UnavailableError
from tutelage.serve.telemetry.exposed import FOLDER, StoreCollector, WorkersCollector, exposed, shared
from tutelage.serve.telemetry.meters import Meters
from tutelage.store import Store, cases, jobs
from tutelage.store.cases import NewCase
from tutelage.store.jobs import NewJob
from tutelage.web.listening import Listening

__all__ = ["database", "store"]

WORKER = """
import sys
from tutelage.serve.telemetry.meters import Meters
meters = Meters()
for _ in range(int(sys.argv[1])):
    meters.request("/v1/completions", "m@1", 200, 0.2)
meters.load(running=int(sys.argv[1]), unwritten=0)
meters.engine("m@1", float(sys.argv[1]), {"running": 1, "waiting": int(sys.argv[1])})
print("ready", flush=True)
sys.stdin.read()
"""


def worker(count: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(count)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def test_counts_of_workers_add_up_and_the_gauges_of_one_that_was_killed_are_gone() -> None:
    with shared() as folder, worker(2) as first, worker(3) as second:
        registry = CollectorRegistry()
        registry.register(WorkersCollector(folder))
        value = registry.get_sample_value
        of_requests = {"route": "/v1/completions", "model": "m@1", "status": "200"}
        assert value("tutelage_requests_total", of_requests) == 5
        assert value("tutelage_request_seconds_bucket", {"route": "/v1/completions", "le": "0.25"}) == 5
        assert value("tutelage_running_calls") == 5
        # They look at the same engine.
        assert value("tutelage_engine_queue", {"model": "m@1", "state": "waiting"}) == 3
        assert value("tutelage_engine_step_age_seconds", {"model": "m@1"}) == 3
        second.kill()
        second.wait()
        assert value("tutelage_running_calls") == 2 and value("tutelage_requests_total", of_requests) == 5
        assert value("tutelage_engine_step_age_seconds", {"model": "m@1"}) == 2
        first.kill()
    assert FOLDER not in os.environ and not Path(folder).exists()


def test_the_database_tells_jobs_cases_and_applications_and_when_it_is_away(store: Store, tmp_path: Path) -> None:
    firm, other = Firm.of(store, state="live"), Firm.of(store, "Dairy")
    jobs.enqueue(store, [NewJob(kind="shadow", arguments={"n": number}) for number in range(3)], now=NOW)
    jobs.claim(store, ["shadow"], worker="w", now=NOW, until=NOW)
    for application, signal in [(firm.id, "S1"), (firm.id, "S1"), (other.id, "S2")]:
        cases.add(store, NewCase(kind="finding", application_id=application, signal=signal), now=NOW)
    number = cases.add(store, NewCase(kind="spot_check", application_id=firm.id), now=NOW)
    cases.decide(store, number, "dismissed", code="nothing_found", note="", by=firm.reviewer, now=NOW)
    registry = CollectorRegistry()
    registry.register(StoreCollector(store))
    value = registry.get_sample_value
    assert value("tutelage_database_up") == 1
    assert value("tutelage_jobs", {"kind": "shadow", "state": "queued"}) == 2
    assert value("tutelage_jobs", {"kind": "shadow", "state": "running"}) == 1
    assert value("tutelage_monitor_cases", {"signal": "S1", "verdict": "open"}) == 2
    assert value("tutelage_monitor_cases", {"signal": "spot_check", "verdict": "dismissed"}) == 1
    assert value("tutelage_applications", {"state": "live"}) == 1
    assert value("tutelage_applications", {"state": "sandbox"}) == 1
    away = CollectorRegistry()
    away.register(StoreCollector(Store.awaited(f"sqlite:///{tmp_path / 'none.db'}")))
    assert away.get_sample_value("tutelage_database_up") == 0
    assert away.get_sample_value("tutelage_applications", {"state": "live"}) is None


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_port_that_is_taken_is_a_sentence_and_no_port_is_none(store: Store) -> None:
    meters = Meters()
    with exposed(Listening(), meters.registry, store) as address:
        assert address == ""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = Listening(metrics_port=taken.getsockname()[1])
        with pytest.raises(UnavailableError, match="another program uses it; choose another with --metrics-port"):
            with exposed(where, meters.registry, store):
                pass
    with exposed(Listening(metrics_port=0), meters.registry, store) as address:
        assert "tutelage_database_up 1.0" in httpx2.get(address).text
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(address)
