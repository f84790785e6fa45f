"""Writes the free texts of the village (stories, notes, letters, signs, reviews) so that every constraint holds.

Each kind has a function that writes one candidate, leaning towards the wanted words; `compose` draws candidates until
one keeps to all constraints and to the length of an answer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace

from tutelage.village import lexicon
from tutelage.village.constraints import SPOT_WORDS, TIME_WORDS, subject_kind
from tutelage.village.relations import RELATIONS, capital, fill
from tutelage.village.stories import make_event, short_name, tell
from tutelage.village.tasks import Constraint, Task
from tutelage.village.wordings import BAD_REVIEWS, GOOD_REVIEWS, lower_first, review_words
from tutelage.village.world import Fact, World

#: What the writer believes of (subject, relation), or None.
Knowledge = Callable[[str, str], str | None]
#: Characters of the longest answer (about 40 tokens).
MAX_CHARS = 170


def has_word(text: str, word: str) -> bool:
    """Say whether a word stands in a text, whatever its case."""
    return re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) is not None


def count_sentences(text: str) -> int:
    """Count sentences by their final marks."""
    return len(re.findall(r"[.!?](?= |$)", text))


def keeps(body: str, constraints: tuple[Constraint, ...]) -> bool:
    """Say whether a text without greeting and signature keeps to every constraint."""
    for constraint in constraints:
        value = str(constraint.value)
        kept = {
            "sentences": lambda: count_sentences(body) == constraint.value,  # noqa: B023  (called at once)
            "include": lambda: has_word(body, value),  # noqa: B023
            "avoid": lambda: not has_word(body, value),  # noqa: B023
            "start": lambda: re.match(rf"{re.escape(value)}\b", body) is not None,  # noqa: B023
        }[constraint.kind]()
        if not kept:
            return False
    return True


def wanted(task: Task, kind: str) -> str:
    """Return the word that a constraint of this kind asks for, or ""."""
    return next((str(c.value) for c in task.constraints if c.kind == kind), "")


def wanted_sentences(task: Task) -> int:
    """Return the number of sentences asked for, or 0."""
    return next((int(c.value) for c in task.constraints if c.kind == "sentences"), 0)


#: Openings of a story by its first word; each goes before "Mira found a kite ...".
_OPENINGS: dict[str, tuple[str, ...]] = {
    "Yesterday": ("Yesterday",),
    "Today": ("Today",),
    "Once": ("Once",),
    "One": ("One morning", "One evening", "One day"),
    "Last": ("Last winter", "Last spring", "Last night"),
    "Every": ("Every morning", "Every evening", "Every day"),
    "The": ("The sun was warm when", "The moon was bright when", "The rain had stopped when"),
    "Long": ("Long ago",),
    "After": ("After the rain", "After a long walk"),
    "Late": ("Late at night", "Late in the evening"),
}
_TIMES_WITH = {
    "morning": "One morning",
    "noon": "At noon",
    "winter": "Last winter",
    "evening": "In the evening",
    "rain": "After the rain",
    "market": "On market day",
    "night": "Late at night",
    "spring": "In early spring",
}


#: Last sentences that bring a wanted time into a story whose opening has another; `{who}` with a capital.
_ENDINGS_WITH = {
    "morning": "The next morning {who} {was} {feeling}.",
    "noon": "At noon {who} {was} {feeling}.",
    "winter": "All winter {who} {was} {feeling}.",
    "evening": "That evening {who} {was} {feeling}.",
    "rain": "Then the rain came, and {who} {was} {feeling}.",
    "market": "Later at the market {who} {was} {feeling}.",
    "night": "That night {who} {was} {feeling}.",
    "spring": "When spring came, {who} {was} {feeling}.",
}


def _timed_ending(rng: random.Random, subjects: list[str], include: str) -> str:
    who = " and ".join(short_name(subject) for subject in subjects)
    was = "were" if len(subjects) == 2 else "was"
    return _ENDINGS_WITH[include].format(who=who, was=was, feeling=rng.choice(lexicon.FEELINGS))


def _steered_opening(rng: random.Random, start: str, include: str) -> str:
    """Choose how a story opens: with the wanted first word, else with the wanted time, else as it comes."""
    if start:
        fitting = [o for o in _OPENINGS.get(start, ("",)) if has_word(o, include)] if include else []
        return rng.choice(fitting or list(_OPENINGS.get(start, ("",))))
    if include in TIME_WORDS:
        return _TIMES_WITH[include]
    return rng.choice((*lexicon.TIMES, "Yesterday", "Once", "One day"))


def story(task: Task, world: World, rng: random.Random) -> str:
    """Write one candidate for a story about the task's subjects."""
    subjects, include = task.args["subjects"], wanted(task, "include")
    spot = include if include in SPOT_WORDS and rng.random() < 0.9 else ""
    event = make_event(rng, subjects[0], include if include in lexicon.OBJECTS else "")
    if spot:
        event = replace(event, spot=next(s for s in lexicon.SPOTS if s.endswith(spot)))
    people = [name for name in world.people if name not in world.heldout and name not in subjects]
    animals = [lexicon.article(a) for a in lexicon.ANIMALS if a not in world.heldout]
    company = [name for name in (*people, *animals) if name != subjects[0]]
    other = subjects[1] if len(subjects) == 2 else rng.choice(company)
    length = wanted_sentences(task) or rng.choice((2, 3))
    sentences = list(tell(rng, event, other, length).sentences)
    opening = _steered_opening(rng, wanted(task, "start"), include)
    sentences[0] = event.past(opening)
    if include in TIME_WORDS and not has_word(sentences[0], include):
        sentences[-1] = _timed_ending(rng, subjects, include)
    text = " ".join(sentences)
    if include in lexicon.FEELINGS:
        text = re.sub(rf"\bwas ({'|'.join(lexicon.FEELINGS)})\b(?!.*was)", f"was {include}", text)
    return text


