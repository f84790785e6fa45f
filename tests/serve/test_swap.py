"""Versions change under load: real engines, and no call is dropped, cut, or answered by what it did not ask for."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tests.generate.tiny import make_directory
from tests.security.test_row05_model_names import HOSTILE
from tests.security.watching import touched
from tests.serve.server import register
from tutelage.generate.process import EngineOptions
from tutelage.records import RegisteredModel
from tutelage.serve.app import ServeOptions, create_app
from tutelage.serve.catalogue import Catalogue
from tutelage.store import Store, registry, releases
from tutelage.store.registry import Version
from tutelage.store.releases import Decision
from tutelage.web.errors import ApiError

TOKENS = 12


def now() -> datetime:
    return datetime.now(UTC)


class Load:
    """Callers who ask again and again, plain and streamed, and note the version that answered, in order."""

    def __init__(self, app: FastAPI) -> None:
        transport = httpx2.ASGITransport(app=app)
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60)
        self.answered: list[list[str]] = []
        self.wrong: list[str] = []
        self.is_over = False

    async def call(self, model: str, user: str = "", *, is_stream: bool = False) -> httpx2.Response:
        body = {"model": model, "prompt": "the", "max_tokens": TOKENS, "temperature": 1, "stream": is_stream,
                "user": user, "logit_bias": {}}  # fmt: skip
        return await self.client.post("/v1/completions", json=body)

    async def caller(self, number: int) -> None:
        mine: list[str] = []
        self.answered.append(mine)
        while not self.is_over:
            is_stream = (number + len(mine)) % 2 == 0
            answer = await self.call("default", f"user-{number}", is_stream=is_stream)
            if answer.status_code != 200:
                self.wrong.append(answer.text)
                return
            mine.append(version_of(answer, is_stream))
            await asyncio.sleep(0.02)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, while the callers go on; a swap that never comes fails the test."""
        async with asyncio.timeout(90):
            while not holds():
                assert self.wrong == []
                await asyncio.sleep(0.02)


def version_of(answer: httpx2.Response, is_stream: bool) -> str:
    """Return the version that an answer names, everywhere the same; an answer that is cut names none."""
    if not is_stream:
        told: dict[str, Any] = answer.json()
        return str(told["model"]) if told["choices"][0]["finish_reason"] in ("stop", "length") else "cut"
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    if lines[-1:] != ["[DONE]"]:
        return "cut"
    chunks = [json.loads(line) for line in lines[:-1]]
    ended = [chunk["choices"][0]["finish_reason"] for chunk in chunks if "choices" in chunk]
    names = {chunk.get("model") for chunk in chunks}
    return names.pop() if len(names) == 1 and ended[-1:] in (["stop"], ["length"]) else "cut"


class Swap:
    """A server whose versions change while callers ask."""

    def __init__(self, store: Store, folder: Path, url: str) -> None:
        self.store = store
        self.first = register(url, "tiny", make_directory(folder / "one", seed=1), "default")
        self.second = register(url, "tiny", make_directory(folder / "two", seed=2))
        self.catalogue = Catalogue(store, ["default"], EngineOptions(threads=1), drain_seconds=1.0)
        self.load = Load(create_app(self.catalogue, ServeOptions()))

    async def run(self) -> None:
        try:
            await self.catalogue.start()
            callers = [asyncio.create_task(self.load.caller(number)) for number in range(4)]
            await self.names()
            await self.canary()
            await self.promotion()
            await self.roll_back()
            self.load.is_over = True
            await asyncio.gather(*callers)
        finally:
            await self.catalogue.stop()
            await self.load.client.aclose()

    async def names(self) -> None:
        """Security row 5 on a server that runs: what is served is found, and no other name touches anything."""
        assert self.catalogue.find("default") is self.catalogue.find("tiny@1")
        for name in {*HOSTILE, "tiny", "tiny@2", "tiny@3"}:
            with touched() as found, pytest.raises(ApiError) as refused, self.catalogue.use(name):
                pass
            assert (refused.value.status, found) == (404, [])

    async def canary(self) -> None:
        """A share of the callers is answered by the canary, each always by the same version."""
        catalogue = self.catalogue
        releases.start_canary(self.store, "default", self.second, 0.5, decision=Decision(), now=now())
        await self.load.until(lambda: "tiny@2" in catalogue.current())
        seen = {f"user-{n}": catalogue.find("default", f"app/user-{n}").name for n in range(40)}
        assert set(seen.values()) == {"tiny@1", "tiny@2"}
        for user, name in seen.items():
            takes = releases.takes("default", Version("tiny", 2), 0.5, f"app/{user}")
            assert name == ("tiny@2" if takes else "tiny@1")
        assert catalogue.find("tiny@2").fingerprint == f"fp_{self.second.sha256[:12]}"

    async def promotion(self) -> None:
        """New calls go to the new version; the old one answers under its own name until its day, and says so."""
        catalogue, load = self.catalogue, self.load
        day = now() + timedelta(days=4)
        self.promote(self.second, self.first, keep_until=day)
        await load.until(lambda: catalogue.current()["default"].name == "tiny@2")
        listed = {one["id"]: one for one in (await load.client.get("/v1/models")).json()["data"]}
        assert set(listed) == {"default", "tiny@1", "tiny@2"}
        assert listed["tiny@1"]["sunset"] == day.isoformat() and "sunset" not in listed["default"]
        for is_stream in (True, False):
            answer = await load.call("tiny@1", is_stream=is_stream)
            assert version_of(answer, is_stream) == "tiny@1"
            assert answer.headers["sunset"] == day.strftime("%a, %d %b %Y %H:%M:%S GMT")
            assert answer.headers["deprecation"].startswith("@")
        assert "sunset" not in (await load.call("default")).headers

    async def roll_back(self) -> None:
        """One step back; a call on its way keeps its engine, one without an end until the deadline."""
        catalogue, load = self.catalogue, self.load
        with catalogue.use("default") as held:
            assert held.name == "tiny@2"
            self.back()
            await load.until(lambda: catalogue.find("default").name == "tiny@1")
            assert (await load.call("tiny@2")).status_code == 404 and held.engine.is_ready
            await load.until(lambda: not held.engine.is_ready)
        assert catalogue.kept("tiny@1") is None

    def promote(self, model: RegisteredModel, before: RegisteredModel, **decision: Any) -> None:
        expected = Version(before.name, before.version)
        releases.promote(self.store, "default", model, expected=expected, decision=Decision(**decision), now=now())

    def back(self) -> None:
        releases.roll_back(self.store, "default", decision=Decision(), now=now())


def test_versions_change_under_load_and_no_call_is_dropped(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    with Store.open(url) as store:
        swap = Swap(store, tmp_path, url)
        asyncio.run(swap.run())
        assert swap.load.wrong == []
        counts = Counter(name for mine in swap.load.answered for name in mine)
        assert set(counts) == {"tiny@1", "tiny@2"} and min(counts.values()) >= 4, counts
        assert str(registry.pointed(store)["default"]) == "tiny@1"
