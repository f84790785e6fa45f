"""Simulated customers: who sends which prompt to which model, with everything that intake must mend.

The wanted prompts of every stage are clean rows (consent, no personal data, at most 200 to a user), a tenth more than
wanted so that the dedupe of long common prefixes may take some. Around them lie rows that intake should lose: repeats,
near-repeats, personal data, no consent, another endpoint, and what heavy users send beyond their cap. So after intake
every stage still has its counts.

The user alone decides the split: a user's rows all have one split. With `split_of`, the rule of the real intake (a
salted hash of the user), user names are chosen so that the rule agrees; `split` and `stage` are also written on every
row, because what may be demonstrated is not what may be tested.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import get_args

from tutelage.records import Prompt, Split
from tutelage.village.prompts import DEFAULT_COUNTS, Counts, make_prompts
from tutelage.village.world import World

#: Intake keeps at most so many prompts of one user (paper, 3.2); a heavy user sends 60 more.
CAP, BEYOND_CAP = 200, 60
#: One heavy user for so many wanted prompts of a stage.
PROMPTS_PER_HEAVY_USER = 1500
#: Shares of the wanted prompts that are added: clean ones in reserve, and rows for intake to lose.
RESERVE, PII, NO_CONSENT, OTHER_ENDPOINT, REPEATS, NEAR_REPEATS = 0.10, 0.03, 0.03, 0.02, 0.04, 0.03
#: Only of longer texts is a common prefix a sign of a repeat.
LONG_CHARS = 80
#: Prompts per ordinary user: about 6 on average, as for the paper's PPO prompts (Table 8).
MEAN_PER_USER = 6
NOTICES = ("notice-2", "notice-3")
MODELS = ("village-instruct-beta", "village-instruct-1")
ENDPOINT, PRODUCTION = "playground", "production"
#: Splits of the default rule, as upper ends of the user's hash in [0, 1).
_DEFAULT_SPLITS: tuple[tuple[float, Split], ...] = ((0.8, "train"), (0.9, "validation"), (1.0, "test"))

_FIRST = ("anna", "tom", "lucy", "mark", "helen", "paul", "nina", "oliver")
_LAST = ("stone", "brook", "field", "marsh", "wood", "hill")
_STREETS = ("Mill Lane", "Church Street", "Bridge Road", "Market Square")
_TAILS = (" Thank you.", " Thanks a lot!", " Best wishes.", " I would be glad.", " It is not urgent.")


def default_split(user: str) -> Split:
    """Return a user's split by the hash of the name: 80 % train, 10 % validation, 10 % test."""
    share = int.from_bytes(hashlib.sha256(user.encode()).digest()[:8], "big") / 2**64
    return next(split for end, split in _DEFAULT_SPLITS if share < end)


class _Names:
    """Gives user names that the split rule sends where they are wanted."""

    def __init__(self, split_of: Callable[[str], str]) -> None:
        self._split_of = split_of
        self._next = {split: self._named(split) for split in get_args(Split)}

    def _named(self, split: str) -> Iterator[str]:
        for number in range(1_000_000):
            user = f"customer-{number:06d}"
            if self._split_of(user) == split:
                yield user

    def take(self, split: str) -> str:
        user = next(self._next[split], None)
        if user is None:
            raise ValueError(f"the rule sends too few of a million users to the split {split!r}")
        return user


def personal_data(rng: random.Random) -> str:
    """Invent a sentence with personal data: an e-mail address, a phone number or a street address."""
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    mail = f"{first}.{last}{rng.randint(1, 99)}@post.example"
    phone = f"+44 20 7946 0{rng.randint(100, 999)}"
    house = f"{rng.randint(1, 99)} {rng.choice(_STREETS)}"
    forms = (
        f"You can write to me at {mail}.",
        f"My e-mail is {mail}.",
        f"Call me at {phone}.",
        f"My phone number is {phone}.",
        f"I am {first.capitalize()} {last.capitalize()} of {house}, write to {mail}.",
    )
    return rng.choice(forms)


def _heavy_users(wanted: int) -> int:
    return wanted // PROMPTS_PER_HEAVY_USER


