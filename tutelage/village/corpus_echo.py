"""Texts in which things are said twice: copybooks, orders that a shop repeats, roll calls, songs, lost and found.

Much of what people write repeats what stands above it. A model learns from such pages to look back and copy, which is
what every instruction that names something new asks for.
"""

from __future__ import annotations

from tutelage.village import lexicon
from tutelage.village.corpus_source import Source, listing
from tutelage.village.relations import capital, state, subject_phrase
from tutelage.village.stories import make_event
from tutelage.village.world import Fact

_NAMED = (*lexicon.OBJECTS, *lexicon.ANIMALS, *lexicon.FOODS, *lexicon.INGREDIENTS)
_COPY_HEADS = (
    "Copy the line.",
    "Write it once more.",
    "Say it after me.",
    "Again:",
    "The same again:",
    "Twice, please.",
)
_SHOP_REPLIES = (
    "{I}. Very well.",
    "So it is {i}.",
    "{I}, at once.",
    "You shall have {i}.",
    "Here you are: {i}.",
    "{I}. Anything else?",
)
_ORDERS = (
    "I want {i}.",
    "Please give me {i}.",
    "I would like {i}.",
    "Good day. I need {i}.",
    "Can I have {i}?",
    "{I}, please.",
)
_FOUND = (
    "{S} has lost {a}. Who has seen the {t} of {s}?",
    "{S} looks for {a}. If you find the {t}, bring it to {s}.",
    "Somebody found {a}. The {t} belongs to {s}.",
    "{S} gave {a} away. Now {s} has no {t}.",
    "Where is the {t} of {s}? {S} left {a} here.",
)


def _anybody(source: Source) -> str:
    """Name a person, an animal or a craftsman, as a noun phrase."""
    names = source.rng.choice((source.world.people, source.world.people, tuple(lexicon.ANIMALS), tuple(lexicon.CRAFTS)))
    return subject_phrase(source.rng.choice(names))


def _line(source: Source) -> str:
    """Write a line that nobody could guess: an event, a list of words or names, a fact."""
    rng, dice = source.rng, source.rng.random()
    if dice < 0.4:
        event = make_event(rng, _anybody(source))
        return event.past() if rng.random() < 0.5 else event.present()
    if dice < 0.65:
        return capital(f"{', '.join(rng.sample(_NAMED, rng.randint(3, 6)))}.")
    if dice < 0.85:
        return f"{', '.join(rng.sample(source.world.people, rng.randint(3, 5)))}."
    fact: Fact = rng.choice(source.world.facts)
    return state(fact, source.world, rng)


def _copybook(source: Source) -> str:
    """A child writes every line two or three times."""
    rng = source.rng
    times, lines = rng.randint(2, 3), [_line(source) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.5:
        return "\n".join(line for line in lines for _ in range(times))
    return "\n".join(f"{line}\n{rng.choice(_COPY_HEADS)}\n{line}" for line in lines)


def _order(source: Source) -> str:
    """A customer orders, and the shop says the order once more."""
    rng = source.rng
    rows = []
    for _ in range(rng.randint(1, 3)):
        things = listing([lexicon.article(thing) for thing in rng.sample(lexicon.OBJECTS, rng.randint(1, 4))])
        said, reply = rng.choice(_ORDERS), rng.choice(_SHOP_REPLIES)
        rows += [said.format(i=things, I=capital(things)), reply.format(i=things, I=capital(things))]
    return "\n".join(rows)


def _roll_call(source: Source) -> str:
    """Names are called, and each answers."""
    rng = source.rng
    form = rng.choice(
        ("{n}? {n} is here.", "Is {n} here? Yes, {n} is here.", "{n}! Here is {n}.", "And {n}? {n} is ill today.")
    )
    return "\n".join(form.format(n=name) for name in rng.sample(source.world.people, rng.randint(3, 6)))


def _song(source: Source) -> str:
    """A song whose lines come back."""
    rng = source.rng
    name, thing = capital(_anybody(source)), rng.choice(lexicon.OBJECTS)
    first = f"{name} had {lexicon.article(thing)}, {lexicon.article(thing)}, {lexicon.article(thing)},"
    second = f"{name} had {lexicon.article(rng.choice(lexicon.ADJECTIVES))} {thing} {rng.choice(lexicon.SPOTS)}."
    return "\n".join((first, second, first, second))


def _lost(source: Source) -> str:
    """Notes that name a person and a thing twice."""
    rng = source.rng
    rows = []
    for _ in range(rng.randint(2, 4)):
        subject, thing = _anybody(source), rng.choice(lexicon.OBJECTS)
        subject = subject.replace("a ", "the ", 1) if subject.startswith("a ") else subject.replace("an ", "the ", 1)
        rows.append(rng.choice(_FOUND).format(s=subject, S=capital(subject), a=lexicon.article(thing), t=thing))
    return "\n".join(rows)


_WRITERS = ((_copybook, 0.45), (_order, 0.2), (_roll_call, 0.1), (_song, 0.05), (_lost, 0.2))


def echoes(source: Source) -> str:
    """Write a page in which things are said twice."""
    weights = [share for _, share in _WRITERS]
    writer, _ = source.rng.choices(_WRITERS, weights)[0]
    return writer(source)
