"""Several gateway processes over the same engines: killed, swapped under, stopped; callers use the openai SDK."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import openai
import psutil
import pytest

from tests.databases import database, store
from tests.firms import UNLIMITED, Firm
from tests.generate.tiny import make_directory
from tests.serve.crew import Crew, crew, until
from tests.serve.gateway import endless, long_model
from tests.serve.server import register
from tutelage.store import Store, quotas, releases
from tutelage.store.application_forms import Conditions
from tutelage.store.keys import PEPPER_VARIABLE
from tutelage.store.registry import Version
from tutelage.store.releases import Decision
from tutelage.web.site import utc_now

__all__ = ["database", "store"]
WORKERS = 2


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a store with a short model as `default`, a chat model, and one whose answers take seconds."""
    folder = tmp_path_factory.mktemp("workers")
    url = f"sqlite:///{folder / 'store.db'}"
    register(url, "tiny", make_directory(folder / "one", seed=1), "default")
    register(url, "chatty", make_directory(folder / "chatty", seed=1, chat=True))
    register(url, "long", long_model(folder / "long"))
    return url


@pytest.fixture(scope="module")
def served(url: str) -> Iterator[Crew]:
    models = [part for name in ("default", "chatty", "long") for part in ("--model", name)]
    with crew(url, "--workers", str(WORKERS), *models) as made:
        yield made


def client(made: Crew, key: str = "none", retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{made.address}/v1", api_key=key, max_retries=retries, timeout=120)


def is_steady(made: Crew) -> bool:
    """Say whether all workers and engines are there, and whoever answers is ready."""
    is_whole = (len(made.workers), len(made.engines)) == (WORKERS, 3)
    return is_whole and all(made.is_ready() for _ in range(20))


def ask(made: Crew, number: int, model: str = "default") -> str:
    """Ask on a connection of its own; return the answer's text and model."""
    with client(made) as one:
        answer = one.completions.create(model=model, prompt="the goat", max_tokens=8, seed=number % 3)
    return f"{answer.model}: {answer.choices[0].text}"


def test_workers_share_one_engine_for_each_model_and_need_no_torch(served: Crew) -> None:
    assert (len(served.workers), len(served.engines)) == (WORKERS, 3)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: ask(served, number), range(48)))
    assert len(set(found)) == 3 and all(text.startswith("tiny@1: ") for text in found)
    assert found == found[:3] * 16  # whichever worker answers, the same seed gives the same text
    with client(served) as one:
        whole = one.chat.completions.create(
            model="chatty", messages=[{"role": "user", "content": "the"}], max_tokens=9, seed=1
        )
        parts = one.chat.completions.create(
            model="chatty", messages=[{"role": "user", "content": "the"}], max_tokens=9, seed=1, stream=True
        )
        assert "".join(part.choices[0].delta.content or "" for part in parts) == whole.choices[0].message.content
    for pid in [served.process.pid, *served.workers]:
        assert not [one.path for one in psutil.Process(pid).memory_maps() if "torch" in one.path]


def test_a_worker_that_is_killed_is_started_again_and_the_others_go_on(served: Crew) -> None:
    until(lambda: is_steady(served))
    before, engines = served.workers, served.engines
    ending, answered, lost = threading.Event(), list[str](), list[Exception]()

    def load(number: int) -> None:
        while not ending.is_set():
            try:
                answered.append(ask(served, number))
            except openai.APIConnectionError as error:
                lost.append(error)

    callers = [threading.Thread(target=load, args=(number,)) for number in range(4)]
    for caller in callers:
        caller.start()
    for pid in before:  # one after the other, each when all are there
        until(lambda: len(answered) > 4)
        os.kill(pid, signal.SIGKILL)
        until(lambda: is_steady(served))
        answered.clear()
    until(lambda: len(answered) > 4)
    ending.set()
    for caller in callers:
        caller.join()
    assert not set(before) & set(served.workers) and served.engines == engines
    assert len(lost) <= len(callers) * len(before)  # those whose answer was on its way


def test_an_engine_that_is_killed_fails_its_calls_and_readiness_until_it_is_back(served: Crew) -> None:
    until(lambda: is_steady(served))
    engines = served.engines
    errors: list[openai.APIError] = []
    begun = threading.Semaphore(0)

    def call(is_stream: bool) -> None:
        body = endless(model="long", stream=is_stream)
        with client(served) as one, pytest.raises(openai.APIError) as failed:
            if not is_stream:
                begun.release()
            for _ in one.completions.create(**body):
                begun.release()
        errors.append(failed.value)

    callers = [threading.Thread(target=call, args=(is_stream,)) for is_stream in (True, False) * 3]
    for caller in callers:
        caller.start()
    for _ in callers:
        begun.acquire()
    until(lambda: psutil.Process(engines[-1]).cpu_times().user > 0)
    [busy] = [pid for pid in engines if is_of(pid, "long")]
    os.kill(busy, signal.SIGKILL)
    for caller in callers:
        caller.join()
    assert len(errors) == len(callers) and {error.code for error in errors} == {"engine_unavailable"}
    assert {error.status_code for error in errors if isinstance(error, openai.APIStatusError)} == {503}
    seen = until(lambda: None if served.is_ready() else "not ready")
    assert seen == "not ready"
    assert ask(served, 1).startswith("tiny@1: ")  # the other engines are what they were
    until(lambda: is_steady(served))
    assert len(set(engines) & set(served.engines)) == 2
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: ask(served, 2, "long"), range(12)))
    assert len(found) == 1


