"""What severity a score has, which words are listed, and what is done about it: a policy with a version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from tutelage.config import Settings, load
from tutelage.errors import DataError, MissingError
from tutelage.files import content_hash
from tutelage.safety.categories import BY_NAME

#: 0 safe, 1 sensitive, 2 unsafe: the three labels of OpenAI's first content filter.
Severity = Literal[0, 1, 2]
#: What is scored: what was sent to a model, or what a model wrote.
Role = Literal["prompt", "completion"]
#: A list's words, in the file that names them.
COMMENT = "#"


class Thresholds(Settings):
    """From which probability on a text is sensitive (severity 1), and from which unsafe (severity 2)."""

    sensitive: float = Field(0.5, gt=0, le=1)
    """Severity 1 from here on."""
    unsafe: float = Field(0.7, gt=0, le=1)
    """Severity 2 from here on; OpenAI's first content filter took its unsafe label from a probability of 0.70."""

    @model_validator(mode="after")
    def _in_order(self) -> Thresholds:
        if self.sensitive > self.unsafe:
            raise ValueError(f"sensitive is {self.sensitive} and unsafe is {self.unsafe}; unsafe cannot be less")
        return self


class ListSettings(Settings):
    """A list of terms."""

    file: str
    """One term a line, from the policy's folder; `term*` also finds longer words. Lines with # are comments."""
    category: str = "banned_terms"
    """What a text with one of these terms is flagged for."""
    severity: Literal[1, 2] = 2
    """The severity that such a text has at least."""


class StreamingSettings(Settings):
    """How a text is scored while it is written. Lengths are in characters; a token has about four."""

    step: int = Field(64, ge=16)
    """Most new characters between two scorings; the end of a sentence is scored as well."""
    hold: int = Field(64, ge=0)
    """What is scored leaves when it is older than so many characters, or than the longest listed term."""
    context: int = Field(512, ge=64)
    """How much of the text a scoring reads, the new characters with it."""


class PolicySettings(Settings):
    """A policy of the content filter: what scores, and what follows from scores. Its version is the hash of it all."""

    name: str = "default"
    """Begins the version."""
    classifier: str = ""
    """What scores texts: a content filter's name in the registry or its directory, the directory of another classifier,
    or the address of an endpoint; empty leaves the rules alone."""
    kind: Literal["trained", "sequence", "guard", "endpoint"] = "trained"
    """What the classifier is: trained by `tutelage train filter`, a sequence classifier of transformers, a generative
    model that answers safe or unsafe with the codes of categories, or OpenAI's moderation endpoint."""
    labels: dict[str, str] = {}
    """Which of our categories another classifier's labels are; labels that are not here are not read."""
    default: Thresholds = Thresholds()
    """The thresholds of all categories that have none of their own."""
    thresholds: dict[str, Thresholds] = {}
    """Thresholds by category."""
    block: Literal[1, 2] = 2
    """The severity from which on a text is refused or cut for applications that are not to see it."""
    lists: dict[str, ListSettings] = {}
    """Lists of terms by name."""
    secrets: Severity = 1
    """The severity of a key, token or password in a completion."""
    personal_data: Severity = 0
    """The severity of addresses, numbers and other personal data in a completion."""
    streaming: StreamingSettings = StreamingSettings()
    """How completions are scored while they are written."""
    timeout_seconds: float = Field(10.0, gt=0)
    """How long a scoring may take; afterwards the filter counts as unavailable, and nothing leaves."""

    @model_validator(mode="after")
    def _categories_exist(self) -> PolicySettings:
        named = (*self.labels.values(), *self.thresholds, *(one.category for one in self.lists.values()))
        if unknown := next((name for name in named if name not in BY_NAME), None):
            raise ValueError(f"there is no category {unknown!r}; the categories are {', '.join(BY_NAME)}")
        if self.kind in ("sequence", "guard") and self.classifier and not self.labels:
            raise ValueError(
                f"a classifier of the kind {self.kind} needs [labels], which of its labels are which of ours"
            )
        return self


class Hit(NamedTuple):
    """What a rule found at characters `start` to `end`."""

    category: str
    severity: Severity
    rule: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a filter says of a text: severity, the probability of each category it knows, and the rule that raised it.

    `rule` is "" where the scores alone decided. Rules only raise the severity.
    """

    severity: Severity
    scores: Mapping[str, float]
    rule: str
    policy_version: str

    def flagged(self, policy: Policy) -> dict[str, bool]:
        """Say of every category it knows whether the text is sensitive or unsafe by it."""
        return {name: policy.severity_of(name, score) > 0 for name, score in self.scores.items()}


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy with the terms of its lists; `version` changes whenever a verdict could."""

    settings: PolicySettings
    terms: Mapping[str, tuple[str, ...]]
    version: str

    def severity_of(self, category: str, score: float) -> Severity:
        """Return what a score means."""
        limits = self.settings.thresholds.get(category, self.settings.default)
        return 2 if score >= limits.unsafe else 1 if score >= limits.sensitive else 0

    def verdict(self, scores: Mapping[str, float], hits: Iterable[Hit] = ()) -> Verdict:
        """Return what scores and rules say together; what a rule finds has the score of its severity's threshold."""
        found = dict(scores)
        severity: Severity = max((self.severity_of(*item) for item in found.items()), default=0)
        rule = ""
        for hit in hits:
            limits = self.settings.thresholds.get(hit.category, self.settings.default)
            floor = limits.unsafe if hit.severity == 2 else limits.sensitive
            found[hit.category] = max(found.get(hit.category, 0.0), floor)
            if hit.severity > severity:
                severity, rule = hit.severity, hit.rule
        return Verdict(severity=severity, scores=found, rule=rule, policy_version=self.version)

    def worst(self, verdicts: Sequence[Verdict]) -> Verdict:
        """Return the verdict on a text by those on its parts: the highest severity and highest scores."""
        scores: dict[str, float] = {}
        for one in verdicts:
            scores |= {name: max(score, scores.get(name, 0.0)) for name, score in one.scores.items()}
        top = max(verdicts, key=lambda one: one.severity, default=None)
        severity, rule = (top.severity, top.rule) if top else (0, "")
        return Verdict(severity=severity, scores=scores, rule=rule, policy_version=self.version)


def make(settings: PolicySettings, folder: Path = Path(), fingerprint: str = "") -> Policy:
    """Return a policy with its lists read from a folder; `fingerprint` says which weights its classifier has."""
    terms = {name: _terms(folder / one.file) for name, one in settings.lists.items()}
    hashed = content_hash([settings.model_dump(mode="json"), terms, fingerprint])
    return Policy(settings, terms, f"{settings.name}-{hashed[:8]}")


def read(file: Path) -> PolicySettings:
    """Read a policy's settings from a TOML file."""
    return load(PolicySettings, file)


def _terms(file: Path) -> tuple[str, ...]:
    if not file.is_file():
        raise MissingError(f"The list {file} is not there; correct its name in the policy.")
    try:
        lines = file.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from None
    terms = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith(COMMENT))
    if empty := next((term for term in terms if not any(character.isalnum() for character in term)), None):
        raise DataError(f"{file} holds {empty!r}, which has neither letter nor digit; remove it.")
    return terms
