"""Which models are served, and the engine process of each. A name is a key of the registry, never a path.

Calls are answered from memory: names are looked up in what a watcher has prepared, so no name of a caller's reaches a
file, the network or a query. When an alias moves, the new version's engine starts beside the old one and answers the
golden prompts; then new calls go there, and the old engine ends when it has answered what it took.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from tutelage.errors import UserError
from tutelage.generate.connection import EngineConnection
from tutelage.generate.process import EngineOptions, EngineProcess
from tutelage.models import untrusted
from tutelage.records import RegisteredModel
from tutelage.serve import golden
from tutelage.store import Store, counters, registry, releases
from tutelage.store.registry import Version
from tutelage.store.releases import Kept, Route
from tutelage.web.errors import ApiError

logger = logging.getLogger(__name__)

#: An alias that moved is noticed after so long.
FRESH_SECONDS = 0.25
#: How often an engine that is no longer wanted is asked whether it is done, and how long it may take to be.
LOOK_SECONDS, DRAIN_SECONDS = 0.1, 300.0
#: A version whose engine did not come up is tried again after so long.
AGAIN_SECONDS = 10.0


class Served:
    """A model version with its engine, and how many calls hold it."""

    def __init__(self, model: RegisteredModel, engine: EngineConnection) -> None:
        self.model, self.engine, self.calls = model, engine, 0

    @property
    def name(self) -> str:
        """Return the name that means this version for ever."""
        return str(_version(self.model))

    @property
    def fingerprint(self) -> str:
        """Return what identifies the weights in answers."""
        return f"fp_{self.model.sha256[:12]}"


@dataclass(frozen=True, slots=True)
class Choice:
    """What answers calls of a name: `share` of the callers the canary, the others the main version."""

    main: Served
    canary: Served | None = None
    share: float = 0.0


class Catalogue:
    """The served names (aliases or registered names) and the engines behind them. Used in one event loop."""

    def __init__(
        self,
        store: Store,
        names: Sequence[str],
        options: EngineOptions,
        *,
        connect: Callable[[Path, EngineOptions], EngineConnection] = EngineProcess,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self.store, self.names, self.options = store, tuple(dict.fromkeys(names)), options
        self.connect, self.drain_seconds = connect, drain_seconds
        self.created = int(time.time())
        self._exact: dict[str, str] = {}
        self._wanted: dict[str, Route] = {}
        self._choices: dict[str, Choice] = {}
        self._served: dict[Version, Served] = {}
        self._coming: dict[Version, asyncio.Task[None]] = {}
        self._failed: dict[Version, float] = {}
        self._draining: dict[EngineConnection, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start an engine for every name; raise a sentence when a name or its files are not there."""
        if self._watching is not None:
            return
        seen = await asyncio.to_thread(self._read)
        for route in self._wanted.values():
            if _version(route.main) not in self._served:
                self._served[_version(route.main)] = Served(route.main, await self._start(route.main))
        self._follow()
        self._watching = asyncio.create_task(self._watch(seen))

    async def stop(self) -> None:
        """End all engines."""
        tasks = [*self._draining.values(), *self._coming.values(), *([self._watching] if self._watching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        engines = [*self._draining, *(served.engine for served in self._served.values())]
        await asyncio.gather(*(engine.stop() for engine in engines))

    def current(self) -> dict[str, Served]:
        """Return what each name means now, the versions' own names included."""
        exact = {served.name: served for served in self._served.values()}
        return {**exact, **{name: choice.main for name, choice in self._choices.items()}}

    @property
    def is_ready(self) -> bool:
        """Say whether every name has an engine that answers."""
        choices = [self._choices.get(name) for name in self.names]
        return all(choice is not None and choice.main.engine.is_ready for choice in choices)

    def find(self, name: str, caller: str = "") -> Served:
        """Return what answers a name for a caller, who always gets the same of two versions; raise 404 for any other.

        `caller` names an application and its end user, as a hash.
        """
        choice = self._choices.get(name)
        if choice is not None:
            canary = choice.canary
            if canary and releases.takes(name, _version(canary.model), choice.share, caller):
                return canary
            return choice.main
        served = next((served for served in self._served.values() if served.name == name), None)
        if served is None:
            raise unknown(name)
        return served

    @contextlib.contextmanager
    def use(self, name: str, caller: str = "") -> Iterator[Served]:
        """Find what answers a name, and hold it: its engine does not end before the block does."""
        served = self.find(name, caller)
        served.calls += 1
        try:
            yield served
        finally:
            served.calls -= 1

    def kept(self, name: str) -> Kept | None:
        """Return since and until when a version's own name is deprecated, None for every other name."""
        if name in self._choices:
            return None
        return next((kept for kept in _all_kept(self._wanted) if str(_version(kept.model)) == name), None)

    def notice(self, name: str) -> dict[str, str]:
        """Return the headers that tell until when a name answers (RFC 9745 and RFC 8594)."""
        kept = self.kept(name)
        if kept is None:
            return {}
        since, until = int(kept.since.timestamp()), format_datetime(kept.until.astimezone(UTC), usegmt=True)
        return {"Deprecation": f"@{since}", "Sunset": until}

    async def _watch(self, seen: int) -> None:
        """Look for changes, for what is to be tried again, and for days that have come, as long as the server runs."""
        while True:
            await asyncio.sleep(FRESH_SECONDS)
            try:
                value = await asyncio.to_thread(counters.value, self.store)
                if value != seen or any(kept.until <= _now() for kept in _all_kept(self._wanted)):
                    seen = await asyncio.to_thread(self._read)
                self._follow()
            except UserError as error:
                logger.error("which models to serve cannot be read, so nothing changes: %s", error)
            except Exception:
                logger.exception("following the aliases failed; it is tried again")

    def _read(self) -> int:
        """Read what is to be served; return where the counter stood before. A registered name stays what it was first:
        versions that come later are served when an alias names them."""
        value = counters.value(self.store)
        if not self._exact:
            aliases = registry.pointed(self.store)
            self._exact = {
                name: name if name in aliases else str(_version(registry.get(self.store, name))) for name in self.names
            }
        found = releases.routes(self.store, list(self._exact.values()), now=_now())
        self._wanted = {name: found[exact] for name, exact in self._exact.items()}
        return value

    def _follow(self) -> None:
        """Let names go to the wanted versions whose engines are there, bring up the others, let go of the rest."""
        for name, route in self._wanted.items():
            main, canary = self._served.get(_version(route.main)), None
            if route.canary is not None:
                canary = self._served.get(_version(route.canary))
            # Until the new version is there, the one before answers.
            main = main or (self._choices[name].main if name in self._choices else None)
            if main is not None:
                self._choices[name] = Choice(main, canary, route.share)
        wanted = {_version(model): model for model in _models(self._wanted)}
        for version, model in wanted.items():
            if version not in self._served and version not in self._coming and self._is_due(version):
                self._coming[version] = asyncio.create_task(self._bring(model))
        in_use = {_version(choice.main.model) for choice in self._choices.values()} | set(wanted)
        for version in set(self._served) - in_use:
            served = self._served.pop(version)
            self._draining[served.engine] = asyncio.create_task(self._drain(served))

    def _is_due(self, version: Version) -> bool:
        return time.monotonic() >= self._failed.get(version, 0.0)

    async def _bring(self, model: RegisteredModel) -> None:
        """Bring up the engine of a version that is wanted; if it does not come up, calls go where they went before."""
        version = _version(model)
        try:
            async with self._one_at_a_time:
                self._served[version] = Served(model, await self._start(model))
            self._failed.pop(version, None)
        except UserError as error:
            self._failed[version] = time.monotonic() + AGAIN_SECONDS
            logger.error("%s cannot be served, so calls go where they went before: %s", version, error)
        finally:
            del self._coming[version]
        self._follow()

    async def _start(self, model: RegisteredModel) -> EngineConnection:
        """Start an engine on files that are those registered, and let it answer the golden prompts."""
        await asyncio.to_thread(untrusted.verify, model)
        engine = self.connect(Path(model.path), self.options)
        try:
            await engine.start()
            await golden.check(engine, str(_version(model)))
        except BaseException:
            await engine.stop()
            raise
        return engine

    async def _drain(self, served: Served) -> None:
        """Stop an engine that no name means any more, once it has answered what it took, or at the deadline."""
        deadline = time.monotonic() + self.drain_seconds
        while (served.calls or served.engine.in_flight) and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_SECONDS)
        if served.calls or served.engine.in_flight:
            logger.error("%s still had %d calls after %.0f seconds; they end", served.name, served.calls,
                         self.drain_seconds)  # fmt: skip
        await served.engine.stop()
        del self._draining[served.engine]


def unknown(name: str) -> ApiError:
    """Return the error for a model that is not served, or not to the one who asks."""
    message = f"There is no model {name[:100]!r} here; /v1/models lists them."
    return ApiError(404, message, code="model_not_found", param="model")


def _version(model: RegisteredModel) -> Version:
    return Version(model.name, model.version)


def _all_kept(routes: dict[str, Route]) -> Iterator[Kept]:
    return (kept for route in routes.values() for kept in route.kept)


def _models(routes: dict[str, Route]) -> Iterator[RegisteredModel]:
    for route in routes.values():
        yield route.main
        if route.canary is not None:
            yield route.canary
        yield from (kept.model for kept in route.kept)


def _now() -> datetime:
    return datetime.now(UTC)