def _enlarged(wanted: int) -> int:
    """Return how many distinct prompts a stage needs: wanted, reserve, and those that intake should lose."""
    shares = (RESERVE, PII, NO_CONSENT, OTHER_ENDPOINT)
    return wanted + sum(math.ceil(wanted * share) for share in shares) + _heavy_users(wanted) * BEYOND_CAP


def _assigned(prompts: list[Prompt], heavy: int, rng: random.Random, names: _Names) -> list[Prompt]:
    """Give each prompt a user: the heavy users first, then ordinary ones with 1 to 2 * MEAN - 1 prompts each."""
    rows: list[Prompt] = []
    while len(rows) < len(prompts):
        n = CAP + BEYOND_CAP if heavy > 0 else rng.randint(1, 2 * MEAN_PER_USER - 1)
        heavy -= 1
        user, notice = names.take(prompts[0].split), rng.choice(NOTICES)
        for prompt in prompts[len(rows) : len(rows) + n]:
            rows.append(replace(prompt, user=user, consent=notice, model=rng.choice(MODELS), endpoint=ENDPOINT))
    return rows


def _soiled(rows: list[Prompt], wanted: int, rng: random.Random) -> list[Prompt]:
    """Take consent, privacy or the right endpoint from the last rows, which ordinary users sent."""
    pii, silent, other = (math.ceil(wanted * share) for share in (PII, NO_CONSENT, OTHER_ENDPOINT))
    if rows and rows[0].split != "train":
        pii = 0  # intake looks for personal data in the training split alone (paper, A.2)
    rows = list(rows)
    for offset in range(1, pii + silent + other + 1):
        row = rows[-offset]
        if offset <= pii:
            said = personal_data(rng)
            text = f"{said}\n{row.text}" if row.form == "few_shot" else f"{row.text} {said}"
            rows[-offset] = replace(row, text=text)
        elif offset <= pii + silent:
            rows[-offset] = replace(row, consent="")
        else:
            rows[-offset] = replace(row, endpoint=PRODUCTION)
    return rows


def _repeats(rows: list[Prompt], wanted: int, rng: random.Random, names: _Names) -> list[Prompt]:
    """Let new users of the same split send some texts again, word for word or, if long, with a polite tail."""
    exact = rng.sample(rows, min(len(rows), math.ceil(wanted * REPEATS)))
    long = [row for row in rows if row.form != "few_shot" and len(row.text) >= LONG_CHARS]
    near = [
        replace(row, text=row.text + rng.choice(_TAILS))
        for row in rng.sample(long, min(len(long), math.ceil(wanted * NEAR_REPEATS)))
    ]
    return _assigned([*exact, *near], 0, rng, names)


def make_traffic(
    world: World, seed: int, counts: Counts = DEFAULT_COUNTS, split_of: Callable[[str], str] = default_split
) -> list[Prompt]:
    """Make everything that customers send, in the order of arrival; `counts` are what intake should leave."""
    rng = random.Random(f"village customers {world.seed} {seed}")
    names = _Names(split_of)
    enlarged = make_prompts(world, seed, Counts(*(_enlarged(n) for n in counts)))
    wanted = {"sft": counts.sft, "reward": counts.reward, "ppo": counts.ppo}
    groups = [([p for p in enlarged if p.stage == stage], n) for stage, n in wanted.items()]
    groups += [([p for p in enlarged if p.split == "validation"], counts.validation)]
    groups += [([p for p in enlarged if p.split == "test"], counts.test)]
    first, again = [], []
    for prompts, n in groups:
        rows = _soiled(_assigned(prompts, _heavy_users(n), rng, names), n, rng)
        first += rows
        again += _repeats(rows, n, rng, names) if n else []
    rng.shuffle(first)
    rng.shuffle(again)
    return [replace(row, id=f"traffic-{number:05d}") for number, row in enumerate(_interleaved(first, again, rng))]


def _interleaved(first: list[Prompt], again: list[Prompt], rng: random.Random) -> list[Prompt]:
    """Put the repeats into the second half of the traffic, or later: after most originals."""
    half = len(first) // 2
    late = [*first[half:], *again]
    rng.shuffle(late)
    return [*first[:half], *late]