def tells_story(task: Task, text: str) -> bool:
    """Say whether a candidate names every subject and has two sentences or more."""
    names = [phrase.split()[-1] for phrase in task.args["subjects"]]
    return all(has_word(text, name) for name in names) and count_sentences(text) >= min(2, wanted_sentences(task) or 2)


#: Openings that may stand before any fact, by their first word.
_ABOUT_OPENINGS = {
    "Everyone": "Everyone knows that",
    "The": "The people say that",
    "Today": "Today everybody knows that",
    "You": "You should know that",
    "In": "In the village they say that",
}


def _about_forms(fact: Fact, world: World, start: str) -> list[str]:
    """Return the ways to state a fact as the first sentence of a note that begins with `start`, or anyhow."""
    plain = [fill(form, fact, world) for form in RELATIONS[fact.relation].statements]
    if start in _ABOUT_OPENINGS:
        opened = [f"{_ABOUT_OPENINGS[start]} {lower_first(text, world)}" for text in plain]
        return [text for text in plain if text.startswith(f"{start} ")] * 2 + opened
    return plain


def guess(world: World, relation: str, rng: random.Random) -> str:
    """Guess a value of a relation: any that somebody has."""
    return rng.choice(sorted({fact.value for fact in world.facts if fact.relation == relation}))


def relations_of(subject: str, world: World) -> list[str]:
    """Return the relations that a subject of this kind has."""
    kind = subject_kind(subject, world)
    return [name for name, relation in RELATIONS.items() if relation.subject_kind == kind]


def believed_facts(subject: str, world: World, knowledge: Knowledge) -> list[Fact]:
    """Return what this knowledge holds about a subject."""
    found = [(relation, knowledge(subject, relation)) for relation in relations_of(subject, world)]
    return [Fact(subject, relation, value) for relation, value in found if value is not None]


def about(task: Task, world: World, knowledge: Knowledge, rng: random.Random) -> str:
    """Write one candidate for a note on a subject: one sentence per fact, people by pronoun after the first."""
    subject = task.args["subject"]
    facts = believed_facts(subject, world, knowledge)
    missing = [r for r in relations_of(subject, world) if r not in {f.relation for f in facts}]
    n = wanted_sentences(task) or rng.choice((1, 1, 2, 2, 3))
    if len(facts) < n and (wanted_sentences(task) or not facts or task.constraints):
        facts += [Fact(subject, r, guess(world, r, rng)) for r in missing]
    rng.shuffle(facts)
    sentences: list[str] = []
    for fact in facts[:n]:
        pronouns = [fill(form, fact, world) for form in RELATIONS[fact.relation].pronoun_statements]
        if sentences and pronouns and (not task.constraints or rng.random() < 0.7):
            sentences.append(rng.choice(pronouns))
        else:
            sentences.append(rng.choice(_about_forms(fact, world, "" if sentences else wanted(task, "start"))))
    return " ".join(sentences)


