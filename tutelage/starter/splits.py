"""The split of the starter set: a hash of the topic, so that related prompts are never on both sides."""

from __future__ import annotations

import hashlib

from tutelage.records import Split

#: Upper ends of the shares. The test part is large because 300 prompts tell a win rate of 58 % from one of 50 %.
ENDS: tuple[tuple[float, Split], ...] = ((0.48, "train"), (0.56, "validation"), (1.0, "test"))


def split_of(topic: str) -> Split:
    """Return the split of a topic, which never changes: SHA-256 of "starter split: TOPIC" as a number in [0, 1)."""
    digest = hashlib.sha256(f"starter split: {topic}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    return next(split for end, split in ENDS if place < end)
