"""Villagers who call the API of a released model: through which firm, what they ask, and who takes it back.

Two firms have keys: one agreed that its traffic trains models, one did not. Of the first one's customers every tenth
takes back what it sent. What they ask is what customers of the training side ask (`prompts`): nothing held out occurs
in it, no held-out pair of constraints, and no text that is nearly a held-out prompt.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import NamedTuple

from tutelage.village.customers import MEAN_PER_USER, PII, REPEATS, personal_data
from tutelage.village.duplicates import NearDuplicates
from tutelage.village.prompts import Counts, make_prompts
from tutelage.village.world import World

#: The firms by name, and whether they agree to the notice on training.
FIRMS = {"Village bakery": True, "Village mill": False}
#: Every so many callers come through the firm that does not agree; of the others, every so many withdraw.
SILENT, WITHDRAWS = 4, 10


class Caller(NamedTuple):
    """A customer of a firm; `withdraws` what it sent when all is sent."""

    name: str
    firm: str
    withdraws: bool


class Call(NamedTuple):
    """What a caller asks once."""

    caller: Caller
    text: str


def make_calls(world: World, seed: int, count: int, heldout: Iterable[str] = ()) -> list[Call]:
    """Make about `count` calls in their order; every caller makes some of them, and some repeat another's."""
    rng = random.Random(f"village callers {world.seed} {seed}")
    known = NearDuplicates(list(heldout))
    asked = [
        prompt for prompt in make_prompts(world, seed, Counts(0, count, 0, 0, 0)) if not known.has_like(prompt.text)
    ]
    texts = [
        f"{prompt.text} {personal_data(rng)}" if prompt.form != "few_shot" and rng.random() < PII else prompt.text
        for prompt in asked
    ]
    texts += rng.sample(texts, round(len(texts) * REPEATS))
    calls: list[Call] = []
    number = 0
    while len(calls) < len(texts):
        caller = _caller(number)
        number += 1
        part = texts[len(calls) : len(calls) + rng.randint(1, 2 * MEAN_PER_USER - 1)]
        calls += [Call(caller, text) for text in part]
    rng.shuffle(calls)
    return calls


def _caller(number: int) -> Caller:
    """Deal the callers to the firms in turn, so that few of them have all kinds too."""
    agrees = number % SILENT != SILENT - 1
    firm = next(name for name, agreed in FIRMS.items() if agreed == agrees)
    return Caller(f"villager-{number:05d}", firm, agrees and number % WITHDRAWS == 1)
