"""Keys, addresses and capacity; disconnects; alias moves; start-up."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.generate.tiny import make_directory
from tests.serve.server import NOW, make_store, register, serving
from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.generate.process import EngineOptions
from tutelage.serve.admission.access import check
from tutelage.serve.admission.capacity import Capacity
from tutelage.serve.catalogue import Catalogue
from tutelage.service import serve
from tutelage.store import Store, registry
from tutelage.web.errors import ApiError
from tutelage.web.listening import Listening

KEY = "a-long-key-of-the-test"


@pytest.mark.parametrize(
    ("listening", "key", "message"),
    [
        (Listening(host="0.0.0.0"), KEY, "behind-proxy"),
        (Listening(host="::"), KEY, "behind-proxy"),
        (Listening(host="example.org"), KEY, "behind-proxy"),
        (Listening(host="0.0.0.0", certificate="c", private_key="k"), "", "TUTELAGE_API_KEY"),
        (Listening(is_behind_proxy=True), "", "TUTELAGE_API_KEY"),
        (Listening(certificate="c"), "", "both files"),
        (Listening(), "short", "at least 16"),
    ],
)
def test_unprotected_servers_are_refused(listening: Listening, key: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check(listening, key)


def test_protected_servers_and_this_machine_are_allowed() -> None:
    check(Listening(), "")
    check(Listening(host="::1"), KEY)
    check(Listening(host="0.0.0.0", is_behind_proxy=True), KEY)
    check(Listening(host="0.0.0.0", certificate="c", private_key="k"), KEY)


def test_capacity_is_given_back_and_its_end_is_503() -> None:
    capacity = Capacity(3)
    with capacity.take(2):
        with pytest.raises(ApiError) as refused, capacity.take(2):
            pass
        assert refused.value.status == 503 and refused.value.headers["Retry-After"] == "2"
        with capacity.take(1):
            assert capacity.taken == 3
    assert capacity.taken == 0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    url = make_store(tmp_path_factory.mktemp("guarded"))
    with serving("--database", url, environment={"TUTELAGE_API_KEY": KEY}) as address:
        yield address


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", f"Basic {KEY}", f"Bearer {KEY.upper()}"])
def test_every_route_but_health_needs_the_key(guarded: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for method, path in [("GET", "/v1/models"), ("POST", "/v1/completions"), ("POST", "/v1/chat/completions")]:
        answer = httpx2.request(method, guarded + path, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert httpx2.get(f"{guarded}/healthz").status_code == 200
    assert httpx2.get(f"{guarded}/v1/models", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200


@contextlib.asynccontextmanager
async def started(catalogue: Catalogue) -> AsyncIterator[Catalogue]:
    await catalogue.start()
    try:
        yield catalogue
    finally:
        await catalogue.stop()


def test_an_alias_that_moves_takes_new_calls_along(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    register(url, "tiny", make_directory(tmp_path / "one", seed=1), "default")

    async def run() -> None:
        with Store.open(url) as store:
            async with started(Catalogue(store, ["default"], EngineOptions(threads=1))) as catalogue:
                before = await catalogue.find("default")
                second = register(url, "tiny", make_directory(tmp_path / "two", seed=2))
                registry.point(store, "default", second, now=NOW)
                await asyncio.sleep(0.3)
                after = await catalogue.find("default")
                assert (before.name, after.name) == ("tiny@1", "tiny@2")
                assert set(catalogue.current()) == {"default", "tiny@2"}
                with pytest.raises(ApiError, match="no model"):
                    await catalogue.find("tiny@1")

    asyncio.run(run())


def test_files_that_changed_or_are_gone_are_not_served(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    directory = make_directory(tmp_path / "one")
    register(url, "tiny", directory, "default")
    options = EngineOptions()
    (directory / "config.json").write_text("{}")
    with pytest.raises(DataError, match="not those that were registered"):
        serve(url, [], Listening(port=0), options, print)
    directory.rename(tmp_path / "other")
    with pytest.raises(MissingError, match="are gone"):
        serve(url, [], Listening(port=0), options, print)
    with pytest.raises(MissingError, match="'nobody' in the registry"):
        serve(url, ["nobody"], Listening(port=0), options, print)


def test_a_client_that_leaves_frees_the_engine(tmp_path: Path) -> None:
    url = make_store(tmp_path)
    with serving("--database", url) as address:
        body = {"prompt": "the", "max_tokens": 90, "n": 16, "temperature": 1, "logit_bias": {}}
        for is_stream in (True, False):
            for _ in range(10):
                with contextlib.suppress(httpx2.TimeoutException):
                    httpx2.post(f"{address}/v1/completions", json={**body, "stream": is_stream}, timeout=0.05)
        # 320 choices were asked for; were they still counted, 32 times 16 would exceed the 512 that may run at once.
        asks = [{**body, "prompt": ["the"] * 8, "max_tokens": 1} for _ in range(4)]

        async def all_at_once() -> list[int]:
            async with httpx2.AsyncClient(timeout=60) as client:
                answers = await asyncio.gather(*(client.post(f"{address}/v1/completions", json=ask) for ask in asks))
            return [answer.status_code for answer in answers]

        assert asyncio.run(all_at_once()) == [200] * 4


def test_the_gateway_never_loads_torch() -> None:
    program = "import sys, tutelage.service; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
