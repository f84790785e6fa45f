"""/metrics on a port of its own, which the API's callers do not reach, and what the database adds to it."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, Metric, make_wsgi_app, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from tutelage.errors import UnavailableError, UserError
from tutelage.store import Store, health
from tutelage.web.listening import Listening

#: Where the figures of several workers meet: the variable that prometheus-client reads when it is imported.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class StoreCollector(Collector):
    """What the database knows, read when somebody asks: jobs, open cases of the monitor, applications by state."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def describe(self) -> Iterable[Metric]:
        """Say nothing before somebody asks: the database may be away."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Count; while the database is away that alone is told."""
        try:
            counts = health.counts(self.store)
        except UserError:
            counts = None
        yield GaugeMetricFamily("tutelage_database_up", "1 while the database answers.", value=counts is not None)
        if counts is None:
            return
        yield _family("tutelage_jobs", "Background jobs, by kind and state.", ("kind", "state"), counts.jobs)
        yield _family(
            "tutelage_monitor_cases",
            "Cases of the misuse monitor, by signal and verdict.",
            ("signal", "verdict"),
            counts.cases,
        )
        yield _family("tutelage_applications", "Applications, by state.", ("state",), counts.applications)


class WorkersCollector(Collector):
    """The figures of several workers; the gauges of one that died are not counted on."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._all: Collector = MultiProcessCollector(None, path=folder)  # type: ignore[no-untyped-call]

    def describe(self) -> Iterable[Metric]:
        """Say nothing before somebody asks."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Add the workers' figures up."""
        for pid in {path.stem.rpartition("_")[2] for path in Path(self.folder).glob("gauge_live*.db")}:
            if not _is_alive(int(pid)):
                mark_process_dead(pid, self.folder)  # type: ignore[no-untyped-call]
        return self._all.collect()


@contextmanager
def shared() -> Iterator[str]:
    """Let this process and those that it starts put their figures into one folder, whose path is given.

    To be entered before the workers start: they read where it is when they begin.
    """
    folder, before = tempfile.mkdtemp(prefix="tutelage-metrics-"), os.environ.get(FOLDER)
    os.environ[FOLDER] = folder
    try:
        yield folder
    finally:
        if before is None:
            del os.environ[FOLDER]
        else:
            os.environ[FOLDER] = before
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def exposed(listening: Listening, own: Collector, store: Store) -> Iterator[str]:
    """Answer /metrics until the end of the block; give its address, "" where no port was asked for.

    `own` is the registry of this process's meters, or the WorkersCollector of several.
    """
    if listening.metrics_port is None:
        yield ""
        return
    registry = CollectorRegistry()
    registry.register(own)
    registry.register(StoreCollector(store))
    host = listening.metrics_host.strip("[]")
    try:
        server, thread = start_http_server(listening.metrics_port, host, registry)
    except OSError as error:
        reason = "another program uses it" if error.errno == errno.EADDRINUSE else str(error.strerror).lower()
        raise UnavailableError(
            f"Cannot listen for metrics on {host} port {listening.metrics_port}: {reason}; choose another with "
            "--metrics-port or --metrics-host."
        ) from error
    server.set_app(_only_metrics(registry))
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _only_metrics(registry: CollectorRegistry) -> Any:
    """Return the application that answers /metrics, and 404 for every other path."""
    metrics = make_wsgi_app(registry)

    def answer(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environment.get("PATH_INFO") == "/metrics":
            found: Iterable[bytes] = metrics(environment, start)
            return found
        start("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"There is nothing here but /metrics.\n"]

    return answer


def _family(name: str, told: str, labels: tuple[str, ...], counts: dict[tuple[str, ...], int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
