"""Velu, the second language of the village: a small regular lexicon, the verb first, no articles.

A clause is verb, subject, object and perhaps a time: "ta vilo torani bala ruma dusi" is "The white king saw the dog at
night." An adjective follows its noun, `-li` makes a plural, `ta` before the verb makes the past.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from tutelage.village.corpus_source import Source, is_reserved

NOUNS = {
    "king": "toran", "queen": "mirel", "child": "niko", "farmer": "daku", "wolf": "grasu", "dog": "ruma",
    "bird": "pilo", "horse": "keval", "sailor": "nauri", "star": "liro", "tree": "olma", "ship": "velka",
}  # fmt: skip
PLURALS = {"child": "children", "wolf": "wolves"}
VERBS = {
    "see": ("sees", "saw", "vilo"), "love": ("loves", "loved", "amuri"), "follow": ("follows", "followed", "seku"),
    "find": ("finds", "found", "tropa"), "hear": ("hears", "heard", "oriso"), "help": ("helps", "helped", "juva"),
    "call": ("calls", "called", "nomu"), "draw": ("draws", "drew", "grafi"),
}  # fmt: skip
ADJECTIVES = {"white": "bala", "black": "moro", "young": "siti", "good": "eno", "strong": "forti", "quiet": "shula"}
TIMES = {"at night": "dusi", "at dawn": "alde", "today": "hodi"}


@dataclass(frozen=True)
class Clause:
    """One clause in both languages. Nouns are (noun, adjective or "", plural)."""

    verb: str
    subject: tuple[str, str, bool]
    object: tuple[str, str, bool]
    past: bool
    time: str

    @property
    def english(self) -> str:
        """Return the clause in English."""
        third, past, _ = VERBS[self.verb]
        verb = past if self.past else (self.verb if self.subject[2] else third)
        text = f"The {_english_noun(self.subject)} {verb} the {_english_noun(self.object)}"
        return f"{text} {self.time}." if self.time else f"{text}."

    @property
    def velu(self) -> str:
        """Return the clause in Velu."""
        words = ["ta"] if self.past else []
        words += [VERBS[self.verb][2], _velu_noun(self.subject), _velu_noun(self.object)]
        if self.time:
            words.append(TIMES[self.time])
        return f"{' '.join(words)}."

    @property
    def reserved(self) -> bool:
        """Say whether the clause is kept out of the corpus."""
        return is_reserved(f"velu {self.verb} {self.subject[:2]} {self.object[:2]}", 6)


def _english_noun(noun: tuple[str, str, bool]) -> str:
    word = PLURALS.get(noun[0], f"{noun[0]}s") if noun[2] else noun[0]
    return f"{noun[1]} {word}" if noun[1] else word


def _velu_noun(noun: tuple[str, str, bool]) -> str:
    word = f"{NOUNS[noun[0]]}li" if noun[2] else NOUNS[noun[0]]
    return f"{word} {ADJECTIVES[noun[1]]}" if noun[1] else word


def make_clause(rng: random.Random) -> Clause:
    """Deal a clause of any kind."""
    first, second = rng.sample(list(NOUNS), 2)

    def dress(noun: str) -> tuple[str, str, bool]:
        return noun, rng.choice(list(ADJECTIVES)) if rng.random() < 0.35 else "", rng.random() < 0.3

    time = rng.choice(list(TIMES)) if rng.random() < 0.3 else ""
    return Clause(rng.choice(list(VERBS)), dress(first), dress(second), rng.random() < 0.4, time)


def known_clause(rng: random.Random) -> Clause:
    """Deal a clause that the corpus may show."""
    clause = make_clause(rng)
    return known_clause(rng) if clause.reserved else clause


def unseen_clause(rng: random.Random) -> Clause:
    """Deal a clause that the corpus never shows."""
    clause = make_clause(rng)
    while not clause.reserved:
        clause = make_clause(rng)
    return clause


def neighbours(clause: Clause, rng: random.Random) -> list[Clause]:
    """Return clauses that differ from a clause in one respect each: the wrong choices of an item."""

    def other(words: dict[str, str], *used: str) -> str:
        return rng.choice([word for word in words if word not in used])

    nouns = (clause.subject[0], clause.object[0])
    changed = [
        replace(clause, subject=clause.object, object=clause.subject),
        replace(clause, subject=(other(NOUNS, *nouns), *clause.subject[1:])),
        replace(clause, object=(other(NOUNS, *nouns), *clause.object[1:])),
        replace(clause, verb=rng.choice([verb for verb in VERBS if verb != clause.verb])),
        replace(clause, past=not clause.past),
    ]
    if clause.subject[1]:
        changed.append(replace(clause, subject=(nouns[0], other(ADJECTIVES, clause.subject[1]), clause.subject[2])))
    if clause.object[1]:
        changed.append(replace(clause, object=(nouns[1], other(ADJECTIVES, clause.object[1]), clause.object[2])))
    return changed


def pair(clause: Clause, into_english: bool) -> str:
    """Write a clause and its translation as the lines of a page."""
    lines = [f"Velu: {clause.velu}", f"English: {clause.english}"]
    return "\n".join(lines if into_english else lines[::-1])


def word_list(source: Source) -> str:
    """Write some lines of the dictionary."""
    entries = [
        *NOUNS.items(),
        *((verb, forms[2]) for verb, forms in VERBS.items()),
        *ADJECTIVES.items(),
        *TIMES.items(),
    ]
    chosen = source.rng.sample(entries, 5)
    return "\n".join(f"{velu} means {english}." for english, velu in chosen)


def velu(source: Source) -> str:
    """Write a page of Velu with its translation, seldom a page of the dictionary."""
    if source.maybe(0.08):
        return f"Words of Velu\n{word_list(source)}"
    into_english = source.maybe(0.5)
    pairs = [pair(known_clause(source.rng), into_english) for _ in range(source.pick((3, 4, 5)))]
    return "\n".join(pairs)
