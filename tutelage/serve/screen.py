"""The filter of a server: which policy and classifier it has, and what it does with prompts. It fails closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from tutelage.errors import DataError, MissingError
from tutelage.files import sha256_of
from tutelage.generate.wire import Accepted, Ask, News
from tutelage.safety import policy as policies
from tutelage.safety.content import Classifier, ContentFilter, FilterUnavailableError
from tutelage.safety.endpoint import EndpointClassifier
from tutelage.safety.policy import PolicySettings, Verdict
from tutelage.serve.guard import GuardClassifier
from tutelage.serve.stream.choices import CUT, Screened
from tutelage.store import Store, registry
from tutelage.web.errors import ApiError

#: The alias whose content filter is used where no policy is named.
ALIAS = "content-filter"
#: What happens to what the filter finds: it is refused or cut, noted in the answer, or not looked for.
Mode = Literal["block", "annotate", "off"]
RETRY_SECONDS = "2"


class Engine(Protocol):
    """A model in a process of its own."""

    @property
    def is_ready(self) -> bool:
        """Say whether it answers now."""

    async def start(self) -> None:
        """Start it."""

    async def stop(self) -> None:
        """End it."""

    async def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return the probability of each label for each text."""

    def generate(self, ask: Ask) -> AsyncIterator[Accepted | News]:
        """Answer a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterOptions:
    """The policy, the folder that its lists are in, and whether somebody chose it: then it filters for everybody."""

    policy: PolicySettings = field(default_factory=PolicySettings)
    folder: Path = Path()
    is_chosen: bool = False

    @classmethod
    def read(cls, file: str, store: Store) -> FilterOptions:
        """Read a policy file; without one the rules apply and, where the registry has one, its content filter."""
        if file:
            return cls(policy=policies.read(Path(file)), folder=Path(file).parent, is_chosen=True)
        if ALIAS in registry.pointed(store):
            return cls(policy=PolicySettings(classifier=ALIAS), is_chosen=True)
        return cls()


class BlockedError(ApiError):
    """A prompt that the filter does not let pass, with the verdict on it."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(400, "The content filter does not let this prompt pass; change it.", code=CUT, param="prompt")
        self.verdict = verdict


class Screen:
    """The filter of one gateway. `start` before use, `stop` after."""

    def __init__(self, store: Store, options: FilterOptions, connect: Callable[[Path], Engine]) -> None:
        self.store, self.options, self.connect = store, options, connect
        self._engine: Engine | EndpointClassifier | None = None
        self._content: ContentFilter | None = None

    async def start(self) -> None:
        """Start what classifies; raise a sentence when its files are not there or not those that were registered."""
        if self._content is not None:
            return
        settings = self.options.policy
        fingerprint = ""
        if settings.kind == "endpoint" and settings.classifier:
            self._engine = EndpointClassifier(settings.classifier, settings.labels, timeout=settings.timeout_seconds)
        elif settings.classifier:
            path, fingerprint = await asyncio.to_thread(_located, self.store, settings.classifier)
            self._engine = self.connect(path)
        policy = policies.make(settings, self.options.folder, fingerprint)
        if self._engine is not None:
            try:
                await self._engine.start()
            except BaseException:
                await self.stop()
                raise
        self._content = ContentFilter(policy, _classifier(self._engine, settings))

    async def stop(self) -> None:
        """End what classifies."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.stop()

    @property
    def is_ready(self) -> bool:
        """Say whether verdicts can be had."""
        return self._content is not None and (self._engine is None or self._engine.is_ready)

    @property
    def content(self) -> ContentFilter:
        """Return the filter; raise 503 while there is none."""
        if self._content is None:
            raise unavailable(FilterUnavailableError("The content filter is not ready; try again in a moment."))
        return self._content

    def told(self) -> str:
        """Return what is said at the start of the server."""
        classifier = self.options.policy.classifier or "rules alone"
        return f"Content filter {self.content.policy.version}: {classifier}"

    async def opened(self, mode: Mode, prompts: Sequence[str]) -> Screened | None:
        """Score the prompts of a call and return what filters its completions, None where nothing is filtered.

        Raises BlockedError (400) for a prompt that is blocked, 503 when there is no verdict. Where nobody's key says
        how, as in local mode, a filter that somebody chose blocks.
        """
        if mode == "off" and not self.options.is_chosen:
            return None
        content, is_blocking = self.content, mode != "annotate"
        if is_blocking and not content.can_block:
            return None
        verdicts = await self.score(prompts)
        worst = content.policy.worst(verdicts)
        if is_blocking and worst.severity >= content.policy.settings.block:
            raise BlockedError(worst)
        return Screened(content=content, is_blocking=is_blocking, prompts=verdicts)

    async def score(self, prompts: Sequence[str]) -> list[Verdict]:
        """Return a verdict on each prompt; raise 503 when there is none."""
        try:
            return await self.content.score(prompts, "prompt")
        except FilterUnavailableError as error:
            raise unavailable(error) from error


def unavailable(error: FilterUnavailableError) -> ApiError:
    """Return the error while the filter gives no verdict."""
    return ApiError(503, str(error), code=FilterUnavailableError.code, headers={"Retry-After": RETRY_SECONDS})


class _Renamed:
    """An engine's labels as our categories; without a table its labels are ours already."""

    def __init__(self, engine: Engine, labels: Mapping[str, str]) -> None:
        self.engine, self.labels = engine, labels

    async def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        found: list[Mapping[str, float]] = []
        for scores in await self.engine.classify(texts):
            named = [(self.labels.get(label, "" if self.labels else label), score) for label, score in scores.items()]
            ours = {
                category: max(score for name, score in named if name == category) for category, _ in named if category
            }
            found.append(ours)
        return found


def _classifier(engine: Engine | EndpointClassifier | None, settings: PolicySettings) -> Classifier | None:
    if engine is None or isinstance(engine, EndpointClassifier):
        return engine
    return GuardClassifier(engine, settings.labels) if settings.kind == "guard" else _Renamed(engine, settings.labels)


def _located(store: Store, name: str) -> tuple[Path, str]:
    """Find a classifier by directory or by its name in the registry, with the hash of its files."""
    if Path(name).is_dir() or "/" in name:
        if not Path(name).is_dir():
            raise MissingError(f"There is no classifier {name}; name a directory, or a content filter of the registry.")
        return Path(name), sha256_of(Path(name))
    model = registry.get(store, name)
    path = Path(model.path)
    if model.role != "filter":
        raise DataError(f"{model.name} is a {model.role} model and no content filter; name one, or its directory.")
    if not path.is_dir() or sha256_of(path) != model.sha256:
        raise DataError(
            f"The files of {model.name} version {model.version} in {path} are not those that were registered; restore "
            "them, or register the new ones as another version."
        )
    return path, model.sha256
