"""What operators see of a server that is asked in every way: one line a request, figures, and never a canary.

The server is a process with real sockets; only its engine is scripted, and it writes the canary too.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.firms import Firm
from tutelage.store import Store
from tutelage.web.site import utc_now

CANARY = "canary-7f3a"
PROGRAM = f"""
import socket, sys
import uvicorn
from tests.serve.scripted import ScriptedCatalogue, ScriptedEngine
from tutelage import logs
from tutelage.serve.app import ServeOptions, create_app
from tutelage.serve.telemetry.exposed import exposed
from tutelage.serve.telemetry.meters import Meters
from tutelage.store import Store
from tutelage.web.listening import Listening

class Engine(ScriptedEngine):
    async def generate(self, ask):
        if ask.text == "fail at once":
            raise ValueError("{CANARY} at once")
        async for message in super().generate(ask):
            yield message
            if ask.text == "fail later":
                raise ValueError("{CANARY} later")

logs.configure(logs.LogOptions(format="json", level="debug"))
meters = Meters()
with (
    Store.open(sys.argv[1], create=False) as store,
    socket.create_server(("127.0.0.1", 0)) as bound,
    exposed(Listening(metrics_port=0), meters.registry, store) as metrics,
):
    catalogue = ScriptedCatalogue(store, engine=Engine(words=("{CANARY} ", "two ")))
    app = create_app(catalogue, ServeOptions(meters=meters))

    @app.get("/v1/broken")
    def broken() -> None:
        raise RuntimeError("{CANARY} in a bug")

    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    print(bound.getsockname()[1], metrics, flush=True)
    server.run(sockets=[bound])
"""


class Observed:
    """A server that was asked and has ended: its log, its metrics and its answers."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'store.db'}"
        with Store.open(url) as store:
            firm = Firm.of(store, state="live")
            self.application, self.key = firm.id, firm.key(now=utc_now()).text
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment,
        ) as process:  # fmt: skip
            assert process.stdout
            try:
                port, self.metrics_address = process.stdout.readline().split()
                with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                    self.client = client
                    self.answers = dict(self._ask())
                    self.elsewhere = httpx2.get(self.metrics_address.replace("/metrics", "/other"))
                    self.metrics = httpx2.get(self.metrics_address).text
            finally:
                process.terminate()
                self.log = process.communicate(timeout=60)[1]
        self.lines = [json.loads(line) for line in self.log.splitlines()]
        self.requests = [line for line in self.lines if line["event"] == "request"]

    def _ask(self) -> Iterator[tuple[str, httpx2.Response]]:
        own = {"Authorization": f"Bearer {self.key}"}
        everywhere = {**own, "User-Agent": CANARY, "X-Trace": CANARY, "Cookie": f"a={CANARY}", "X-Request-Id": "mine-1"}
        body = {"prompt": f"{CANARY} asked", "user": CANARY, "max_tokens": 9, "stop": [CANARY[::-1]]}
        path = "/v1/completions"
        yield "plain", self.client.post(path, json=body, headers=everywhere)
        # A key has underscores, and is never taken for an id.
        yield "stream", self.client.post(path, json={**body, "stream": True}, headers={**own, "X-Request-Id": self.key})
        yield (
            "chat",
            self.client.post(
                "/v1/chat/completions",
                json={"messages": [{"role": "user", "content": CANARY}]},
                headers={**own, "X-Request-Id": f"{CANARY} {CANARY}"},
            ),
        )
        for name, prompt, stream in [("once", "fail at once", False), ("later", "fail later", True)]:
            yield name, self.client.post(path, json={**body, "prompt": prompt, "stream": stream}, headers=own)
        yield "model", self.client.post(path, json={**body, "model": CANARY}, headers=own)
        yield "parameter", self.client.post(path, json={**body, CANARY: 1}, headers=own)
        yield "json", self.client.post(path, content=CANARY, headers={**own, "Content-Type": "application/json"})
        yield "key", self.client.post(path, json=body, headers={"Authorization": f"Bearer {CANARY}"})
        yield "path", self.client.get(f"/v1/{CANARY}?{CANARY}={CANARY}", headers=own)
        yield "one model", self.client.get("/v1/models/default", headers=own)
        yield "method", self.client.request(CANARY.upper(), "/v1/models", headers=own)
        yield "bug", self.client.get("/v1/broken", headers=own)
        yield "ready", self.client.get("/readyz")

    def line(self, name: str) -> dict[str, Any]:
        """Return the one line of the log about an answer."""
        [found] = [line for line in self.requests if line["request"] == self.answers[name].headers["x-request-id"]]
        return found

    def figure(self, name: str, **labels: str) -> float:
        """Return a figure of the metrics."""
        samples = [one for family in text_string_to_metric_families(self.metrics) for one in family.samples]
        [found] = [one.value for one in samples if one.name == name and labels.items() == one.labels.items()]
        return float(found)


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    return Observed(tmp_path_factory.mktemp("observed"))


