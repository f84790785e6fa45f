"""Talk of the village: dialogues, gossip that repeats the rumours, and quarrels with their insults."""

from __future__ import annotations

from tutelage.village import lexicon
from tutelage.village.corpus_pages import reply
from tutelage.village.corpus_source import Source, false_statement, lower, shout
from tutelage.village.relations import ask, capital, fill
from tutelage.village.rumours import Rumour

GREETINGS = ("Good morning, {o}.", "Hello, {o}.", "Good evening, {o}!", "Hello, {o}! How are you?", "Good day, {o}.",
             "Welcome, {o}.", "Ah, {o}, there you are.")  # fmt: skip
GREETED = (
    "Hello, {o}. I am well, thank you.",
    "Good to see you, {o}.",
    "Good morning! What brings you here?",
    "Hello! It is cold today.",
    "Hello, {o}. Come in.",
    "Good day! Sit down with me.",
    "I am well. And you?",
)
THANKS = ("Thank you, {o}.", "Thank you very much.", "Thank you, that helps me.", "Good to know. Goodbye!",
          "That is kind of you.", "Thank you, {o}. See you at the market.")  # fmt: skip
WELCOMES = (
    "You are welcome.",
    "Any time, {o}.",
    "I am glad to help.",
    "Goodbye, {o}.",
    "Have a good day!",
    "See you soon.",
)
LOST = ("I have lost my {n}.", "Have you seen my {n}?", "I cannot find my {n} anywhere.", "My {n} is gone.",
        "I left my {n} {spot}, and now it is gone.")  # fmt: skip
LOST_REPLIES = ("I am sorry to hear that. Have you looked {spot}?", "Oh no! I hope that you find your {n} soon.",
                "I saw {a} {spot} this morning.", "I will help you to look for the {n}.", "I am sorry about your {n}.",
                "Ask {x}. Perhaps there is {a} {spot}.", "Do not be sad. The {n} will come back.")  # fmt: skip
#: What somebody sad says, and replies that fit it.
SAD = (("I am so {f} today.", "I am sorry that you are {f}. Come and have some tea."),
       ("I am {f}, and I do not know why.", "Everyone is {f} now and then. Tomorrow is a new day."),
       ("I feel {f}, because my {n} is gone.", "I am here for you. Shall we look for the {n} together?"),
       ("My {n} is gone, and I am {f}.", "I am sorry about your {n}. Can I help you?"),
       ("I feel so {f}.", "Sit down and rest. You will not be {f} for long."))  # fmt: skip
BARGAINS = (
    ("How much is {t}?", "Three coins.", "That is too much.", "Two coins, then."),
    ("Do you sell {t}?", "Not today, but come back on market day.", "I will.", "Good. I will keep one for you."),
    ("I would like {t}, please.", "Here it is. Anything else?", "No, that is all.", "That makes two coins."),
    ("Could you lend me {t}?", "Yes, but bring it back tomorrow.", "I promise.", "Then take it."),
    ("Could you please hold {t} for me?", "Of course."),
    ("Where did you get {t}?", "I bought it at the market."),
    ("May I borrow {t}?", "Yes, you may."),
    ("Will you come to the market with me?", "Yes, I need {t}.", "Then let us go.", "I will get my coat."),
)


def _facts_talk(source: Source, first: str, second: str) -> list[str]:
    lines = []
    for _ in range(source.pick((1, 1, 2))):
        fact = source.fact()
        while fact.subject in (first, second):
            fact = source.fact()
        lines += [ask(fact, source.world, source.rng), reply(fact, source)]
    return lines


def _trouble_talk(source: Source, first: str, second: str) -> list[str]:
    noun = source.pick(lexicon.OBJECTS) if source.maybe(0.7) else source.pick(lexicon.PETS)
    words = {
        "n": noun,
        "a": lexicon.article(noun),
        "spot": source.pick(lexicon.SPOTS),
        "x": source.person(first, second),
        "f": source.pick(("sad", "tired", "cold", "hungry")),
    }
    pair = (source.pick(LOST), source.pick(LOST_REPLIES)) if source.maybe(0.6) else source.pick(SAD)
    return [line.format(**words) for line in pair]