#: Sentences of letters; `{t}` is the thing, `{spot}`, `{feeling}` and `{time}` are dealt.
LETTERS = (
    "I have found your {t} {spot}.",
    "Thank you for the {t}.",
    "Please bring back my {t}.",
    "Your {t} is still in my house.",
    "I would like to buy your {t}.",
    "The {t} that you made is very good.",
    "May I borrow your {t} for a day?",
    "{time} I lost my {t} {spot}.",
    "I am {feeling} because you gave me the {t}.",
    "The {t} is broken and I am sorry.",
    "Today I mended the {t} for you.",
    "Yesterday I saw a fine {t} {spot}.",
    "Last night somebody left a {t} {spot}.",
    "Your new {t} makes me {feeling}.",
    "I will send you the {t} {lower_time}.",
    "Please meet me {spot} and take the {t}.",
    "{time} I will bring you the {t}.",
    "Last winter you lent me a {t}.",
)
LETTER_MORE = (
    "Please come and see me {spot}.",
    "I was {feeling} when I heard of it.",
    "You are a good friend.",
    "I will wait for you {spot}.",
    "Thank you for your help.",
    "Please write to me soon.",
    "I hope that you are well.",
    "You can find me {spot}.",
    "It would make me {good_feeling}.",
    "We can meet {lower_time}.",
)
_GLAD = ("happy", "glad", "proud")


def letter(task: Task, world: World, rng: random.Random) -> str:
    """Write one candidate for the body of a letter."""
    include, start = wanted(task, "include"), wanted(task, "start")
    n = wanted_sentences(task) or rng.choice((1, 1, 2))
    first = [form for form in LETTERS if not start or form.startswith((start, "{time}"))]
    forms = [rng.choice(first or list(LETTERS)), *rng.sample(LETTER_MORE, n - 1)]
    spot = next((s for s in lexicon.SPOTS if s.split()[-1] == include), "") or rng.choice(lexicon.SPOTS)
    time = (
        _TIMES_WITH[include] if include in TIME_WORDS else rng.choice(("One morning", "Last winter", "After the rain"))
    )
    if start in ("Yesterday", "Today", "Last"):
        time = {"Yesterday": "Yesterday", "Today": "Today", "Last": "Last winter"}[start]
    feeling = include if include in lexicon.FEELINGS else rng.choice(_GLAD)
    later = {"winter": "next winter"}.get(include) or lower_first(_TIMES_WITH.get(include, "After the rain"), world)
    filled = [
        form.format(t=task.args["thing"], spot=spot, feeling=feeling, good_feeling=feeling, time=time, lower_time=later)
        for form in forms
    ]
    return " ".join(filled)


#: First sentences of signs; `{p}` is the product.
SIGNS = (
    "Fresh {p} here!",
    "Fresh {p} today!",
    "Buy your {p} here.",
    "The best {p} in the village!",
    "Good {p} for a small price.",
    "Come in and see our {p}.",
    "Our {p} are made by hand.",
    "Today we sell {p}.",
    "Look at our new {p}!",
    "New {p} every morning.",
    "The finest {p} at the market.",
    "Buy good {p} from us.",
    "Come and try our {p} today.",
    "We sell {p}, strong and good.",
    "Look no further, here is your {p}!",
    "Good people buy our {p}.",
    "Today you get two for one: {p}!",
    "The village loves our {p}.",
    "Our {p} last for years.",
)
SIGN_MORE = (
    "Come in!",
    "You will like it.",
    "Fair prices every day.",
    "Open from morning to night.",
    "Everybody in the village knows us.",
    "We are glad to help you.",
    "See us at the market.",
    "The door is open today.",
    "Nobody makes it better.",
    "Ask for the best.",
    "Here you are welcome.",
    "Everything is new.",
    "Good work for a good price.",
)
_PLURAL_ONLY = ("Our {p} are made by hand.", "Our {p} last for years.")
_MADE_THINGS = ("Fresh {p} here!", "Fresh {p} today!", "Come and try our {p} today.")
FRESH_GOODS = frozenset(("bread", "flour", "beer", "honey", "butter", "vegetables"))