def test_all_answers_are_those_that_the_checks_below_are_about(observed: Observed) -> None:
    assert {name: answer.status_code for name, answer in observed.answers.items()} == {
        "plain": 200, "stream": 200, "chat": 200, "once": 500, "later": 200, "model": 404, "parameter": 400,
        "json": 400, "key": 401, "path": 404, "one model": 200, "method": 405, "bug": 500, "ready": 200,
    }  # fmt: skip
    for name in ("once", "later", "bug"):
        assert CANARY not in observed.answers[name].text.replace(f"{CANARY} two", "").replace(f'"{CANARY} "', "")
    assert "Something went wrong here" in observed.answers["later"].text


def test_no_canary_and_no_key_is_in_the_log_or_the_metrics(observed: Observed) -> None:
    for sink in (observed.log, observed.metrics):
        assert sink and CANARY not in sink.lower() and CANARY[::-1] not in sink
        assert observed.key not in sink and observed.key.rpartition("_")[2] not in sink


def test_every_request_is_one_line_with_its_id(observed: Observed) -> None:
    ids = [answer.headers["x-request-id"] for answer in observed.answers.values()]
    assert [line["request"] for line in observed.requests] == ids and len(set(ids)) == len(ids)
    assert ids[0] == "mine-1" and all(re.fullmatch("req-[0-9a-f]{24}", id) for id in ids[1:])
    for line in observed.requests:
        assert line["ms"] >= 0 and line["level"] == "info"
    assert {line["method"] for line in observed.requests} == {"GET", "POST", "other"}


def test_a_line_says_who_asked_whom_and_what_it_took(observed: Observed) -> None:
    line = observed.line("plain")
    assert line["call"] == observed.answers["plain"].json()["id"]
    told = {name: line[name] for name in ("route", "status", "application", "model", "action")}
    assert told == {
        "route": "/v1/completions", "status": 200, "application": observed.application, "model": "default-model@1",
        "action": "served",
    }  # fmt: skip
    assert (line["prompt_tokens"], line["completion_tokens"]) == (4, 2) and 0 <= line["first_token_ms"] <= line["ms"]
    assert observed.line("one model")["route"] == "/v1/models/{name}"
    assert (observed.line("path")["route"], observed.line("key")["route"]) == ("other", "other")
    assert "application" not in observed.line("key") and observed.line("key")["code"] == "invalid_api_key"
    assert (observed.line("once")["action"], observed.line("once")["code"]) == ("failed", "internal_error")
    assert (observed.line("later")["action"], observed.line("later")["status"]) == ("failed", 200)
    assert observed.line("model")["code"] == "model_not_found"


def test_a_bug_is_logged_with_the_id_that_its_caller_has(observed: Observed) -> None:
    [failed] = [line for line in observed.lines if line["event"] == "a request failed" and "exception" in line][1:]
    assert failed["request"] == observed.answers["bug"].headers["x-request-id"]
    assert failed["exception"][0]["type"] == "builtins.RuntimeError" and failed["level"] == "error"
    [stream] = [line for line in observed.lines if line["event"] == "a stream failed"]
    assert stream["exception"][0]["type"] == "builtins.ValueError"


def test_figures_count_what_was_asked(observed: Observed) -> None:
    model, route = "default-model@1", "/v1/completions"
    assert observed.figure("tutelage_requests_total", route=route, model=model, status="200") == 3
    assert observed.figure("tutelage_requests_total", route=route, model=model, status="500") == 1
    assert observed.figure("tutelage_requests_total", route=route, model="none", status="404") == 1
    assert observed.figure("tutelage_requests_total", route=route, model="none", status="400") == 2
    assert observed.figure("tutelage_requests_total", route="other", model="none", status="401") == 1
    assert observed.figure("tutelage_request_seconds_count", route=route) == 7
    # Plain, stream and chat have written two tokens each; the stream that failed had its prompt read.
    assert observed.figure("tutelage_tokens_total", model=model, kind="completion") == 6
    assert observed.figure("tutelage_tokens_total", model=model, kind="prompt") == 16
    assert observed.figure("tutelage_first_token_seconds_count", model=model) == 3
    assert observed.figure("tutelage_refusals_total", code="invalid_api_key") == 1
    assert observed.figure("tutelage_refusals_total", code="internal_error") == 3
    assert observed.figure("tutelage_applications", state="live") == 1
    assert observed.figure("tutelage_database_up") == 1
    assert observed.figure("tutelage_engine_queue", model=model, state="waiting") == 0
    assert observed.figure("tutelage_not_ready", reason="engine_stalled") == 0


def test_the_port_of_the_metrics_answers_nothing_else(observed: Observed) -> None:
    assert observed.elsewhere.status_code == 404 and "tutelage_" not in observed.elsewhere.text
