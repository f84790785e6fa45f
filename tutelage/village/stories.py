"""Small events and the stories told of them. A story keeps its ground truth: who did what, where and how it ended."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tutelage.village import lexicon
from tutelage.village.relations import capital


@dataclass(frozen=True)
class Event:
    """One deed: `actor` (a noun phrase: "Mira", "a goat", "the baker") does `verb` (base form) to `thing` at `spot`."""

    actor: str
    verb: str
    adjective: str
    thing: str
    spot: str

    @property
    def thing_phrase(self) -> str:
        """The thing with article and, where there is one, its adjective: "a red kite"."""
        return lexicon.article(f"{self.adjective} {self.thing}" if self.adjective else self.thing)

    def present(self) -> str:
        """Return the event in the present tense: "Mira finds a red kite by the well."."""
        return f"{capital(self.actor)} {lexicon.VERBS[self.verb][0]} {self.thing_phrase} {self.spot}."

    def past(self, time: str = "") -> str:
        """Return the event in the past tense, with an opening time when one is given."""
        actor = f"{time} {self.actor}" if time else capital(self.actor)
        return f"{actor} {lexicon.VERBS[self.verb][1]} {self.thing_phrase} {self.spot}."


@dataclass(frozen=True)
class Story:
    """A told event: its sentences in the past tense and the truth behind them."""

    event: Event
    time: str
    other: str
    feeling: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.sentences)


def short_name(phrase: str) -> str:
    """Return how a story names somebody the second time: "a goat" becomes "the goat", "Mira" stays."""
    for start in ("a ", "an "):
        if phrase.startswith(start):
            return f"the {phrase.removeprefix(start)}"
    return phrase


def make_event(rng: random.Random, actor: str, thing: str = "", verb: str = "") -> Event:
    """Deal an event for an actor."""
    return Event(
        actor=actor,
        verb=verb or rng.choice(sorted(lexicon.VERBS)),
        adjective=rng.choice(lexicon.ADJECTIVES) if rng.random() < 0.6 else "",
        thing=thing or rng.choice(lexicon.OBJECTS),
        spot=rng.choice(lexicon.SPOTS),
    )


def _middles(event: Event, other: str) -> list[str]:
    who, thing = short_name(event.actor), event.thing
    return [
        f"{capital(other)} came along and looked at the {thing}.",
        f"{capital(other)} wanted to have the {thing} too.",
        f"{capital(who)} showed the {thing} to {short_name(other)}.",
        f"{capital(other)} helped and did not ask for money.",
        f"{capital(who)} asked {short_name(other)} for help with the {thing}.",
        f"{capital(other)} laughed and sat down.",
        f"The {thing} was heavy, so {short_name(other)} carried it too.",
        f"It began to rain, and {short_name(other)} waited with {who}.",
    ]


def _endings(event: Event, other: str, feeling: str) -> list[str]:
    who = short_name(event.actor)
    return [
        f"In the end {who} was {feeling}.",
        f"{capital(who)} went home and was {feeling}.",
        f"That night {who} was {feeling}.",
        f"{capital(who)} was {feeling} and gave {short_name(other)} some bread.",
        f"From that day on {who} was never alone, and {short_name(other)} was {feeling}.",
    ]


def tell(rng: random.Random, event: Event, other: str, length: int = 3) -> Story:
    """Tell a story of `length` sentences (1 to 5) in the past tense: the event, what `other` did, the end."""
    time, feeling = rng.choice(lexicon.TIMES), rng.choice(lexicon.FEELINGS)
    middles = rng.sample(_middles(event, other), max(0, length - 2))
    ending = [rng.choice(_endings(event, other, feeling))] if length > 1 else []
    return Story(event, time, other, feeling, (event.past(time), *middles, *ending))
