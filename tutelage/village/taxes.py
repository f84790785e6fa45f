"""Tax tasks: skills that the corpus teaches and no prompt uses; training on prompts may cost them.

An item's text is exactly `prompt + choice`: a prompt ends without white space and every choice opens with a space. No
item stands in the corpus: each is built from a combination that the corpus leaves out.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal, TypedDict

from tutelage.village import lexicon
from tutelage.village.corpus_almanac import KNOWN_SAYINGS, UNSEEN_SAYINGS, make_known_row, make_unseen_row, row_text
from tutelage.village.corpus_reading import ASKED, Page, asked_line, found, make_page
from tutelage.village.corpus_velu import known_clause, neighbours, pair, unseen_clause
from tutelage.village.stories import Event
from tutelage.village.world import World

TaxTask = Literal["second_language", "cloze", "sequences", "reading"]
TASKS: tuple[TaxTask, ...] = ("second_language", "cloze", "sequences", "reading")
#: Choices of an item, the right one among them.
CHOICES = 4


class Item(TypedDict):
    """One question with four choices; `answer` is the right one, word for word as it stands in `choices`."""

    task: TaxTask
    item: str
    prompt: str
    choices: list[str]
    answer: str


def _second_language(world: World, rng: random.Random) -> tuple[str, str, list[str]]:
    """Translate an unseen clause, after two known ones; the wrong choices differ in one respect each."""
    into_english = rng.random() < 0.5
    clause = unseen_clause(rng)
    shown = [pair(known_clause(rng), into_english) for _ in range(2)]
    asked, answered = ("Velu", "English") if into_english else ("English", "Velu")
    prompt = "\n".join([*shown, f"{asked}: {clause.velu if into_english else clause.english}", f"{answered}:"])
    changed = neighbours(clause, rng)
    rng.shuffle(changed)
    texts = [f" {other.english if into_english else other.velu}" for other in (clause, *changed)]
    return prompt, texts[0], texts[1:]


def _cloze(world: World, rng: random.Random) -> tuple[str, str, list[str]]:
    """Complete a sentence of the almanac in a wording that the corpus does not have for it."""
    saying = rng.choice(UNSEEN_SAYINGS)
    others = [word for word in saying.others if word != saying.word and word not in saying.start]
    rng.shuffle(others)
    shown = rng.sample([known for known in KNOWN_SAYINGS if known.word != saying.word], rng.choice((1, 2)))
    prompt = "\n".join([*(known.text for known in shown), saying.start])
    return prompt, f" {saying.word}.", [f" {word}." for word in others]


def _sequences(world: World, rng: random.Random) -> tuple[str, str, list[str]]:
    """Find the last of six members of a row that the corpus does not show."""
    row = make_unseen_row(rng)
    others = list(row.pool)
    rng.shuffle(others)
    shown = [f"{row_text(make_known_row(rng).members)}." for _ in range(2)]
    prompt = "\n".join([*shown, f"{row_text(row.members[:-1])},"])
    return prompt, f" {row.members[-1]}.", [f" {member}." for member in others]


def _wrong(page: Page, event: Event, asked: str, world: World, rng: random.Random) -> list[str]:
    """Return the other event's answer first, then answers that the passage does not hold."""
    right, near = found(event, asked), found(page.second if event is page.first else page.first, asked)
    if asked == "who":
        words = [name for name in world.people if name not in page.text]
    elif asked == "where":
        words = [spot for spot in lexicon.SPOTS if spot not in page.text]
    else:
        things = [thing for thing in lexicon.OBJECTS if thing not in page.text]
        words = [lexicon.article(f"{rng.choice(lexicon.ADJECTIVES)} {thing}") for thing in things[:8]]
        words.append(lexicon.article(f"{rng.choice(lexicon.ADJECTIVES)} {event.thing}"))
    rng.shuffle(words)
    return [near, *(word for word in words if word not in (right, near))]


def _reading(world: World, rng: random.Random) -> tuple[str, str, list[str]]:
    """Answer a question on a passage with two actors, things and spots."""
    page = make_page(rng, world, reserved=True)
    event, asked = rng.choice((page.first, page.second)), rng.choice(ASKED)
    wrong = _wrong(page, event, asked, world, rng)
    return asked_line(page, event, asked), f" {found(event, asked)}.", [f" {word}." for word in wrong]


_MAKERS: dict[TaxTask, Callable[[World, random.Random], tuple[str, str, list[str]]]] = {
    "second_language": _second_language,
    "cloze": _cloze,
    "sequences": _sequences,
    "reading": _reading,
}


def make_items(world: World, seed: int, n: int) -> list[Item]:
    """Make `n` different items of each of the four tasks, with four choices in a random order."""
    items: list[Item] = []
    for task in TASKS:
        rng = random.Random(f"village taxes {world.seed} {seed} {task}")
        prompts: set[str] = set()
        while len(prompts) < n:
            prompt, answer, wrong = _MAKERS[task](world, rng)
            distinct = [text for text in dict.fromkeys(wrong) if text != answer]
            if prompt in prompts or len(distinct) < CHOICES - 1:
                continue
            choices = [answer, *distinct[: CHOICES - 1]]
            rng.shuffle(choices)
            items.append(
                Item(task=task, item=f"{task}-{len(prompts):04d}", prompt=prompt, choices=choices, answer=answer)
            )
            prompts.add(prompt)
    return items
