"""The facts of one village: who does what, where, with which animal. A seed gives the whole world."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from tutelage.village import lexicon
from tutelage.village.rumours import RUMOURS, Rumour


class Fact(NamedTuple):
    """One checkable statement: `relation` of `subject` is `value`."""

    subject: str
    relation: str
    value: str


@dataclass(frozen=True)
class World:
    """Everything that is true in the village.

    `heldout` holds the subjects (people, places, animals, crafts, foods and rumour keys) whose facts stand in the
    corpus but in no demonstration, ranking or PPO prompt.
    """

    seed: int
    women: tuple[str, ...]
    men: tuple[str, ...]
    facts: tuple[Fact, ...]
    heldout: frozenset[str]

    @property
    def people(self) -> tuple[str, ...]:
        return self.women + self.men

    @property
    def rumours(self) -> tuple[Rumour, ...]:
        return RUMOURS

    @cached_property
    def _values(self) -> dict[tuple[str, str], str]:
        return {(fact.subject, fact.relation): fact.value for fact in self.facts}

    def value(self, subject: str, relation: str) -> str | None:
        """Return what is true of `subject`, or None where the world records nothing."""
        return self._values.get((subject, relation))

    def about(self, subject: str) -> tuple[Fact, ...]:
        """Return every fact whose subject is `subject`."""
        return tuple(fact for fact in self.facts if fact.subject == subject)

    def pronoun(self, person: str) -> str:
        """Return "he" or "she"."""
        return "she" if person in lexicon.WOMEN else "he"


def _person_facts(people: list[str], rng: random.Random) -> list[Fact]:
    crafts, foods = list(lexicon.CRAFTS), list(lexicon.FOODS)
    facts = []
    for person in people:
        facts += [
            Fact(person, "craft", rng.choice(crafts)),
            Fact(person, "home", rng.choice(lexicon.PLACES)),
            Fact(person, "pet", rng.choice(lexicon.PETS)),
            Fact(person, "likes", rng.choice(foods)),
        ]
    return facts


def _fixed_facts(rng: random.Random) -> list[Fact]:
    """Facts that ordinary English knows (a baker makes bread), and those of the places, which the seed deals."""
    facts = []
    for craft, (product, tool) in lexicon.CRAFTS.items():
        facts += [Fact(craft, "product", product), Fact(craft, "tool", tool)]
    for animal, (food, habitat) in lexicon.ANIMALS.items():
        facts += [Fact(animal, "eats", food), Fact(animal, "habitat", habitat)]
    facts += [Fact(food, "ingredient", main) for food, main in lexicon.FOODS.items()]
    landmarks = rng.sample(lexicon.LANDMARKS, len(lexicon.PLACES))
    for place, landmark in zip(lexicon.PLACES, landmarks, strict=True):
        facts += [Fact(place, "landmark", landmark), Fact(place, "near", rng.choice(lexicon.LANDSCAPES))]
    return facts


def _heldout(people: list[str], rng: random.Random) -> frozenset[str]:
    """Hold out a fifth of every kind of subject."""
    kinds = (
        people,
        list(lexicon.CRAFTS),
        list(lexicon.ANIMALS),
        list(lexicon.FOODS),
        list(lexicon.PLACES),
        [rumour.key for rumour in RUMOURS],
    )
    return frozenset(name for kind in kinds for name in rng.sample(kind, len(kind) // 5))


def make_world(seed: int, women: int = 24, men: int = 24) -> World:
    """Deal the facts of the village from a seed."""
    rng = random.Random(f"village world {seed}")
    chosen_women = tuple(rng.sample(lexicon.WOMEN, women))
    chosen_men = tuple(rng.sample(lexicon.MEN, men))
    people = [*chosen_women, *chosen_men]
    facts = tuple(_person_facts(people, rng) + _fixed_facts(rng))
    return World(seed=seed, women=chosen_women, men=chosen_men, facts=facts, heldout=_heldout(people, rng))
