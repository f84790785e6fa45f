"""Which constraints a task may carry: words a writer can plausibly begin with, use or avoid, per kind of text."""

from __future__ import annotations

import random
import re

from tutelage.village import lexicon
from tutelage.village.tasks import HELDOUT_COMBINATIONS, Constraint
from tutelage.village.world import World

#: Share of story, about, letter, sign and review tasks that carry a constraint, and of those that carry two.
CONSTRAINED_SHARE, TWO_SHARE = 0.35, 0.35
#: Share of the constrained tasks that combine a held-out pair, where such pairs are allowed.
COMBINATION_SHARE = 1 / 3

TRAINED_PAIRS = (("sentences", "include"), ("sentences", "start"), ("include", "avoid"))
HELDOUT_PAIRS = tuple(tuple(sorted(pair)) for pair in HELDOUT_COMBINATIONS)

SPOT_WORDS = tuple(spot.split()[-1] for spot in lexicon.SPOTS)
TIME_WORDS = ("morning", "noon", "winter", "evening", "rain", "market", "night", "spring")
_STORY_STARTS = ("Yesterday", "Today", "Once", "One", "Last", "Every", "The", "Long", "After", "Late")
_LETTER_STARTS = ("Yesterday", "Today", "Last", "Please", "Thank", "The", "I", "Your")
_REVIEW_STARTS = ("The", "Yesterday", "Today", "Last", "I", "We", "My", "Everyone")
_SIGN_STARTS = ("Buy", "Come", "New", "Today", "The", "Good", "Look", "Our")

#: kind -> number of sentences, words to include, words to avoid, words to start with.
CHOICES: dict[str, tuple[tuple[int, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "story": (
        (2, 3),
        lexicon.OBJECTS + SPOT_WORDS + lexicon.FEELINGS + TIME_WORDS,
        ("very", "went", "came", "home", "end", "wanted") + SPOT_WORDS + lexicon.FEELINGS,
        _STORY_STARTS,
    ),
    "letter": (
        (1, 2, 3),
        SPOT_WORDS + TIME_WORDS + ("happy", "glad", "proud", "sad", "thank", "please", "friend"),
        ("very", "please", "thank", "sorry", "lost", "found", "yesterday") + SPOT_WORDS + lexicon.FEELINGS,
        _LETTER_STARTS,
    ),
    "sign": (
        (1, 2),
        ("today", "best", "here", "market", "good", "village", "new", "come", "morning"),
        ("cheap", "best", "buy", "shop", "very", "here", "good", "come", "fresh"),
        _SIGN_STARTS,
    ),
    "review": (
        (1, 2, 3),
        ("bread", "soup", "owner", "room", "family", "guests", "food", "price", "time", "again"),
        ("very", "food", "place", "owner", "bread", "time", "never", "again"),
        _REVIEW_STARTS,
    ),
}
#: kind of subject -> the same for the kind `about`; the words stand in the forms of `relations`.
ABOUT_CHOICES: dict[str, tuple[tuple[int, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "person": (
        (1, 2, 3),
        ("lives", "home", "house", "works", "keeps", "likes", "food", "animal", "eat", "favourite"),
        ("very", "lives", "works", "keeps", "likes", "home", "house", "animal"),
        ("The", "Everyone", "Today", "You"),
    ),
    "craft": (
        (1, 2),
        ("makes", "sells", "work", "works", "tool", "uses"),
        ("very", "makes", "sells", "works", "uses", "good"),
        ("The", "Everyone"),
    ),
    "animal": (
        (1, 2),
        ("eats", "feeds", "food", "lives", "home", "found"),
        ("very", "eats", "lives", "food", "home", "good"),
        ("The", "Everyone"),
    ),
    "food": (
        (1,),
        ("made", "make", "need"),
        ("very", "made", "need", "tasty", "good"),
        ("You", "The", "Everyone"),
    ),
    "place": (
        (1, 2),
        ("known", "near", "place", "lies", "close", "there"),
        ("very", "known", "lies", "big", "has"),
        ("In", "Everyone"),
    ),
}


def subject_kind(subject: str, world: World) -> str:
    """Return what kind of thing the facts of `subject` are about."""
    if subject in world.people:
        return "person"
    for kind, names in (("craft", lexicon.CRAFTS), ("animal", lexicon.ANIMALS), ("food", lexicon.FOODS)):
        if subject in names:
            return kind
    return "place"


def words_of(text: str) -> set[str]:
    """Return the words of a text in lower case."""
    return set(re.findall(r"[a-z]+", text.lower()))


def _kinds(rng: random.Random, combination: bool) -> tuple[str, ...]:
    if combination:
        return rng.choice(HELDOUT_PAIRS)
    if rng.random() < TWO_SHARE:
        return rng.choice(TRAINED_PAIRS)
    return (rng.choice(("sentences", "include", "avoid", "start")),)


def sample_constraints(
    rng: random.Random, kind: str, mentioned: str, about: str = "", *, combination: bool | None
) -> tuple[Constraint, ...]:
    """Deal the constraints of a task whose text must say the words `mentioned`.

    `about` is the kind of subject of an `about` task. `combination` True always gives a held-out pair, False never,
    None as PPO and test prompts have them: in a third of the constrained tasks.
    """
    if not combination and rng.random() >= CONSTRAINED_SHARE:
        return ()
    if combination is None:
        combination = rng.random() < COMBINATION_SHARE
    counts, include, avoid, start = ABOUT_CHOICES[about] if kind == "about" else CHOICES[kind]
    taken = words_of(mentioned)
    constraints: list[Constraint] = []
    for choice in _kinds(rng, combination):
        if choice == "sentences":
            constraints.append(Constraint("sentences", rng.choice(counts)))
            continue
        words = {"include": include, "avoid": avoid, "start": start}[choice]
        word = rng.choice([word for word in words if word.lower() not in taken])
        taken.add(word.lower())
        constraints.append(Constraint(choice, word))  # type: ignore[arg-type]
    return tuple(constraints)
