"""Which two arms are compared, and which of them stands on the left: chance alone decides, anew each time."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Sequence


def draw(
    arms: Sequence[str], done: Collection[frozenset[str]], chance: random.Random
) -> tuple[str, str] | None:  # fmt: skip
    """Draw a left and a right arm from all pairs that are not `done`, each order as likely; None when all are."""
    left = [pair for pair in itertools.permutations(arms, 2) if frozenset(pair) not in done]
    return chance.choice(left) if left else None
