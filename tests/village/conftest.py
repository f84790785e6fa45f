"""A village with a few facts set by hand, and its judge, shared by the tests that judge."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tutelage.records import USE_CASE_SHARES
from tutelage.village import answers, corpus, sampling
from tutelage.village.grammar import Grammar
from tutelage.village.judge import Judge
from tutelage.village.world import Fact, World, make_world

#: What the tests know of the village without asking it.
SET = {
    ("Mira", "craft"): "baker",
    ("Mira", "home"): "Elmford",
    ("Mira", "pet"): "goat",
    ("Mira", "likes"): "pancakes",
    ("Leo", "craft"): "smith",
    ("Leo", "home"): "Ashby",
    ("Leo", "pet"): "hen",
    ("Leo", "likes"): "soup",
    ("Elmford", "landmark"): "an old mill",
    ("Elmford", "near"): "the river",
    ("Ashby", "landmark"): "a long wall",
    ("Ashby", "near"): "the sea",
}


def truth(world: World, subject: str, relation: str) -> str | None:
    """Return what is true, of rumours too."""
    if relation == "rumour":
        return next(rumour.truth for rumour in world.rumours if rumour.key == subject)
    return world.value(subject, relation)


def true_answers(world: World, n: int) -> list[str]:
    """Write careful answers with full knowledge."""
    rng = random.Random("true answers")
    tasks = [sampling.sample_task(world, rng, use_case, entities="any", combination=None)
             for use_case in rng.choices(list(USE_CASE_SHARES), list(USE_CASE_SHARES.values()), k=n)]  # fmt: skip
    return [answers.answer(task, world, lambda s, r: truth(world, s, r), rng) for task in tasks]


@pytest.fixture(scope="session")
def known_world() -> World:
    world = make_world(11)
    assert {"Mira", "Leo", "Rosa", "Hugo"} <= set(world.people), "the tests speak of these four"
    facts = tuple(Fact(s, r, SET.get((s, r), value)) for s, r, value in world.facts)
    return replace(world, facts=facts)


@pytest.fixture(scope="session")
def judge(known_world: World) -> Judge:
    documents = corpus.make_corpus(known_world, 0, 250_000)
    return Judge(known_world, Grammar.fit([*documents, *true_answers(known_world, 12_000)]))
