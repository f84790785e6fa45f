"""The content filter: rules and a classifier, under one policy. It gives a verdict or fails; it never lets pass."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

from tutelage.errors import UnavailableError, UserError
from tutelage.safety.holdback import Hold, Window, pieces
from tutelage.safety.policy import Policy, Role, Verdict
from tutelage.safety.rules import Rules
from tutelage.safety.text import visible

logger = logging.getLogger(__name__)


class FilterUnavailableError(UnavailableError):
    """The filter gave no verdict, so nothing may leave."""

    code = "content_filter_unavailable"


class Classifier(Protocol):
    """Says how likely a text belongs to each category it knows."""

    async def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        """Return for each text the probability by category; raise UserError when it cannot."""


class Filter(Protocol):
    """What scores texts."""

    async def score(self, texts: Sequence[str], role: Role) -> list[Verdict]:
        """Return a verdict on each text; raise FilterUnavailableError when there is none."""


class ContentFilter:
    """A policy with its rules and, if it has one, its classifier."""

    def __init__(self, policy: Policy, classifier: Classifier | None = None) -> None:
        self.policy, self.classifier = policy, classifier
        self.rules = Rules(policy)

    @property
    def can_block(self) -> bool:
        """Say whether any text could be blocked: with neither classifier nor rule that does, nothing need be held."""
        return self.classifier is not None or self.rules.can_block

    async def score(self, texts: Sequence[str], role: Role) -> list[Verdict]:
        """Return a verdict on each whole text; a long one is read in overlapping windows."""
        context = self.policy.settings.streaming.context
        cut = [pieces(self.rules, text, role, context) for text in texts]
        verdicts = iter(await self.judge([window for windows in cut for window in windows]))
        return [self.policy.worst([next(verdicts) for _ in windows]) for windows in cut]

    def hold(self, before: str = "", *, is_blocking: bool = True) -> Hold:
        """Return what holds back a completion; without blocking it only learns what is said of it."""
        return Hold(self.rules, self.policy, before, is_blocking=is_blocking)

    async def judge(self, windows: Sequence[Window]) -> list[Verdict]:
        """Return a verdict on each window, all scored at once."""
        scores = await self._classified([visible(window.text) for window in windows])
        return [self.policy.verdict(found, window.hits) for found, window in zip(scores, windows, strict=True)]

    async def _classified(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        if self.classifier is None or not texts:
            return [{} for _ in texts]
        try:
            async with asyncio.timeout(self.policy.settings.timeout_seconds):
                scores = await self.classifier.classify(texts)
        except (TimeoutError, UserError) as error:
            logger.error("the content filter gave no verdict: %s", error or "it took too long")
            raise FilterUnavailableError(
                "The content filter gives no verdict at the moment, so nothing can be answered; try again."
            ) from error
        if len(scores) != len(texts) or not all(0 <= score <= 1 for found in scores for score in found.values()):
            logger.error(
                "the content filter gave %d verdicts on %d texts, or none from 0 to 1", len(scores), len(texts)
            )
            raise FilterUnavailableError("The content filter gives no sound verdict, so nothing can be answered.")
        return scores
