"""What a name means while aliases move and engines start slowly, fail or are held; the engines are scripts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.release.versions import register, write
from tests.serve.scripted import ScriptedEngine
from tutelage.errors import UnavailableError
from tutelage.generate.process import EngineOptions
from tutelage.records import RegisteredModel
from tutelage.serve.catalogue import Catalogue
from tutelage.store import Store, registry, releases
from tutelage.store.registry import Version
from tutelage.store.releases import Decision
from tutelage.web.errors import ApiError
from tutelage.web.site import utc_now


class Scripted(ScriptedEngine):
    """An engine that says when it was stopped."""

    is_stopped = False

    async def stop(self) -> None:
        """Be gone."""
        self.is_stopped = True


class Slow(Catalogue):
    """The catalogue as it is, over engines that start when a test lets them, or never."""

    def __init__(self, store: Store, names: tuple[str, ...], **options: float) -> None:
        super().__init__(store, names, EngineOptions(), **options)
        self.started: list[str] = []
        self.may_start: dict[str, asyncio.Event] = {}
        self.broken: set[str] = set()

    async def _start(self, model: RegisteredModel) -> Any:
        name = f"{model.name}@{model.version}"
        self.started.append(name)
        if name in self.may_start:
            await self.may_start[name].wait()
        if name in self.broken:
            raise UnavailableError("It does not start.")
        return Scripted()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "s.db")) as opened:
        for number in (1, 2, 3):
            register(opened, write(tmp_path / f"v{number}", number))
        registry.point(opened, "default", registry.get(opened, "m@1"), now=utc_now())
        yield opened


@asynccontextmanager
async def started(store: Store, *names: str, **options: float) -> AsyncIterator[Slow]:
    catalogue = Slow(store, names or ("default",), **options)
    try:
        await catalogue.start()
        yield catalogue
    finally:
        await catalogue.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def promote(store: Store, name: str, **decision: Any) -> None:
    expected = registry.pointed(store).get("default")
    model = registry.get(store, name)
    releases.promote(store, "default", model, expected=expected, decision=Decision(**decision), now=utc_now())


def roll_back(store: Store) -> None:
    releases.roll_back(store, "default", decision=Decision(), now=utc_now())


def test_while_a_version_starts_the_one_before_answers_and_an_alias_may_go_back(store: Store) -> None:
    async def run() -> None:
        async with started(store) as catalogue:
            catalogue.may_start["m@2"] = asyncio.Event()
            promote(store, "m@2")
            await until(lambda: "m@2" in catalogue.started)
            assert catalogue.find("default").name == "m@1" and catalogue.is_ready
            roll_back(store)
            await asyncio.sleep(0.6)  # two looks at the counter
            catalogue.may_start["m@2"].set()
            await until(lambda: not catalogue._coming)
            await until(lambda: set(catalogue.current()) == {"default", "m@1"})
            assert catalogue.find("default").name == "m@1"

    asyncio.run(run())


def test_a_version_that_does_not_start_changes_nothing_and_is_not_tried_all_the_time(store: Store) -> None:
    async def run() -> None:
        async with started(store) as catalogue:
            catalogue.broken.add("m@2")
            promote(store, "m@2")
            await until(lambda: Version("m", 2) in catalogue._failed)
            await asyncio.sleep(0.6)
            assert catalogue.started == ["m@1", "m@2"]
            assert catalogue.find("default").name == "m@1"
            promote(store, "m@3")  # the next one is tried at once
            await until(lambda: catalogue.find("default").name == "m@3")

    asyncio.run(run())


def test_a_kept_version_ends_on_its_day_and_a_held_one_when_it_is_let_go(store: Store) -> None:
    async def run() -> None:
        async with started(store) as catalogue:
            promote(store, "m@2", keep_until=utc_now() + timedelta(seconds=1))
            await until(lambda: catalogue.find("default").name == "m@2")
            kept = catalogue.kept("m@1")
            assert kept and catalogue.notice("m@1")["Sunset"].endswith("GMT")
            assert catalogue.kept("m@2") is None is catalogue.kept("default")
            with catalogue.use("m@1") as held:
                await until(lambda: "m@1" not in catalogue.current())
                await asyncio.sleep(0.3)  # more than one look whether it is done
                assert not held.engine.is_stopped  # type: ignore[attr-defined]
            await until(lambda: held.engine.is_stopped)  # type: ignore[attr-defined]
            with pytest.raises(ApiError, match="There is no model"):
                catalogue.find("m@1")

    asyncio.run(run())


def test_a_call_without_an_end_keeps_its_engine_until_the_deadline(store: Store) -> None:
    async def run() -> None:
        async with started(store, drain_seconds=0.2) as catalogue:
            with catalogue.use("default") as held:
                promote(store, "m@2")
                await until(lambda: held.engine.is_stopped)  # type: ignore[attr-defined]
                assert catalogue.find("default").name == "m@2"

    asyncio.run(run())


def test_a_registered_name_stays_what_it_was_and_an_exact_version_is_itself(store: Store, tmp_path: Path) -> None:
    async def run() -> None:
        async with started(store, "m", "m@2", "default") as catalogue:
            assert {name: one.name for name, one in catalogue.current().items()} == {
                "m": "m@3", "m@3": "m@3", "m@2": "m@2", "default": "m@1", "m@1": "m@1"
            }  # fmt: skip
            register(store, write(tmp_path / "v4", 4))
            promote(store, "m@4")
            await until(lambda: catalogue.find("default").name == "m@4")
            assert catalogue.find("m").name == "m@3"

    asyncio.run(run())


def test_callers_go_to_the_canary_as_soon_as_it_is_there_and_back_when_it_ends(store: Store) -> None:
    async def run() -> None:
        async with started(store) as catalogue:
            releases.start_canary(store, "default", registry.get(store, "m@2"), 0.5, decision=Decision(), now=utc_now())
            await until(lambda: "m@2" in catalogue.current())
            names = {caller: catalogue.find("default", caller).name for caller in map(str, range(60))}
            assert set(names.values()) == {"m@1", "m@2"}
            assert names == {caller: catalogue.find("default", caller).name for caller in names}
            assert catalogue.current()["default"].name == "m@1"
            roll_back(store)
            await until(lambda: "m@2" not in catalogue.current())
            assert {catalogue.find("default", caller).name for caller in names} == {"m@1"}

    asyncio.run(run())


def test_workers_follow_by_themselves_and_give_a_caller_the_same_version(store: Store) -> None:
    async def run() -> None:
        async with started(store) as one, started(store) as other:
            releases.start_canary(store, "default", registry.get(store, "m@2"), 0.5, decision=Decision(), now=utc_now())
            await until(lambda: all("m@2" in worker.current() for worker in (one, other)))
            callers = list(map(str, range(40)))
            names = [[worker.find("default", caller).name for caller in callers] for worker in (one, other)]
            assert names[0] == names[1] and set(names[0]) == {"m@1", "m@2"}
            promote(store, "m@3")
            await until(lambda: all(worker.find("default").name == "m@3" for worker in (one, other)))

    asyncio.run(run())
