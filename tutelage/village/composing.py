"""Writes the free texts of the village (stories, notes, letters, signs, reviews) so that every constraint holds.

Each kind has a function that writes one candidate, leaning towards the wanted words; `compose` draws candidates until
one keeps to all constraints and to the length of an answer.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace

from tutelage.village import lexicon
from tutelage.village.constraints import SPOT_WORDS, TIME_WORDS, subject_kind
from tutelage.village.keeping import (
    TIMES_WITH,
    Knowledge,
    count_sentences,
    guess,
    has_word,
    keeps,
    wanted,
    wanted_sentences,
)
from tutelage.village.letters import letter, review, sign
from tutelage.village.relations import RELATIONS, fill
from tutelage.village.stories import make_event, short_name, tell
from tutelage.village.tasks import Task
from tutelage.village.wordings import lower_first
from tutelage.village.world import Fact, World

#: Characters of the longest answer (about 40 tokens).
MAX_CHARS = 170

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
        return TIMES_WITH[include]
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


def _candidate(task: Task, world: World, knowledge: Knowledge, rng: random.Random) -> str:
    if task.kind == "story":
        return story(task, world, rng)
    if task.kind == "about":
        return about(task, world, knowledge, rng)
    if task.kind == "letter":
        return letter(task, world, rng)
    return sign(task, knowledge, world, rng) if task.kind == "sign" else review(task, rng)


class Unkeepable(ValueError):
    """The writer knows nothing to say that keeps to all constraints."""


def compose(task: Task, world: World, knowledge: Knowledge, rng: random.Random) -> str:
    """Write a story, note, letter, sign or review that keeps to all its constraints, or raise Unkeepable."""
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
    raise Unkeepable(f"no text keeps to {task}")
