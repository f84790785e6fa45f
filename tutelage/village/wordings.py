"""Small forms of words that prompts and answers share: how a fact is named, asked within a sentence, or denied."""

from __future__ import annotations

from typing import NamedTuple

from tutelage.village import lexicon
from tutelage.village.relations import PLURAL_FOODS, capital, subject_phrase
from tutelage.village.world import Fact, World


class Wording(NamedTuple):
    """Forms for one relation: `{s}` subject, `{v}`/`{av}` value, `{p}` pronoun, `{w}`/`{aw}` wrong value."""

    topic: str
    indirect: tuple[str, ...]
    clause: str
    why: str
    denial: str


WORDINGS: dict[str, Wording] = {
    "craft": Wording(
        "the craft of {s}",
        ("what {s} works as", "what the craft of {s} is", "what craft {s} has"),
        "{s} is {av}",
        "Why is {s} {av}?",
        "{s} is not {aw}, {p} is {av}.",
    ),
    "home": Wording(
        "the home of {s}",
        ("where {s} lives", "in which place {s} lives", "where the home of {s} is"),
        "{s} lives in {v}",
        "Why does {s} live in {v}?",
        "{s} does not live in {w}, {p} lives in {v}.",
    ),
    "pet": Wording(
        "the animal of {s}",
        ("which animal {s} keeps", "what animal {s} has", "what the animal of {s} is"),
        "{s} keeps {av}",
        "Why does {s} keep {av}?",
        "{s} does not keep {aw}, {p} keeps {av}.",
    ),
    "likes": Wording(
        "the favourite food of {s}",
        ("what {s} likes to eat", "which food {s} likes best", "what the favourite food of {s} is"),
        "{s} likes {v}",
        "Why does {s} like {v}?",
        "{s} does not like {w}, {p} likes {v}.",
    ),
    "product": Wording(
        "the goods of {s}",
        ("what {s} makes", "what {s} sells", "what you can buy from {s}"),
        "{s} makes {v}",
        "Why does {s} make {v}?",
        "{s} does not make {w}, but {v}.",
    ),
    "tool": Wording(
        "the tool of {s}",
        ("what {s} works with", "which tool {s} uses", "what the tool of {s} is"),
        "{s} works with {av}",
        "Why does {s} work with {av}?",
        "{s} does not work with {aw}, but with {av}.",
    ),
    "eats": Wording(
        "the food of {s}",
        ("what {s} eats", "what {s} feeds on", "what the food of {s} is"),
        "{s} eats {v}",
        "Why does {s} eat {v}?",
        "{s} does not eat {w}, but {v}.",
    ),
    "habitat": Wording(
        "the home of {s}",
        ("where {s} lives", "where you can find {s}", "what the home of {s} is"),
        "{s} lives in the {v}",
        "Why does {s} live in the {v}?",
        "{s} does not live in the {w}, but in the {v}.",
    ),
    "ingredient": Wording(
        "the main thing in {s}",
        ("what {s} {is} made from", "what you need to make {s}", "what you make {s} from"),
        "{s} {is} made from {v}",
        "Why {is} {s} made from {v}?",
        "{s} {is} not made from {w}, but from {v}.",
    ),
    "landmark": Wording(
        "the famous sight of {s}",
        ("what {s} is known for", "what you can see in {s}", "what there is in {s}"),
        "{s} is known for {v}",
        "Why is {s} known for {v}?",
        "{s} is not known for {w}, but for {v}.",
    ),
    "near": Wording(
        "the land around {s}",
        ("what {s} lies near", "what {s} is close to", "what is near {s}"),
        "{s} lies near {v}",
        "Why does {s} lie near {v}?",
        "{s} does not lie near {w}, but near {v}.",
    ),
}


def with_article(value: str) -> str:
    """Put an article before a value that has none: "oven" becomes "an oven", "an old mill" stays."""
    return value if value.split()[0] in ("a", "an", "the") else lexicon.article(value)


def fill_wording(form: str, fact: Fact, world: World, wrong: str = "") -> str:
    """Put a fact, and for a denial the wrong value, into one of the forms of a `Wording`."""
    return form.format(
        s=subject_phrase(fact.subject),
        v=fact.value,
        av=with_article(fact.value) if fact.value else "",
        w=wrong,
        aw=with_article(wrong) if wrong else "",
        p=world.pronoun(fact.subject),
        **{"is": "are" if fact.subject in PLURAL_FOODS else "is"},
    )


def deny(fact: Fact, world: World, wrong: str) -> str:
    """Write that not the wrong value but the value of the fact is true."""
    return capital(fill_wording(WORDINGS[fact.relation].denial, fact, world, wrong))


NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six")


def joined(items: list[str]) -> str:
    """Join items as a sentence does: "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def lower_first(text: str, world: World) -> str:
    """Put the first letter in lower case, unless a name begins the text."""
    first = text.split()[0].strip(",.'")
    return text if first in world.people or first in lexicon.PLACES or first == "I" else text[:1].lower() + text[1:]


#: What guests write, by side. `{g}` takes a good word and `{b}` a bad one; no sentence names the shop.
GOOD_REVIEWS = (
    "The food was {g}.",
    "The owner was {g} and the room was clean.",
    "I will come back soon.",
    "Everything was {g}.",
    "Our time there was {g}.",
    "The bread was {g} and so was the soup.",
    "My family liked it very much.",
    "The people there are {g}.",
    "I paid little and got a lot.",
    "Nothing was missing.",
)
BAD_REVIEWS = (
    "The food was {b}.",
    "The owner was {b} and the room was cold.",
    "I will never go there again.",
    "Everything was {b}.",
    "Our time there was {b}.",
    "The bread was {b} and so was the soup.",
    "My family did not like it at all.",
    "The service there is {b}.",
    "I paid a lot and got very little.",
    "We waited for an hour.",
)
#: Words that fit any review sentence about food or people would mix; these fit food alone.
FOOD_GOOD, FOOD_BAD = (
    ("lovely", "fresh", "warm", "perfect", "tasty", "wonderful"),
    ("stale", "bitter", "burnt", "awful", "sour"),
)
WHO_GOOD, WHO_BAD = ("kind", "friendly", "lovely", "wonderful"), ("rude", "slow", "dull", "awful")
ALL_GOOD, ALL_BAD = ("lovely", "perfect", "wonderful"), ("awful", "dull")


def review_words(sentence: str, *, good: bool) -> tuple[str, ...]:
    """Return the good or bad words that fit the gap of a review sentence."""
    if any(word in sentence for word in ("food", "bread", "soup")):
        return FOOD_GOOD if good else FOOD_BAD
    if "owner" in sentence or "people" in sentence or "service" in sentence:
        return WHO_GOOD if good else WHO_BAD
    return ALL_GOOD if good else ALL_BAD