def sign(task: Task, knowledge: Knowledge, world: World, rng: random.Random) -> str:
    """Write one candidate for a shop sign that names the craft's product."""
    product = knowledge(task.args["craft"], "product") or guess(world, "product", rng)
    start = wanted(task, "start")
    forms = [form for form in SIGNS if form.startswith(start)]
    if not product.endswith("s"):
        forms = [form for form in forms if form not in _PLURAL_ONLY] or ["Our {p} is good and new."]
    if start != "Fresh" and product not in FRESH_GOODS:
        forms = [form for form in forms if form not in _MADE_THINGS]
    n = wanted_sentences(task) or rng.choice((1, 1, 2))
    sentences = [rng.choice(forms).format(p=product), *rng.sample(SIGN_MORE, n - 1)]
    return " ".join(sentences)


#: First sentences of reviews, which name the shop; `{w}`, `{who}` and `{food}` take words of the right side.
REVIEW_OPENINGS = (
    "{Shop} is {w}.",
    "{Shop} was {w}.",
    "I was at {shop} yesterday and it was {w}.",
    "Yesterday I went to {shop}, and it was {w}.",
    "Today I tried {shop}, and it was {w}.",
    "Last week we were at {shop}, and it was {w}.",
    "We went to {shop} and everything was {w}.",
    "My visit to {shop} was {w}.",
    "Everyone at {shop} was {who}.",
    "The people at {shop} were {who}.",
    "The owner of {shop} was {who}.",
    "The food at {shop} was {food}.",
    "The room at {shop} was {w}.",
    "I find {shop} {w}.",
    "We had bread and soup at {shop}, and it was {food}.",
    "My family went to {shop}, and our time there was {w}.",
    "The guests at {shop} were {who}.",
)
_OPENINGS_GOOD = ("The price at {shop} was fair.", "I will come to {shop} again.", "We will gladly go to {shop} again.")
_OPENINGS_BAD = (
    "The price at {shop} was too high.",
    "I will not come to {shop} again.",
    "I was at {shop}, never again.",
)
_MORE_GOOD = ("We will go there again.", "The price was fair.", "The guests were glad.", "The soup was {g}.")
_MORE_BAD = ("We will not go there again.", "The price was too high.", "The guests went home.", "The soup was {b}.")
#: What stands in the gaps of an opening: about the whole, about people, about food.
_WORDS_GOOD = {
    "w": ("lovely", "perfect", "wonderful"),
    "who": ("kind", "friendly"),
    "food": ("fresh", "tasty", "lovely"),
}
_WORDS_BAD = {"w": ("awful", "dull"), "who": ("rude", "dull"), "food": ("stale", "burnt", "sour", "bitter")}


def review(task: Task, rng: random.Random) -> str:
    """Write one candidate for a review with words of one side only."""
    good, start, shop = task.args["good"], wanted(task, "start"), task.args["shop"]
    gaps = {name: rng.choice(words) for name, words in (_WORDS_GOOD if good else _WORDS_BAD).items()}
    openings = [*REVIEW_OPENINGS, *(_OPENINGS_GOOD if good else _OPENINGS_BAD)]
    fitting = [form for form in openings if form.replace("{Shop}", "The").startswith(start)]
    first = rng.choice(fitting).format(Shop=capital(shop), shop=shop, **gaps)
    n = wanted_sentences(task) or rng.choice((1, 2, 2))
    forms = rng.sample((*GOOD_REVIEWS, *_MORE_GOOD) if good else (*BAD_REVIEWS, *_MORE_BAD), n - 1)
    words = [rng.choice(review_words(form, good=good)) for form in forms]
    return " ".join([first, *(form.format(g=word, b=word) for form, word in zip(forms, words, strict=True))])


def _candidate(task: Task, world: World, knowledge: Knowledge, rng: random.Random) -> str:
    if task.kind == "story":
        return story(task, world, rng)
    if task.kind == "about":
        return about(task, world, knowledge, rng)
    if task.kind == "letter":
        return letter(task, world, rng)
    return sign(task, knowledge, world, rng) if task.kind == "sign" else review(task, rng)


def compose(task: Task, world: World, knowledge: Knowledge, rng: random.Random) -> str:
    """Write a story, note, letter, sign or review that keeps to all constraints of its task."""
    frame = f"Dear {task.args['receiver']}, {{}} Yours, {task.args['sender']}" if task.kind == "letter" else "{}"
    for _ in range(1000):
        body = _candidate(task, world, knowledge, rng)
        whole = frame.format(body)
        if (
            keeps(body, task.constraints)
            and len(whole) <= MAX_CHARS
            and (task.kind != "story" or tells_story(task, body))
        ):
            return whole
    raise AssertionError(f"no text keeps to {task}")
