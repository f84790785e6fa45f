"""Keys; disconnects; start-up."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from tests.firms import Firm
from tests.generate.tiny import make_directory
from tests.serve.server import make_store, register, serving
from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.generate.process import EngineOptions
from tutelage.service import serve
from tutelage.store import Store
from tutelage.store.application_tables import quotas, reservations
from tutelage.store.keys import PEPPER_VARIABLE
from tutelage.web.listening import Listening


def test_a_server_with_applications_needs_a_key_and_says_so_before_it_starts_without_its_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_store(tmp_path)
    with Store.open(url) as store:
        key = Firm.of(store, state="live").key().text
    with serving("--database", url) as address:
        for method, path in [("GET", "/v1/models"), ("POST", "/v1/completions"), ("POST", "/v1/chat/completions")]:
            answer = httpx2.request(method, address + path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx2.get(f"{address}/v1/models", headers=headers).status_code == 200
        body = {"prompt": "the", "max_tokens": 5, "n": 2, "user": "somebody"}
        usage = httpx2.post(f"{address}/v1/completions", json=body, headers=headers).json()["usage"]
    with Store.open(url) as store:
        with store.read() as connection:
            assert connection.execute(select(quotas.c.day_tokens)).scalar_one() == usage["total_tokens"]
            assert connection.execute(select(reservations)).all() == []
    monkeypatch.setenv(PEPPER_VARIABLE, "another secret than the one of the keys")
    with pytest.raises(SettingsError, match="made with another secret"):
        serve(url, [], Listening(port=0), EngineOptions(), print)
    monkeypatch.setenv(PEPPER_VARIABLE, "short")
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    Store.open(empty).close()
    with pytest.raises(SettingsError, match="has 5 characters"):
        serve(empty, [], Listening(port=0, is_behind_proxy=True), EngineOptions(), print)


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
        # 320 choices were asked for; were they still running, these would wait for those that nobody reads.
        asks = [{**body, "prompt": ["the"] * 8, "max_tokens": 1} for _ in range(4)]

        async def all_at_once() -> list[int]:
            async with httpx2.AsyncClient(timeout=60) as client:
                answers = await asyncio.gather(*(client.post(f"{address}/v1/completions", json=ask) for ask in asks))
            return [answer.status_code for answer in answers]

        assert asyncio.run(all_at_once()) == [200] * 4


def test_the_gateway_never_loads_torch() -> None:
    program = "import sys, tutelage.service; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
