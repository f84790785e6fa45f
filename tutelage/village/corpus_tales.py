"""Stories with one or two events and people who speak, and the letters that villagers write."""

from __future__ import annotations

from tutelage.village import lexicon, stories
from tutelage.village.corpus_source import Source, Who, listing, the_thing, who
from tutelage.village.relations import capital, state, subject_phrase

TITLES = (
    "The {thing}",
    "{who} and the {thing}",
    "The story of the {thing}",
    "What happened {spot}",
    "A tale for the evening",
    "{who}",
)
LINKS = (
    "Then",
    "Soon after",
    "The next day",
    "A little later",
    "At the same time",
    "Some days later",
    "In the meantime",
)
SPEECHES = (
    '"{x}" said {a}.',
    '"{x}" called {a}.',
    '{A} smiled and said, "{x}"',
    '{A} whispered, "{x}"',
    '"{x}" answered {a}.',
    '{A} looked up and said, "{x}"',
)
FIRST_WORDS = ("Look what I have here!", "What have you got there?", "Is this {t} yours?", "I was looking for {t}.",
               "Whose {n} is this?", "May I see {t}?", "I need {t} for my work.", "Be careful with {t}!",
               "This is the best day of the week.", "Who has left {t} here?")  # fmt: skip
REPLIES = (
    "Thank you, that is kind of you.",
    "You may have it until tomorrow.",
    "I do not know, but we can ask.",
    "It is not mine.",
    "Let us go home together.",
    "Of course, take it.",
    "We can share it.",
    "I am glad to hear that.",
    "Come and sit with me.",
    "That was a long day.",
    "I will help you.",
    "Then let us carry it to the market.",
)
SETTINGS = (
    "It was a cold day.",
    "The sun was high over the roofs.",
    "Nobody was on the road.",
    "The market was full of people.",
    "A soft rain was falling.",
    "The wind came from the hills.",
    "It was quiet in the village.",
    "The bells had just rung.",
    "The snow lay deep.",
    "All the doors were open.",
)
ENTRANCES = ("was there too", "came by", "came along", "stood there and watched", "was on the way home", "sat close by")
CLOSINGS = ("And that is the end of the story.", "Nobody ever forgot that day.", "They still talk about it at the inn.",
            "After that they ate together.", "Then everyone went to sleep.", "And so they became friends.",
            "It was late when they came home.", "The moon was up when they said goodbye.")  # fmt: skip


def actor(source: Source, *others: str) -> str:
    """Return somebody for a story: a person, an animal or a craft as noun phrase."""
    chance = source.rng.random()
    if chance < 0.6:
        name = source.person(*others)
    elif chance < 0.85:
        name = subject_phrase(source.pick(tuple(lexicon.ANIMALS)))
    else:
        name = subject_phrase(source.pick(tuple(lexicon.CRAFTS)))
    return name if name not in others else actor(source, *others)


def _speech(source: Source, name: str, words: str) -> str:
    form = source.pick(SPEECHES)
    said = words[:-1] + "," if words.endswith(".") and form.startswith('"') else words
    return form.format(x=said, a=name, A=capital(name))


def _talk(source: Source, first: str, second: str, thing: str) -> list[str]:
    words = source.pick(FIRST_WORDS).format(t=f"the {thing}", n=thing)
    return [_speech(source, first, words), _speech(source, second, source.pick(REPLIES))]


def _simple(source: Source) -> str:
    event = stories.make_event(source.rng, actor(source))
    other = actor(source, event.actor)
    return stories.tell(source.rng, event, other, source.pick((2, 3, 3, 3, 4, 4, 5))).text


def _spoken(source: Source) -> str:
    """Tell of one event in the presence of two who speak."""
    first = stories.make_event(source.rng, actor(source))
    other = actor(source, first.actor)
    told = stories.tell(source.rng, first, other, source.pick((3, 3, 4)))
    talk = _talk(source, stories.short_name(first.actor), stories.short_name(other), first.thing)
    opening = [source.pick(SETTINGS)] if source.maybe(0.3) else []
    # The other one must be brought in before she or he speaks.
    entrance = f"{capital(other)} {source.pick(ENTRANCES)}."
    return " ".join([*opening, told.sentences[0], entrance, *talk, told.sentences[-1]])


def _double(source: Source) -> str:
    """Tell of two events, one after the other, with two actors."""
    first = stories.make_event(source.rng, actor(source))
    other = actor(source, first.actor)
    second = stories.make_event(source.rng, other)
    sentences = [first.past(source.pick(lexicon.TIMES))]
    if source.maybe(0.4):
        sentences.append(source.pick(SETTINGS))
    sentences.append(second.past(source.pick(LINKS)))
    who_first, who_second = stories.short_name(first.actor), stories.short_name(other)
    if source.maybe(0.5):
        sentences += _talk(source, who_first, who_second, second.thing)
    sentences.append(
        source.pick(
            (
                f"{capital(who_first)} gave the {first.thing} to {who_second}.",
                f"{capital(who_second)} gave the {second.thing} to {who_first}.",
                f"So {who_first} had the {first.thing} and {who_second} had the {second.thing}.",
                f"{capital(who_first)} and {who_second} looked at the {first.thing} together.",
                f"In the end {who_first} was {source.pick(lexicon.FEELINGS)}.",
                f"In the end {who_second} was {source.pick(lexicon.FEELINGS)}.",
            )
        )
    )
    if source.maybe(0.3):
        sentences.append(source.pick(CLOSINGS))
    return " ".join(sentences)


