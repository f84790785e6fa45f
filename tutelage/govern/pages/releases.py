"""What the console asks of releases, which belong to another unit: what does it is brought in from above."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tutelage.store import Store
from tutelage.store.releases import Decision


class Releases(Protocol):
    """Moves aliases through their gates, and back."""

    def promote(
        self, store: Store, version: str, alias: str, share: float | None, *, decision: Decision, now: datetime
    ) -> None:
        """Let an alias name a version (NAME@VERSION), or a share of its callers go there, if its gates pass."""

    def roll_back(self, store: Store, alias: str, *, decision: Decision, now: datetime) -> None:
        """Take the last step of an alias back."""

    def judged(self, store: Store, alias: str, version: str) -> Sequence[str]:
        """Say in a sentence each what the alias's gates find of a version, or that none hold."""
