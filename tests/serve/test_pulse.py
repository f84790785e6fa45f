"""Readiness: every reason is a sentence that names no model, and a hung engine is seen without an answer of its."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from tests.databases import database, store
from tests.serve.scripted import ScriptedCatalogue, ScriptedEngine, ask
from tutelage.errors import DatabaseAwayError, UnavailableError
from tutelage.generate.process import EngineOptions, EngineProcess
from tutelage.generate.request import RequestError
from tutelage.serve.admission.admission import Admission
from tutelage.serve.admission.timeouts import Timeouts
from tutelage.serve.api.record import Note
from tutelage.serve.api.recorder import Recorder
from tutelage.serve.app import ServeOptions, create_app
from tutelage.serve.screen import FilterOptions, Screen
from tutelage.serve.telemetry.meters import Meters
from tutelage.serve.telemetry.pulse import STALE_SECONDS, Pulse, Signs
from tutelage.store import Store
from tutelage.web.site import utc_now

__all__ = ["database", "store"]


@dataclass(eq=False)
class Sleepy(ScriptedEngine):
    """Tells how it is when it is let."""

    awake: asyncio.Event = field(default_factory=asyncio.Event)

    async def stats(self) -> dict[str, int]:
        """Wait."""
        await self.awake.wait()
        return {"running": 2, "waiting": 3, "queued": 4}


@dataclass
class Looked:
    """A pulse over a scripted engine, with a clock of the test's."""

    store: Store
    engine: ScriptedEngine = field(default_factory=ScriptedEngine)
    clock: list[float] = field(default_factory=lambda: [0.0])

    @asynccontextmanager
    async def begun(self) -> Any:
        """Give the pulse, which looks when it is told to."""
        catalogue = ScriptedCatalogue(self.store, engine=self.engine)
        self.admission = Admission.over(self.store, Timeouts())
        self.recorder = Recorder(self.store, most_waiting=1)
        self.screen = Screen(self.store, FilterOptions(), EngineProcess)
        await self.screen.start()
        await self.admission.grants.refresh()
        signs = Signs(lambda: self.clock[0])
        pulse = Pulse(catalogue, self.screen, self.admission, self.recorder, Meters(), signs)
        try:
            yield pulse
        finally:
            await pulse.stop()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.001)


def codes(pulse: Pulse) -> list[str]:
    return [reason.code for reason in pulse.reasons()]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_engine_that_hangs_is_told_by_its_age_and_again_ready_when_it_answers(store: Store) -> None:
    async def run() -> None:
        looked = Looked(store, Sleepy())
        async with looked.begun() as pulse:
            pulse.beat()
            looked.clock[0] = STALE_SECONDS
            pulse.beat()
            assert codes(pulse) == []
            looked.clock[0] = STALE_SECONDS + 1
            assert codes(pulse) == ["engine_stalled"] and "61 seconds" in pulse.reasons()[0].sentence
            looked.engine.awake.set()  # type: ignore[attr-defined]
            await until(lambda: not pulse.reasons())
            pulse.beat()
            age = pulse.meters.registry.get_sample_value(
                "tutelage_engine_step_age_seconds", {"model": "default-model@1"}
            )
            queue = {"model": "default-model@1", "state": "waiting"}
            assert age == 0 and pulse.meters.registry.get_sample_value("tutelage_engine_queue", queue) == 7

    asyncio.run(run())


@dataclass(eq=False)
class Crowded(ScriptedEngine):
    """Tells how many requests wait in its queue."""

    queued: int = 0

    async def stats(self) -> dict[str, int]:
        """Tell."""
        return {"running": 1, "waiting": 0, "queued": self.queued}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_full_queue_is_no_place_for_more(store: Store) -> None:
    async def run() -> None:
        engine = Crowded()
        async with Looked(store, engine).begun() as pulse:
            most = EngineOptions().max_waiting
            for queued, told in [(most - 1, []), (most, ["overloaded"]), (0, [])]:
                engine.queued = queued
                pulse.beat()
                await asyncio.wait(pulse._engines._asking.values())
                assert codes(pulse) == told

    asyncio.run(run())


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_each_lack_is_a_reason_of_its_own(store: Store) -> None:
    async def run() -> None:
        looked = Looked(store)
        async with looked.begun() as pulse:
            pulse.beat()
            assert codes(pulse) == []
            looked.admission.running.is_closed = True
            assert codes(pulse) == ["stopping"]
            looked.admission.running.is_closed = False
            looked.engine.is_ready = False
            looked.screen._content = None
            looked.admission.grants._looked = float("-inf")
            looked.recorder._waiting.append(Note.__new__(Note))
            assert codes(pulse) == [
                "engine_not_ready", "content_filter_unavailable", "database_unavailable", "request_log_unavailable"
            ]  # fmt: skip
            told = " ".join(reason.sentence for reason in pulse.reasons())
            assert "model" not in told and all(one.sentence.endswith(".") for one in pulse.reasons())
            pulse.beat()
            value = pulse.meters.registry.get_sample_value
            assert value("tutelage_not_ready", {"reason": "engine_not_ready"}) == 1
            assert value("tutelage_not_ready", {"reason": "stopping"}) == 0

    asyncio.run(run())


def test_tables_of_another_version_are_seen_while_the_server_runs(store: Store) -> None:
    async def run() -> None:
        async with Looked(store).begun() as pulse:
            pulse.beat()
            await until(lambda: pulse._tables.said("tables") is True)
            with store.write() as connection:
                before = connection.scalar(text("SELECT version_num FROM alembic_version"))
                connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
            pulse.beat()
            await until(lambda: codes(pulse) == ["database_version"])
            with store.write() as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = :before"), {"before": before})

    asyncio.run(run())


def test_who_does_not_answer_is_asked_once_and_who_is_gone_is_forgotten() -> None:
    asked: list[int] = []

    async def question() -> None:
        asked.append(1)
        await asyncio.Event().wait()

    async def run() -> None:
        signs = Signs()
        for _ in range(3):
            signs.ask("a", question)
            await asyncio.sleep(0)
        assert len(asked) == 1 and signs.names() == {"a"}
        signs.forget("a")
        assert signs.names() == set() and signs.age("a") < 1
        await signs.stop()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("error", "lives"),
    [
        (RequestError("A classifier writes no text."), True),
        (UnavailableError("Away."), False),
        (DatabaseAwayError("Away."), False),
        (RuntimeError("A bug."), False),
    ],
)
def test_what_counts_as_a_sign_of_life(error: Exception, lives: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def question() -> None:
        raise error

    async def run() -> None:
        clock = [0.0]
        signs = Signs(lambda: clock[0])
        signs.ask("a", question)
        clock[0] = 5.0
        await until(lambda: signs._asking["a"].done())
        assert (signs.age("a") == 0) == lives

    asyncio.run(run())
    assert ("could not be read" in caplog.text) == isinstance(error, RuntimeError)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_readyz_says_why_not_without_a_key_and_healthz_says_that_it_lives(store: Store) -> None:
    async def run() -> None:
        engine = ScriptedEngine(is_ready=False)
        app = create_app(ScriptedCatalogue(store, engine=engine), ServeOptions(now=utc_now))
        async with app.router.lifespan_context(app):
            refused = await ask(app, "/readyz")
            assert (refused.status, refused.headers["retry-after"]) == (503, "2")
            assert refused.json["error"]["code"] == "engine_not_ready"
            assert (await ask(app, "/healthz")).json == {"status": "ok"}
            engine.is_ready = True
            assert (await ask(app, "/readyz")).json == {"status": "ready"}

    asyncio.run(run())