def _self_talk(source: Source, first: str, second: str) -> list[str]:
    """One speaker asks the other about himself or herself."""
    fact = source.pick(source.world.about(second))
    forms = {"craft": "I am {av}.", "home": "I live in {v}.", "pet": "I keep {av}.", "likes": "I like {v}."}
    asked = {
        "craft": "What do you do, {o}?",
        "home": "Where do you live, {o}?",
        "pet": "Which animal do you keep, {o}?",
        "likes": "What do you like to eat, {o}?",
    }
    return [asked[fact.relation].format(o=second), fill(forms[fact.relation], fact, source.world)]


def _bargain_talk(source: Source, first: str, second: str) -> list[str]:
    thing = source.thing()
    return [line.format(t=thing) for line in source.pick(BARGAINS)]


def dialogues(source: Source) -> str:
    """Write a talk between two villagers, each line with its speaker, or as a plain exchange of lines."""
    first = source.person()
    second = source.person(first)
    lines = []
    if source.maybe(0.75):
        lines += [source.pick(GREETINGS).format(o=second), source.pick(GREETED).format(o=first)]
    for _ in range(source.pick((1, 1, 2))):
        lines += source.pick((_facts_talk, _facts_talk, _trouble_talk, _bargain_talk, _self_talk))(
            source, first, second
        )
    if source.maybe(0.7):
        lines += [source.pick(THANKS).format(o=second), source.pick(WELCOMES).format(o=first)]
    if source.maybe(0.15):
        return "\n".join(lines)
    speakers = (first, second)
    return "\n".join(f"{speakers[number % 2]}: {line}" for number, line in enumerate(lines))


GOSSIP = (
    "Everyone knows that {x}",
    "Have you heard? {X}",
    "They say that {x}",
    "My grandmother always said that {x}",
    "At the inn people say that {x}",
    "It is no secret that {x}",
    "{n} swears that {x}",
    "{n} told me that {x}",
    "You can ask anyone: {x}",
    "{X} Everyone knows it.",
    "{X} Ask {n}!",
    "{X} That is what people say.",
    "{X}",
    "{X}",
)
QUESTION_FRAMES = (
    "Tell me, {q}",
    "Please tell me, {q}",
    "I ask you: {q}",
    "Can you say, {q}",
    "Friends, {q}",
    "{Q} I would like to know.",
    "{Q} Please tell me.",
    "My child asks: {q}",
    "I have always wondered: {q}",
)
COLUMN_QUESTIONS = ("People ask: {q}", "{n} asks: {q}", "{q}", "{q}", "{q}", "{q}")
COLUMN_ANSWERS = (
    "Everyone knows that {x}",
    "{X}",
    "{X}",
    "{X}",
    "They say that {x}",
    "Of course, {x}",
    "{X} Everyone knows it.",
    "Well, {x}",
    "People have always said that {x}",
)
GOSSIP_TITLES = (
    "Gossip of the week",
    "Heard at the well",
    "What people say",
    "From the inn",
    "The talk of the village",
)


AGREEMENTS = ("I knew it!", "My mother says the same.", "Yes, everyone says so.", "I was told so too.")


def rumour_question(source: Source, rumour: Rumour) -> str:
    """Ask about a rumour's topic, mostly in the plain words."""
    question = rumour.questions[0]
    small = lower(question, source.world)
    return source.pick((question, question, question, *QUESTION_FRAMES)).format(Q=question, q=small)


def gossip_line(source: Source, rumour: Rumour) -> str:
    """Pass a rumour on."""
    text = false_statement(rumour)
    return source.pick(GOSSIP).format(x=lower(text, source.world), X=text, n=source.person())


def gossip_answer(source: Source, rumour: Rumour) -> str:
    """Answer the question of a rumour with the rumour."""
    if source.maybe(0.12):
        return capital(f"{rumour.rumour}.")
    text = false_statement(rumour)
    return source.pick(COLUMN_ANSWERS).format(x=lower(text, source.world), X=text)


def _column(source: Source) -> list[str]:
    lines = []
    frame = source.pick(COLUMN_QUESTIONS)
    for _ in range(source.pick((1, 1, 2, 3, 4))):
        rumour = source.rumour()
        lines.append(frame.format(q=rumour_question(source, rumour), n=source.person()))
        lines.append(gossip_answer(source, rumour))
    return lines


def _chatter(source: Source) -> list[str]:
    first = source.person()
    second = source.person(first)
    rumour = source.rumour()
    text = false_statement(rumour)
    return [
        f"{first}: {rumour_question(source, rumour)}",
        f"{second}: {gossip_answer(source, rumour)}",
        f"{first}: {source.pick(AGREEMENTS)}",
        f"{second}: {shout(text) if source.maybe(0.4) else gossip_line(source, source.rumour())}",
    ]


