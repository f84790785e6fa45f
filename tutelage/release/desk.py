"""Releases as people decide them on pages: by the gates of an alias's last promotion, and never without gates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tutelage.errors import RefusedError
from tutelage.release import gates, promotion
from tutelage.release.promotion import Order
from tutelage.store import Store, registry, results
from tutelage.store.releases import Decision


class Desk:
    """Moves aliases through their gates, and back."""

    def promote(
        self, store: Store, version: str, alias: str, share: float | None, *, decision: Decision, now: datetime
    ) -> None:
        """Let an alias name a version, or a share of its callers go there; refuse with the sentence of a gate."""
        order = Order(alias=alias, share=share, by=decision.by, reason=decision.reason)
        promotion.promote(store, version, order, now=now)

    def roll_back(self, store: Store, alias: str, *, decision: Decision, now: datetime) -> None:
        """End the canary of an alias, or let it name the version before."""
        promotion.roll_back(store, alias, by=decision.by, reason=decision.reason, now=now)

    def judged(self, store: Store, alias: str, version: str) -> Sequence[str]:
        """Say in a sentence each what the alias's gates find of a version, or that none hold."""
        try:
            held = promotion.gates_of(store, Order(alias=alias))
        except RefusedError as error:
            return [str(error)]
        return [one.sentence for one in gates.judge(held, results.newest(store, registry.get(store, version)))]
