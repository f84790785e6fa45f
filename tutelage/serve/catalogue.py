"""Which models are served, and the engine process of each. A name is a key of the registry, never a path."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tutelage.errors import DataError, MissingError, UserError
from tutelage.files import sha256_of
from tutelage.generate.process import EngineOptions, EngineProcess
from tutelage.records import RegisteredModel
from tutelage.store import Store, registry
from tutelage.web.errors import ApiError

logger = logging.getLogger(__name__)

#: An alias that moved is noticed after so long.
FRESH_SECONDS = 0.25
#: How often an engine that is no longer wanted is asked whether it is done.
DRAIN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Served:
    """A model version with its engine."""

    model: RegisteredModel
    engine: EngineProcess

    @property
    def name(self) -> str:
        """Return the name that means this version for ever."""
        return f"{self.model.name}@{self.model.version}"

    @property
    def fingerprint(self) -> str:
        """Return what identifies the weights in answers."""
        return f"fp_{self.model.sha256[:12]}"


class Catalogue:
    """The served names (aliases or registered names) and the engines behind them."""

    def __init__(self, store: Store, names: Sequence[str], options: EngineOptions) -> None:
        self.store, self.names, self.options = store, tuple(dict.fromkeys(names)), options
        self.created = int(time.time())
        self._served: dict[tuple[str, int], Served] = {}
        self._targets: dict[str, RegisteredModel] = {}
        self._looked_up: dict[str, float] = {}
        self._lock = asyncio.Lock()
        self._draining: dict[EngineProcess, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Start an engine for every name; raise a sentence when a name or its files are not there."""
        for name in self.names:
            await self._serve(name)

    async def stop(self) -> None:
        """End all engines."""
        for task in self._draining.values():
            task.cancel()
        await asyncio.gather(*self._draining.values(), return_exceptions=True)
        engines = [*self._draining, *(served.engine for served in self._served.values())]
        await asyncio.gather(*(engine.stop() for engine in engines))

    def current(self) -> dict[str, Served]:
        """Return what each name means now, the versions' own names included."""
        named = {
            name: self._served[_key(model)] for name, model in self._targets.items() if _key(model) in self._served
        }
        exact = {served.name: served for served in self._served.values()}
        return {**exact, **named}

    @property
    def is_ready(self) -> bool:
        """Say whether every name has an engine that answers."""
        current = self.current()
        return all(name in current and current[name].engine.is_ready for name in self.names)

    async def find(self, name: str) -> Served:
        """Return the engine of a served name; raise 404 for any other."""
        if name in self.names:
            try:
                return await self._serve(name)
            except UserError as error:
                logger.error("%s cannot be served: %s", name, error)
                raise ApiError(503, f"The model {name} cannot be served now; try again later.") from error
        served = self.current().get(name)
        if served is None:
            raise unknown(name)
        return served

    async def _serve(self, name: str) -> Served:
        model = await self._target(name)
        if _key(model) not in self._served:
            async with self._lock:
                if _key(model) not in self._served:
                    self._served[_key(model)] = Served(model, await self._start(model))
        served = self._served[_key(model)]
        before = self._targets.get(name)
        self._targets[name] = model
        if before is not None and _key(before) != _key(model):
            self._let_go(before)
        return served

    async def _target(self, name: str) -> RegisteredModel:
        now = time.monotonic()
        known = self._targets.get(name)
        if known is None or now - self._looked_up[name] > FRESH_SECONDS:
            known = await asyncio.to_thread(registry.get, self.store, name)
            self._looked_up[name] = now
        return known

    async def _start(self, model: RegisteredModel) -> EngineProcess:
        path = Path(model.path)
        if model.role != "policy":
            raise DataError(f"{model.name} is a {model.role} model, which writes no text; serve a policy.")
        if not path.is_dir():
            raise MissingError(f"The files of {model.name} version {model.version} are gone from {path}; restore them.")
        if await asyncio.to_thread(sha256_of, path) != model.sha256:
            raise DataError(
                f"The files of {model.name} version {model.version} in {path} are not those that were registered;"
                " restore them, or register the new ones as another version."
            )
        engine = EngineProcess(path, self.options)
        try:
            await engine.start()
        except BaseException:
            await engine.stop()
            raise
        return engine

    def _let_go(self, model: RegisteredModel) -> None:
        """Stop the engine of a version that no name means any more, once it has answered what it took."""
        if any(_key(target) == _key(model) for target in self._targets.values()):
            return
        served = self._served.pop(_key(model), None)
        if served is not None:
            self._draining[served.engine] = asyncio.create_task(self._drain(served.engine))

    async def _drain(self, engine: EngineProcess) -> None:
        while engine.in_flight:
            await asyncio.sleep(DRAIN_SECONDS)
        await engine.stop()
        del self._draining[engine]


def unknown(name: str) -> ApiError:
    """Return the error for a model that is not served, or not to the one who asks."""
    message = f"There is no model {name[:100]!r} here; /v1/models lists them."
    return ApiError(404, message, code="model_not_found", param="model")


def _key(model: RegisteredModel) -> tuple[str, int]:
    return model.name, model.version
