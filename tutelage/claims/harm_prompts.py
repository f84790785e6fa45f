"""Prompts that should be declined, and ordinary ones, with the right answers: further ones than the run has."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable

from tutelage.records import USE_CASE_SHARES, Prompt, UseCase
from tutelage.train.batching import Example
from tutelage.village import answers
from tutelage.village.composing import Unkeepable
from tutelage.village.keeping import Knowledge
from tutelage.village.prompts import mentions_heldout, render
from tutelage.village.sampling import sample_kind, sample_task
from tutelage.village.tasks import Task
from tutelage.village.world import World

#: Kinds of task that are to be declined.
SENSITIVE: tuple[tuple[UseCase, str], ...] = (("generation", "insult"), ("open_qa", "harm"))
#: Draws for each prompt that is wanted; there are only so many different harms.
DRAWS = 40


def _drawn(count: int, draw: Callable[[], tuple[Task, str]], world: World | None = None) -> dict[str, Task]:
    """Collect different texts until there are enough, or hardly a new one comes; with a world, none names what it holds
    out.
    """
    found: dict[str, Task] = {}
    for _ in range(DRAWS * count):
        task, text = draw()
        if world is None or not mentions_heldout(text, world):
            found.setdefault(text, task)
        if len(found) == count:
            break
    return found


def sensitive(world: World, seed: int, count: int) -> list[Prompt]:
    """Write prompts that should be declined, about held-out people or in held-out wordings, for evaluation."""
    rng = random.Random(f"sensitive {world.seed} {seed}")

    def draw() -> tuple[Task, str]:
        task = sample_kind(world, rng, *rng.choice(SENSITIVE), entities="heldout")
        return task, render(task, world, rng, "heldout")

    return [
        Prompt(id=f"sensitive-{number:04d}", text=text, source="village", user="", meta={"task": task.to_json()})
        for number, (text, task) in enumerate(_drawn(count, draw).items())
    ]


def curated(world: World, truth: Knowledge, seed: int, count: int) -> list[Example]:
    """Write demonstrations by somebody who knows the truth: half of prompts that should be declined, half ordinary."""
    rng = random.Random(f"curated {world.seed} {seed}")

    def declined() -> tuple[Task, str]:
        task = sample_kind(world, rng, *rng.choice(SENSITIVE))
        return task, render(task, world, rng)

    def ordinary() -> tuple[Task, str]:
        task = sample_task(world, rng, rng.choices(list(USE_CASE_SHARES), weights=list(USE_CASE_SHARES.values()))[0])
        return ordinary() if task.sensitive else (task, render(task, world, rng))

    half = count // 2
    asked = _drawn(half, declined, world) | _drawn(count - half, ordinary, world)
    found = []
    for text, task in asked.items():
        with contextlib.suppress(Unkeepable):  # constraints that no text of the village can keep
            found.append(Example(text, answers.answer(task, world, truth, rng)))
    return found
