"""What an interval says of a hypothesis: pure functions of the interval and the margin."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from tutelage.core.statistics import Estimate

Verdict = Literal["holds", "fails", "undecided", "not tested"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The margins: the figure must lie above one, below one, or between both."""

    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        if self.above is None and self.below is None:
            raise ValueError("A rule needs a margin: above, below or both.")
        if self.above is not None and self.below is not None and self.above >= self.below:
            raise ValueError(f"Nothing lies above {self.above} and below {self.below}.")


def judge(figure: Estimate | None, rule: Rule) -> Verdict:
    """Hold a figure against a rule.

    It holds when the whole interval lies within the margins, fails when the whole interval lies beyond one of them (an
    end on a margin is beyond it), and is undecided when the interval holds a margin. No figure is not tested.
    ValueError for an interval with an end that is no number.
    """
    if figure is None:
        return "not tested"
    if any(math.isnan(end) for end in (figure.low, figure.high)):
        raise ValueError(f"The interval [{figure.low}, {figure.high}] has an end that is no number.")
    above = -math.inf if rule.above is None else rule.above
    below = math.inf if rule.below is None else rule.below
    if figure.high <= above or figure.low >= below:
        return "fails"
    is_within = (rule.above is None or figure.low > above) and (rule.below is None or figure.high < below)
    return "holds" if is_within else "undecided"


def together(parts: Iterable[Verdict], conditions: Iterable[Verdict] = ()) -> Verdict:
    """Put the verdicts of a claim's parts together.

    Unless every condition holds, nothing was tested. Else one part that fails makes the claim fail, one that was not
    tested leaves it untested, one that is undecided leaves it undecided, and it holds where all do.
    """
    found = list(parts)
    if not found or any(condition != "holds" for condition in conditions):
        return "not tested"
    order: tuple[Verdict, ...] = ("fails", "not tested", "undecided")
    return next((verdict for verdict in order if verdict in found), "holds")
