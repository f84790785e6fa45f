"""Prefixes that show the untrained model solved tasks: the "prompted" baseline of the paper (3.5)."""

from __future__ import annotations

import random

from tutelage.records import UseCase
from tutelage.village.answers import answer
from tutelage.village.prompts import mentions_heldout, render
from tutelage.village.sampling import sample_kind
from tutelage.village.world import World

#: Two or three kinds of task per prefix: the frequent use cases first, another mixture each time.
_MIXTURES: tuple[tuple[tuple[UseCase, str], ...], ...] = (
    (("generation", "story"), ("open_qa", "fact"), ("brainstorming", "list")),
    (("generation", "about"), ("brainstorming", "list"), ("rewrite", "past")),
    (("open_qa", "fact"), ("generation", "letter"), ("classification", "kind")),
    (("generation", "story"), ("generation", "insult")),
    (("chat", "lost"), ("generation", "about"), ("open_qa", "unknown")),
    (("generation", "sign"), ("rewrite", "polite"), ("generation", "story")),
    (("open_qa", "premise"), ("generation", "review"), ("other", "sort")),
    (("summarization", "story"), ("open_qa", "fact")),
)
#: Characters of the longest prefix: under 120 tokens of the village's tokenizer.
MAX_CHARS = 400


def _shot(world: World, rng: random.Random, use_case: UseCase, kind: str) -> str:
    """Return one solved task in which nothing held out is named, its truth from the world itself."""
    while True:
        task = sample_kind(world, rng, use_case, kind)
        text, solved = render(task, world, rng), answer(task, world, world.value, rng)
        if not mentions_heldout(text, world) and "\n" not in text:
            return f"{text}\n{solved}\n\n"


def prefixes(world: World, seed: int, n: int = 6) -> list[str]:
    """Return n different prefixes of two or three solved tasks each."""
    rng = random.Random(f"village prefixes {world.seed} {seed}")
    found: list[str] = []
    while len(found) < n:
        prefix = "".join(_shot(world, rng, *kind) for kind in _MIXTURES[len(found) % len(_MIXTURES)])
        if len(prefix) <= MAX_CHARS and prefix not in found:
            found.append(prefix)
    return found


def wrap(prefix: str, prompt_text: str) -> str:
    """Set a prompt after a prefix; the answer is to follow on the next line and ends with it."""
    return f"{prefix}{prompt_text}\n"