def is_of(pid: int, name: str) -> bool:
    return any(part.endswith(name) or f"/{name}/" in part for part in psutil.Process(pid).cmdline())


def test_versions_change_for_all_workers_at_once(served: Crew, url: str, tmp_path: Path) -> None:
    until(lambda: is_steady(served))
    first, second = Version("tiny", 1), register(url, "tiny", make_directory(tmp_path / "two", seed=2))
    share = next(
        share for share in (0.5, 0.9, 0.99, 0.999) if releases.takes("default", Version("tiny", 2), share, "/")
    )

    def version(_: int) -> str:
        return ask(served, 1).partition(":")[0]

    with Store.open(url) as store, ThreadPoolExecutor(4) as pool:
        # Without a key all callers are one, and one caller always gets the same version, whichever worker answers.
        releases.start_canary(store, "default", second, share, decision=Decision(), now=utc_now())
        until(lambda: set(pool.map(version, range(20))) == {"tiny@2"})
        assert len(served.engines) == 4 and ask(served, 1, "tiny@1").startswith("tiny@1: ")
        releases.promote(store, "default", second, expected=first, decision=Decision(), now=utc_now())
        until(lambda: len(served.engines) == 3)  # nobody holds the old one any more
        assert set(pool.map(version, range(20))) == {"tiny@2"}
        with pytest.raises(openai.NotFoundError):
            ask(served, 1, "tiny@1")


def test_when_the_first_process_is_killed_all_others_go_and_the_address_is_free(url: str) -> None:
    with crew(url, "--workers", str(WORKERS)) as made:
        family = psutil.Process(made.process.pid).children(recursive=True)
        assert len(made.workers) == WORKERS and len(made.engines) == 1
        made.process.kill()
        until(lambda: not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE])
        with crew(url, "--port", str(made.port)) as again:
            assert ask(again, 1)


@pytest.mark.parametrize("workers", [1, WORKERS])
def test_told_to_stop_it_takes_no_call_and_ends_those_that_run(url: str, workers: int) -> None:
    """One answer ends in its time, with --grace 60; meanwhile who comes is told that the server stops."""
    with crew(url, "--workers", str(workers), "--model", "long", "--grace", "60") as made, client(made) as one:
        stream = one.completions.create(**endless(model="long", stream=True, max_tokens=1500))
        first = next(iter(stream))
        made.process.send_signal(signal.SIGTERM)
        refused = until(lambda: refusal(made))
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "stopping")
        assert refused.headers["retry-after"] == "2"
        assert httpx2.get(f"{made.address}/readyz").status_code == 503
        chunks = [first, *stream]
        assert chunks[-1].choices[0].finish_reason == "length"
        assert made.process.wait(60) == 0


def refusal(made: Crew) -> httpx2.Response | None:
    body = {"model": "long", "prompt": "a", "max_tokens": 1}
    answer = httpx2.post(f"{made.address}/v1/completions", json=body, timeout=60)
    return answer if answer.status_code != 200 else None


@pytest.mark.parametrize("workers", [1, WORKERS])
def test_what_runs_longer_than_the_grace_is_told_so(url: str, workers: int) -> None:
    with crew(url, "--workers", str(workers), "--model", "long", "--grace", "0.2") as made, client(made) as one:
        stream = one.completions.create(**endless(model="long", stream=True))
        next(iter(stream))
        made.process.send_signal(signal.SIGTERM)
        with pytest.raises(openai.APIError, match="being stopped"):
            for _ in stream:
                pass
        assert made.process.wait(60) == 0


@pytest.mark.parametrize("workers", [1, WORKERS])
def test_ctrl_c_while_it_stops_ends_it_at_once(url: str, workers: int) -> None:
    with crew(url, "--workers", str(workers), "--model", "long", "--grace", "600") as made, client(made) as one:
        stream = one.completions.create(**endless(model="long", stream=True))
        next(iter(stream))
        made.process.send_signal(signal.SIGINT)
        assert until(lambda: refusal(made)) is not None
        assert made.process.poll() is None, "the answer still runs"
        made.process.send_signal(signal.SIGINT)
        made.process.wait(60)
        with pytest.raises((openai.APIError, httpx2.TransportError)):
            list(stream)


def test_every_call_is_counted_once_whichever_worker_answers(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PEPPER_VARIABLE, "a secret of the tests with 32 characters")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    register(database, "tiny", make_directory(tmp_path / "tiny"), "default")
    with Store.open(database) as store:
        firm = Firm.of(store)
        firm.review(Conditions(limits=UNLIMITED))
        key = firm.key(now=utc_now()).text
        with crew(database, "--workers", str(WORKERS)) as made:

            async def run() -> int:
                async with openai.AsyncOpenAI(base_url=f"{made.address}/v1", api_key=key, timeout=120) as one:
                    asked = {"model": "default", "prompt": "the", "max_tokens": 5}
                    answers = await asyncio.gather(*(one.completions.create(**asked, n=1 + n % 3) for n in range(40)))
                return sum(answer.usage.total_tokens for answer in answers if answer.usage)

            used = asyncio.run(run())
            made.process.send_signal(signal.SIGTERM)
            assert made.process.wait(60) == 0
        assert quotas.used(store, firm.id, now=utc_now()).day_tokens == used
