"""How the village states and asks its facts: for each relation several forms, in several registers.

In a form `{s}` is the subject as a noun phrase, `{S}` the same with a capital, `{v}` the value, `{av}` the value with
its article and `{p}`/`{P}` the pronoun of a person. Only people have pronoun forms.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from tutelage.village import lexicon
from tutelage.village.world import Fact, World


class Relation(NamedTuple):
    """`statements[0]` is the plainest form: the one that a careful person writes."""

    subject_kind: str
    value_kind: str
    statements: tuple[str, ...]
    pronoun_statements: tuple[str, ...]
    questions: tuple[str, ...]


RELATIONS: dict[str, Relation] = {
    "craft": Relation(
        "person",
        "craft",
        ("{S} is {av}.", "{S} works as {av}.", "{S} has always worked as {av}.", "{S} the {v} is well known."),
        ("{P} is {av}.", "{P} works as {av}."),
        (
            "What is the craft of {s}?",
            "What does {s} work as?",
            "What is the work of {s}?",
            "What craft does {s} have?",
        ),
    ),
    "home": Relation(
        "person",
        "place",
        ("{S} lives in {v}.", "The home of {s} is in {v}.", "{S} has a house in {v}.", "{S} comes from {v}."),
        ("{P} lives in {v}.", "{P} has a house in {v}."),
        (
            "Where does {s} live?",
            "Where is the home of {s}?",
            "In which place does {s} live?",
            "Where does {s} come from?",
        ),
    ),
    "pet": Relation(
        "person",
        "pet",
        ("{S} keeps {av}.", "{S} has {av} at home.", "{S} owns {av}.", "The animal of {s} is {av}."),
        ("{P} keeps {av}.", "{P} has {av} at home."),
        (
            "Which animal does {s} keep?",
            "What animal does {s} have?",
            "What is the animal of {s}?",
            "Which animal does {s} own?",
        ),
    ),
    "likes": Relation(
        "person",
        "food",
        ("{S} likes {v}.", "{S} loves to eat {v}.", "The favourite food of {s} is {v}.", "{S} likes {v} best."),
        ("{P} likes {v}.", "{P} loves to eat {v}."),
        (
            "What does {s} like to eat?",
            "What is the favourite food of {s}?",
            "Which food does {s} like best?",
            "What food does {s} love?",
        ),
    ),
    "product": Relation(
        "craft",
        "product",
        ("{S} makes {v}.", "{S} sells {v}.", "The work of {s} is to make {v}."),
        (),
        ("What does {s} make?", "What does {s} sell?", "What can you buy from {s}?"),
    ),
    "tool": Relation(
        "craft",
        "tool",
        ("{S} works with {av}.", "The tool of {s} is {av}.", "{S} uses {av}."),
        (),
        ("What does {s} work with?", "Which tool does {s} use?", "What is the tool of {s}?"),
    ),
    "eats": Relation(
        "animal",
        "fodder",
        ("{S} eats {v}.", "{S} feeds on {v}.", "The food of {s} is {v}."),
        (),
        ("What does {s} eat?", "What does {s} feed on?", "What is the food of {s}?"),
    ),
    "habitat": Relation(
        "animal",
        "habitat",
        ("{S} lives in the {v}.", "The home of {s} is the {v}.", "{S} can be found in the {v}."),
        (),
        ("Where does {s} live?", "Where can you find {s}?", "What is the home of {s}?"),
    ),
    "ingredient": Relation(
        "food",
        "ingredient",
        ("{S} is made from {v}.", "You make {s} from {v}.", "To make {s} you need {v}."),
        (),
        ("What is {s} made from?", "What do you need to make {s}?", "What do you make {s} from?"),
    ),
    "landmark": Relation(
        "place",
        "landmark",
        ("{S} is known for {v}.", "{S} has {v}.", "In {s} there is {v}."),
        (),
        ("What is {s} known for?", "What can you see in {s}?", "What is there in {s}?"),
    ),
    "near": Relation(
        "place",
        "landscape",
        ("{S} lies near {v}.", "{S} is a place near {v}.", "{S} stands close to {v}."),
        (),
        ("What does {s} lie near?", "What is {s} close to?", "What is near {s}?"),
    ),
}

#: Foods with a plural name take "are".
PLURAL_FOODS = frozenset("pancakes oatcakes dumplings chips rolls noodles waffles pickles".split())


def subject_phrase(subject: str) -> str:
    """Return the subject as it stands in a sentence: "Mira", "a baker", "pancakes", "Elmford"."""
    return lexicon.article(subject) if subject in lexicon.CRAFTS or subject in lexicon.ANIMALS else subject


def capital(text: str) -> str:
    """Return the text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def fill(form: str, fact: Fact, world: World) -> str:
    """Put a fact into a form."""
    subject = subject_phrase(fact.subject)
    value = fact.value
    with_article = value if value.split()[0] in ("a", "an", "the") else lexicon.article(value)
    pronoun = world.pronoun(fact.subject) if fact.subject in world.people else ""
    text = form.format(s=subject, S=capital(subject), v=value, av=with_article, p=pronoun, P=capital(pronoun))
    if fact.subject in PLURAL_FOODS:
        text = text.replace(f"{capital(subject)} is made", f"{capital(subject)} are made")
        text = text.replace(f"What is {subject} made", f"What are {subject} made")
    return text


def state(fact: Fact, world: World, rng: random.Random | None = None, *, pronoun: bool = False) -> str:
    """Write a sentence that states a fact: the plainest form, or a random one of its register."""
    relation = RELATIONS[fact.relation]
    forms = relation.pronoun_statements if pronoun and relation.pronoun_statements else relation.statements
    return fill(forms[0] if rng is None else rng.choice(forms), fact, world)


def ask(fact: Fact, world: World, rng: random.Random | None = None) -> str:
    """Write a question whose answer is the value of a fact."""
    questions = RELATIONS[fact.relation].questions
    return fill(questions[0] if rng is None else rng.choice(questions), fact, world)
