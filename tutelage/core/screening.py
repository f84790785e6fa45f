"""The arithmetic of screening new labelers: agreement with researchers' keys, scores, soft cut-offs (paper, B.1).

Nothing here decides: the cut-offs are soft, and a person says yes or no and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tutelage.core.agreement import compare
from tutelage.core.rankings import Groups, validate

#: The paper's soft cut-offs: shares of agreement, and the mean score of the demonstrations on the scale from 1 to 7.
FLAGS, RANKING, DEMONSTRATION = 0.75, 0.75, 6.0
#: Every demonstration is scored by at least this many researchers, each without seeing the other's score.
SCORERS = 2


class Share(NamedTuple):
    """How much of a whole agreed; a tie on one side only counts 1/2, so `agreed` may be a half."""

    agreed: float
    of: int

    @property
    def value(self) -> float:
        return self.agreed / self.of


class Outcome(NamedTuple):
    """A part's value beside its soft cut-off; `value` is None while something is missing."""

    part: str
    value: float | None
    cutoff: float

    @property
    def is_met(self) -> bool | None:
        """Say whether the cut-off is reached; None while the value is missing, which is not "no"."""
        return None if self.value is None else self.value >= self.cutoff


def flag_agreement(answers: Mapping[str, bool], keys: Mapping[str, bool]) -> Share:
    """Count the items that were flagged as the key says; every item must be answered."""
    _check_items(answers, keys)
    return Share(float(sum(answers[item] == key for item, key in keys.items())), len(keys))


def ranking_agreement(answers: Mapping[str, Groups[str]], keys: Mapping[str, Groups[str]]) -> Share:
    """Compare orders with the keys over all pairs of outputs of all prompts.

    A pair counts 1 for the same verdict (better, tie, worse), 1/2 where only one side sees a tie, 0 for opposite
    orders. Ties are not left out: who ties everything would otherwise be judged on nothing. The paper does not say
    what it did with ties; without any, this is its share of agreeing pairs.
    """
    _check_items(answers, keys)
    for item, key in keys.items():
        validate(answers[item], [output for group in key for output in group])
    tallies = [compare(answers[item], key) for item, key in keys.items()]
    return Share(sum(tally.credit for tally in tallies), sum(tally.pairs for tally in tallies))


def demonstration_score(scores: Mapping[str, Sequence[int]], scorers: int = SCORERS) -> float | None:
    """Average each demonstration's scores (1-7), then the demonstrations; None while one has too few scores.

    Demonstrations weigh alike, also when some were scored by more researchers than others. ValueError for other
    scores.
    """
    if any(score not in range(1, 8) for given in scores.values() for score in given):
        raise ValueError("A demonstration's score is a whole number from 1 to 7.")
    if not scores or any(len(given) < scorers for given in scores.values()):
        return None
    return sum(sum(given) / len(given) for given in scores.values()) / len(scores)


def outcomes(flags: Share | None, ranking: Share | None, demonstration: float | None) -> tuple[Outcome, ...]:
    """Put the three measured parts beside their soft cut-offs; the fourth part, the self-assessment, has none."""
    return (
        Outcome("flags", None if flags is None else flags.value, FLAGS),
        Outcome("ranking", None if ranking is None else ranking.value, RANKING),
        Outcome("demonstration", demonstration, DEMONSTRATION),
    )


def _check_items(answers: Mapping[str, object], keys: Mapping[str, object]) -> None:
    if not keys:
        raise ValueError("There is no key to agree with.")
    if missing := sorted(keys.keys() - answers.keys()):
        raise ValueError(f"The item {missing[0]} has no answer; unanswered is not counted as wrong or right.")
    if unknown := sorted(answers.keys() - keys.keys()):
        raise ValueError(f"The answer to {unknown[0]} has no key.")
