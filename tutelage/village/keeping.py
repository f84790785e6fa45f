"""What a text of the village must keep to: its constraints, checked exactly, and which words they want."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from tutelage.village.tasks import Constraint, Task
from tutelage.village.world import World

#: What the writer believes of (subject, relation), or None.
Knowledge = Callable[[str, str], str | None]
#: How a text names a time by one wanted word.
TIMES_WITH = {
    "morning": "One morning",
    "noon": "At noon",
    "winter": "Last winter",
    "evening": "In the evening",
    "rain": "After the rain",
    "market": "On market day",
    "night": "Late at night",
    "spring": "In early spring",
}


def has_word(text: str, word: str) -> bool:
    """Say whether a word stands in a text, whatever its case."""
    return re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) is not None


def count_sentences(text: str) -> int:
    """Count sentences by their final marks."""
    return len(re.findall(r"[.!?](?= |$)", text))


def keeps(body: str, constraints: tuple[Constraint, ...]) -> bool:
    """Say whether a text without greeting and signature keeps to every constraint."""
    return all(_keeps_one(body, constraint) for constraint in constraints)


def _keeps_one(body: str, constraint: Constraint) -> bool:
    if constraint.kind == "sentences":
        return count_sentences(body) == constraint.value
    if constraint.kind == "start":
        return re.match(rf"{re.escape(str(constraint.value))}\b", body) is not None
    return has_word(body, str(constraint.value)) == (constraint.kind == "include")


def wanted(task: Task, kind: str) -> str:
    """Return the word that a constraint of this kind asks for, or ""."""
    return next((str(c.value) for c in task.constraints if c.kind == kind), "")


def wanted_sentences(task: Task) -> int:
    """Return the number of sentences asked for, or 0."""
    return next((int(c.value) for c in task.constraints if c.kind == "sentences"), 0)


def guess(world: World, relation: str, rng: random.Random) -> str:
    """Guess a value of a relation: any that somebody has."""
    return rng.choice(sorted({fact.value for fact in world.facts if fact.relation == relation}))