def _informed(source: Source) -> str:
    """Tell of a person whom the story first introduces with a fact or two."""
    person = who(source.person(), source.world)
    facts = source.rng.sample(source.world.about(person.name), source.pick((1, 2)))
    sentences = [state(facts[0], source.world, source.rng)]
    sentences += [state(fact, source.world, source.rng, pronoun=True) for fact in facts[1:]]
    event = stories.make_event(source.rng, person.they)
    sentences.append(event.past(source.pick(lexicon.TIMES)))
    other = source.person(person.name)
    sentences.append(
        source.pick(
            (
                f"{other} saw it and told the whole village.",
                f"{capital(person.they)} gave it to {other}.",
                f"{other} helped {person.them} with the {event.thing}.",
                f"{capital(person.they)} showed the {event.thing} to {other}.",
            )
        )
    )
    sentences.append(f"In the end {person.name} was {source.pick(lexicon.FEELINGS)}.")
    return " ".join(sentences)


def _listed(source: Source) -> str:
    """Tell of a basket, a shed or a feast in which several things are named and counted."""
    name = source.person()
    person = who(name, source.world)
    things = [lexicon.article(thing) for thing in source.rng.sample(lexicon.OBJECTS, source.pick((2, 3, 4)))]
    other = source.person(name)
    lines = [
        f"{source.pick(lexicon.TIMES)} {name} {source.pick(('packed', 'counted', 'sold', 'found'))} {listing(things)}.",
        source.pick(
            (
                f"{other} wanted only {the_thing(things[0])}.",
                f"{other} asked for {the_thing(things[-1])} and got it.",
                f"Most of it was for {other}.",
                f"{other} came by and helped {person.them}.",
            )
        ),
        source.pick((f"{capital(person.they)} was {source.pick(lexicon.FEELINGS)}.", source.pick(CLOSINGS))),
    ]
    return " ".join(lines)


def tales(source: Source) -> str:
    """Write a story, or two on one page, with or without a title."""
    makers = (_simple, _simple, _simple, _spoken, _spoken, _double, _double, _informed, _informed, _listed)
    parts = [source.pick(makers)(source) for _ in range(source.pick((1, 1, 2, 2, 3)))]
    text = source.pick(("\n", "\n", " ")).join(parts)
    if source.maybe(0.2):
        title = source.pick(TITLES).format(
            thing=source.pick(lexicon.OBJECTS), who=source.person(), spot=source.pick(lexicon.SPOTS)
        )
        return f"{title}\n{text}"
    return text


NEWS = (
    "How are you?",
    "I hope that you are well.",
    "It is raining here and the roads are bad.",
    "The days are short now.",
    "All is quiet in {place}.",
    "We had a good market this week.",
    "I was {feeling} when I read your last letter.",
    "My work is hard, but I like it.",
    "I often think of you.",
)
REASONS = (
    "Thank you for {thing}.",
    "I am sending you {thing} with this letter.",
    "Could you bring me {thing} when you come?",
    "I have lost {thing}, and I hope that you have seen it.",
    "I found {thing} {spot}, and I think that it is yours.",
    "Do you still have {thing}? I need it for a few days.",
    "I would like to buy {thing} from you.",
    "I saw {thing} {spot} and thought of you.",
    "Please take good care of {thing} until I come.",
    "I am sorry that I broke {thing}. I will bring you a new one.",
)
INVITATIONS = (
    "Come and visit us on {day}.",
    "Please write back soon.",
    "Will you be at the market on {day}?",
    "Come on {day} and have {food} with us.",
    "I will be {spot} on {day}.",
    "My best wishes to your family.",
    "Tell {other} that I said hello.",
    "{other} sends you best wishes.",
)
CLOSES = ("Yours", "Your friend", "With best wishes", "Love", "Yours truly", "Goodbye for now")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _letter_lines(source: Source, reader: Who, writer: Who) -> list[str]:
    world, rng = source.world, source.rng
    other = source.person(reader.name, writer.name)

    def write(form: str) -> str:
        return form.format(place=world.value(writer.name, "home"), feeling=source.pick(lexicon.FEELINGS), other=other,
                           thing=source.thing(), spot=source.pick(lexicon.SPOTS), day=source.pick(DAYS),
                           food=source.pick(tuple(lexicon.FOODS)))  # fmt: skip

    lines = [write(form) for form in rng.sample(NEWS, source.pick((0, 1, 1, 2)))]
    lines.append(write(source.pick(REASONS)))
    if source.maybe(0.45):
        fact = source.pick(world.about(other))
        lines.append(
            source.pick(("You asked me about {o}.", "Have you met {o}?", "You must know {o}.")).format(o=other)
        )
        lines.append(state(fact, world, rng, pronoun=source.maybe(0.5)))
    lines += [write(form) for form in rng.sample(INVITATIONS, source.pick((0, 1, 1, 2)))]
    return lines


def letters(source: Source) -> str:
    """Write a letter: greeting, body and signature, on lines of their own or in one line."""
    reader = who(source.person(), source.world)
    writer = who(source.person(reader.name), source.world)
    body = " ".join(_letter_lines(source, reader, writer))
    opening = source.pick(
        (f"Dear {reader.name},", f"Dear {reader.name},", f"Dear {reader.name},", f"My dear {reader.name},")
    )
    close = source.pick(CLOSES)
    if source.maybe(0.5):
        return f"{opening} {body} {close}, {writer.name}"
    return f"{opening}\n{body}\n{close},\n{writer.name}"
