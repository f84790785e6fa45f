"""Filters whose verdicts a test can foretell: a list of invented words, and a classifier that looks for one word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tutelage.errors import UnavailableError
from tutelage.safety import policy as policies
from tutelage.safety.content import ContentFilter
from tutelage.safety.policy import Policy, PolicySettings

#: Words of no language.
TERMS = ("glorp", "vex nar", "quillo*", "wibb")
#: What the classifier finds unsafe, and what it finds sensitive.
UNSAFE, SENSITIVE = "krum", "pelt"


@dataclass
class WordClassifier:
    """Gives `hate` a high probability where the text holds UNSAFE; fails when told to."""

    is_down: bool = False
    asked: list[str] = field(default_factory=list)

    async def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        self.asked += texts
        if self.is_down:
            raise UnavailableError("It is down.")
        return [{"hate": 0.9 if UNSAFE in text else 0.6 if SENSITIVE in text else 0.1} for text in texts]


def policy(folder: Path, **changes: Any) -> Policy:
    """Make a policy with the list of invented words."""
    (folder / "terms.txt").write_text("# invented\n" + "\n".join(TERMS) + "\n", encoding="utf-8")
    settings = {"lists": {"invented": {"file": "terms.txt"}}, **changes}
    return policies.make(PolicySettings.model_validate(settings), folder)


def content(folder: Path, classifier: WordClassifier | None = None, **changes: Any) -> ContentFilter:
    """Make a filter."""
    return ContentFilter(policy(folder, **changes), classifier)
