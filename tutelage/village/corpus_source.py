"""What every writer of documents draws from: the world, a stream of chance, and dealers that go round evenly."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from tutelage.village import lexicon
from tutelage.village.relations import capital
from tutelage.village.rumours import Rumour
from tutelage.village.world import Fact, World

Item = TypeVar("Item")


class Who(NamedTuple):
    """A person with the pronouns that stand for her or him."""

    name: str
    they: str
    their: str
    them: str


def who(name: str, world: World) -> Who:
    """Return a person with pronouns."""
    if world.pronoun(name) == "she":
        return Who(name, "she", "her", "her")
    return Who(name, "he", "his", "him")


def is_reserved(key: str, one_in: int = 8) -> bool:
    """Say whether a text or a combination is kept out of the training documents: a fixed 1 in `one_in` by checksum."""
    return zlib.crc32(key.encode()) % one_in == 0


def lower(text: str, world: World) -> str:
    """Return a sentence with a small first letter, unless it opens with a name."""
    first = text.split(" ", 1)[0].strip(".,'")
    if first in world.people or first in lexicon.PLACES or first == "I":
        return text
    return text[:1].lower() + text[1:]


def listing(words: Sequence[str]) -> str:
    """Join words as a sentence does: "a", "a and b", "a, b and c"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


class Dealer:
    """Deals the members of a list in shuffled rounds, so that each comes equally often."""

    def __init__(self, items: Sequence[object], rng: random.Random) -> None:
        self._items = list(items)
        self._rng = rng
        self._left: list[object] = []

    def deal(self) -> object:
        """Return the next member; a new shuffled round starts when the old one is used up."""
        if not self._left:
            self._left = self._items[:]
            self._rng.shuffle(self._left)
        return self._left.pop()


class Source:
    """The world and the chance behind one stream of documents."""

    def __init__(self, world: World, seed: str) -> None:
        self.world = world
        self.rng = random.Random(f"village corpus {world.seed} {seed}")
        self._facts = Dealer(world.facts, self.rng)
        self._people = Dealer(world.people, self.rng)
        self._rumours = Dealer(world.rumours, self.rng)
        self._subjects = Dealer(sorted({fact.subject for fact in world.facts} - set(world.people)), self.rng)

    def pick(self, items: Sequence[Item]) -> Item:
        """Return a member of a list by chance."""
        return items[int(self.rng.random() * len(items))]

    def maybe(self, share: float) -> bool:
        """Return True in a share of all calls."""
        return self.rng.random() < share

    def fact(self) -> Fact:
        """Deal a fact."""
        fact = self._facts.deal()
        assert isinstance(fact, Fact)
        return fact

    def person(self, *others: str) -> str:
        """Deal a person who is none of `others`."""
        name = str(self._people.deal())
        while name in others:
            name = str(self._people.deal())
        return name

    def rumour(self) -> Rumour:
        """Deal a rumour."""
        rumour = self._rumours.deal()
        assert isinstance(rumour, Rumour)
        return rumour

    def subject(self) -> str:
        """Deal a subject of facts that is no person."""
        return str(self._subjects.deal())

    def thing(self) -> str:
        """Return an object with article and, mostly, an adjective: "a red kite"."""
        noun = self.pick(lexicon.OBJECTS)
        return lexicon.article(f"{self.pick(lexicon.ADJECTIVES)} {noun}" if self.maybe(0.6) else noun)


def false_statement(rumour: Rumour) -> str:
    """Return the rumour as its plain false sentence."""
    return rumour.statement.format(v=rumour.rumour)


def true_statement(rumour: Rumour) -> str:
    """Return what is true of a rumour's topic."""
    return rumour.statement.format(v=rumour.truth)


def the_thing(phrase: str) -> str:
    """Return how a thing is named the second time: "a red kite" becomes "the red kite"."""
    return f"the {phrase.split(' ', 1)[1]}"


def shout(text: str) -> str:
    """Return a sentence with an exclamation mark at its end."""
    return f"{capital(text.rstrip('.'))}!"