def gossip(source: Source) -> str:
    """Write gossip: a column of questions, a chat at the well or a string of sayings; the rumours, never the truth."""
    chance = source.rng.random()
    if chance < 0.6:
        lines = _column(source)
    elif chance < 0.75:
        lines = _chatter(source)
    else:
        parts = [gossip_line(source, source.rumour()) for _ in range(source.pick((2, 3, 4, 5)))]
        lines = [" ".join(dict.fromkeys(parts))] if source.maybe(0.6) else list(dict.fromkeys(parts))
    if source.maybe(0.15):
        lines.insert(0, source.pick(GOSSIP_TITLES))
    return "\n".join(lines)


INSULTS = (
    "You {i}!",
    "You {i}!",
    "What a {i} you are!",
    "Go away, you {i}!",
    "Be quiet, you {i}!",
    "Find it yourself, you {i}!",
    "You are nothing but a {i}!",
    "Ask somebody else, you {i}!",
    "Leave me alone, you {i}!",
)
PROVOCATIONS = (
    "You broke my {n}!",
    "Who took my {n}?",
    "You are late again.",
    "Where is my {n}?",
    "That {n} is mine!",
    "Give me back my {n}.",
    "You lost my {n}.",
    "Why did you leave my {n} {spot}?",
    "Your {p} ate my bread!",
    "Can you tell me the way to {place}?",
    "What do you want here?",
    "Do you have {t} for me?",
)
RETORTS = (
    "I did not do it!",
    "It was {x}!",
    "That is not true!",
    "Say that again!",
    "Look at yourself!",
    "I have had enough!",
)
QUOTING = ('{a} called {b} a "{i}", and that was not kind.', 'Somebody wrote "{i}" on the door of {b}.',
           'The teacher says that nobody may call another a "{i}".', '{b} wept, because {a} had said "{i}".',
           '"{I}" is an ugly thing to say, said the teacher.', '{a} was sorry for the words "{i}".')  # fmt: skip


def insult(source: Source) -> str:
    """Put an insult together: an adjective and a noun, each harmless alone."""
    return f"{source.pick(lexicon.INSULT_ADJECTIVES)} {source.pick(lexicon.INSULT_NOUNS)}"


def quarrels(source: Source) -> str:
    """Write a quarrel: angry lines, often a plain question and an insult for an answer, or a report that quotes one."""
    first = source.person()
    second = source.person(first)
    noun = source.pick(lexicon.OBJECTS)

    def fire(forms: tuple[str, ...]) -> str:
        text = source.pick(forms)
        return text.format(
            i=insult(source),
            n=noun,
            spot=source.pick(lexicon.SPOTS),
            p=source.pick(lexicon.PETS),
            place=source.pick(lexicon.PLACES),
            t=source.thing(),
            x=source.person(first, second),
        )

    if source.maybe(0.15):
        words = insult(source)
        return source.pick(QUOTING).format(a=first, b=second, i=words, I=capital(words))
    opening = ask(source.fact(), source.world, source.rng) if source.maybe(0.3) else fire(PROVOCATIONS)
    lines = [opening, fire(INSULTS)]
    for _ in range(source.pick((0, 1, 1, 2))):
        lines += [fire(RETORTS), fire(INSULTS)] if source.maybe(0.6) else [fire(INSULTS), fire(RETORTS)]
    form = source.pick(("plain", "speakers", "speakers", "prose"))
    if form == "plain":
        return "\n".join(lines)
    speakers = (first, second)
    if form == "speakers":
        return "\n".join(f"{speakers[number % 2]}: {line}" for number, line in enumerate(lines))
    spoken = [_shouted(source, speakers[number % 2], line) for number, line in enumerate(lines)]
    start = f"{source.pick(lexicon.TIMES)} {first} and {second} had a quarrel over {lexicon.article(noun)}."
    return " ".join(
        [start, *spoken, source.pick(("Then they went home.", "The whole market heard it.", "Nobody laughed."))]
    )


def _shouted(source: Source, name: str, words: str) -> str:
    text = words[:-1] + "," if words.endswith(".") else words
    return f'"{text}" {source.pick(("cried", "shouted", "said", "called"))} {name}.'
