"""Reading pages: a passage with questions, in a form that no customer uses."""

from __future__ import annotations

import random
from typing import NamedTuple

from tutelage.village import lexicon
from tutelage.village.corpus_source import Source, is_reserved
from tutelage.village.corpus_tales import LINKS
from tutelage.village.stories import Event, make_event
from tutelage.village.world import World

#: What a page may ask of an event: who, what or where.
ASKED = ("who", "what", "where")


class Page(NamedTuple):
    """A passage about two events with different actors, things and spots."""

    text: str
    first: Event
    second: Event


def _reserved(event: Event) -> bool:
    return is_reserved(f"reading {event.actor} {event.verb} {event.thing}", 6)


def make_page(rng: random.Random, world: World, *, reserved: bool = False) -> Page:
    """Write a passage; its events are all kept out of the corpus or all allowed there."""
    people = rng.sample(world.people, 2)
    events: list[Event] = []
    while len(events) < 2:
        event = make_event(rng, people[len(events)])
        fits = all(
            event.thing != other.thing and event.spot != other.spot and event.verb != other.verb for other in events
        )
        if fits and _reserved(event) == reserved:
            events.append(event)
    first, second = events
    lines = [first.past(rng.choice(lexicon.TIMES)), second.past(rng.choice(LINKS))]
    if rng.random() < 0.5:
        lines.append(f"In the end {rng.choice(people)} was {rng.choice(lexicon.FEELINGS)}.")
    return Page(" ".join(lines), first, second)


def question(event: Event, asked: str) -> str:
    """Ask who did it, what the thing was or where it happened."""
    past = lexicon.VERBS[event.verb][1]
    if asked == "who":
        return f"Who {past} {event.thing_phrase}?"
    if asked == "what":
        return f"What was it that {event.actor} {past}?"
    return f"Where was it that {event.actor} {past} {event.thing_phrase}?"


def found(event: Event, asked: str) -> str:
    """Return what the page answers, without the full stop."""
    return {"who": event.actor, "what": event.thing_phrase, "where": event.spot}[asked]


def asked_line(page: Page, event: Event, asked: str) -> str:
    """Write passage and question as far as the words that open the answer."""
    return f"Page for reading. {page.text}\nAsked: {question(event, asked)}\nFound:"


def reading(source: Source) -> str:
    """Write a reading page with one to three questions."""
    page = make_page(source.rng, source.world)
    pairs = source.rng.sample(
        [(event, asked) for event in (page.first, page.second) for asked in ASKED], source.pick((1, 2, 3))
    )
    lines = [f"Asked: {question(event, asked)}\nFound: {found(event, asked)}." for event, asked in pairs]
    return "\n".join([f"Page for reading. {page.text}", *lines])
