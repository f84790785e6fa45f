"""Which prompts labelers get next: some at random, some where the reward model is unsure, the others by use case.

What is chosen for being uncertain, or to fill a quota, is no fair sample. So a part of the prompts is set aside: a
prompt's place between 0 and 1 comes from the seed and its id, those below `random` are chosen in an order of chance and
by no other rule. Whatever the other rules do, the labels of these are a simple random sample of all prompts.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Reason = Literal["random", "uncertain", "quota"]


class Candidate(NamedTuple):
    """A prompt that may be chosen; `uncertainty` is None where the reward model was not asked."""

    id: str
    use_case: str
    uncertainty: float | None = None


class Chosen(NamedTuple):
    """A candidate and the rule that chose it."""

    candidate: Candidate
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """What is aimed at: shares of all that is chosen, from 0 to 1; `shares` of the use cases count relatively."""

    random: float
    uncertain: float
    shares: Mapping[str, float]
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many were chosen so far, by rule and by use case."""

    reasons: Mapping[str, int] = field(default_factory=dict)
    use_cases: Mapping[str, int] = field(default_factory=dict)


def choose(candidates: Iterable[Candidate], count: int, aims: Aims, before: Tally) -> list[Chosen]:
    """Choose up to `count` candidates, one after the other; the same input in any order gives the same result.

    With T chosen so far, the next one is `random` while fewer than random * (T + 1) were, else the most `uncertain` one
    while fewer than uncertain * (T + 1) were, else one of the use case that lacks most for its share (`quota`), by
    chance within it. Where a rule finds nobody, the one after it chooses; what was set aside comes last.
    """
    everyone = sorted(candidates, key=lambda one: place("order", aims.seed, one.id))
    aside = [one for one in everyone if is_set_aside(one.id, aims)]
    others = [one for one in everyone if not is_set_aside(one.id, aims)]
    reasons, use_cases = dict(before.reasons), dict(before.use_cases)
    chosen: list[Chosen] = []
    while len(chosen) < count and (aside or others):
        total = sum(reasons.values()) + 1
        unsure = _most_uncertain(others)
        if aside and (not others or reasons.get("random", 0) < aims.random * total):
            made = Chosen(aside.pop(0), "random")
        elif unsure is not None and reasons.get("uncertain", 0) < aims.uncertain * total:
            made = Chosen(unsure, "uncertain")
        else:
            made = Chosen(_most_lacking(others, aims.shares, use_cases), "quota")
        if made.reason != "random":
            others.remove(made.candidate)
        reasons[made.reason] = reasons.get(made.reason, 0) + 1
        use_cases[made.candidate.use_case] = use_cases.get(made.candidate.use_case, 0) + 1
        chosen.append(made)
    return chosen


def is_set_aside(id: str, aims: Aims) -> bool:
    """Say whether only chance may choose a prompt: true of the share `random` of all ids."""
    return place("aside", aims.seed, id) < aims.random


def place(purpose: str, seed: int, id: str) -> float:
    """Give a number in [0, 1) that is uniform over ids, and independent for another purpose or seed (SHA-256)."""
    digest = hashlib.sha256(f"{purpose}\n{seed}\n{id}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def uncertainty(scores: Sequence[float]) -> float:
    """Give how open it is which of two answers is better: 1 for equal scores, falling to 0; below two answers 0.

    u = 2 (1 - P(best beats second)) with P = sigmoid(r_1 - r_2), Bradley and Terry's model that the reward model is
    trained by (paper, equation 1). Small margins between the two best are what margin sampling asks about (Scheffer,
    Decomain and Wrobel 2001), which for two classes is uncertainty sampling (Lewis and Gale 1994).
    """
    if len(scores) < 2:
        return 0.0
    best, second = sorted(scores, reverse=True)[:2]
    return 2 / (1 + math.exp(min(best - second, 700.0)))


def _most_uncertain(candidates: Sequence[Candidate]) -> Candidate | None:
    """Find the candidate with the greatest uncertainty, the first of equals; None where nobody has any."""
    asked = [one for one in candidates if one.uncertainty]
    return max(asked, key=lambda one: one.uncertainty or 0.0) if asked else None


def _most_lacking(candidates: Sequence[Candidate], shares: Mapping[str, float], chosen: Mapping[str, int]) -> Candidate:
    """Find the first candidate of the use case that lacks most; use cases without a share come last."""
    whole, total = sum(shares.values()) or 1.0, sum(chosen.values()) + 1

    def lack(use_case: str) -> tuple[bool, float, float, str]:
        share = shares.get(use_case, 0.0) / whole
        return share > 0, share * total - chosen.get(use_case, 0), share, use_case

    wanted = max({one.use_case for one in candidates}, key=lack)
    return next(one for one in candidates if one.use_case == wanted)
