"""Figures of leads and researchers: progress, agreement, disagreements, labelers, monitors. Each says whose labels."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator

from tutelage.feedback.wire.parts import Told
from tutelage.feedback.wire.work import Output, Rated


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


class Estimate(Told):
    """A mean, its confidence interval of the given level, and the number n of rows that it rests on.

    The interval is null where there are too few rows for one.
    """

    mean: float
    low: Annotated[float | None, BeforeValidator(_known)]
    high: Annotated[float | None, BeforeValidator(_known)]
    n: int
    level: float


class Progress(Told):
    """Tasks that share what is told by, the labels they ask for and those made, by kind of labelers.

    What is not told by is "". `recent` labels are of the last seven days, and `left_days` is at their pace; `left_ms`
    is the time at work that the rest takes people. Null is not known.
    """

    kind: str
    purpose: str = ""
    group: str = ""
    use_case: str = ""
    source: str = ""
    tasks: int
    closed: int
    wanted: int
    done: dict[str, int]
    left: int
    out_of_use: int
    recent: int
    left_ms: float | None
    left_days: float | None


class Queued(Told):
    """Where the queue of one kind of work stands: labels that nobody has begun, and assignments by state."""

    kind: str
    free: int
    assignments: dict[str, int]


class Queue(Told):
    """Where the queue stands, and why assignments were skipped."""

    kinds: list[Queued]
    skipped: dict[str, int]


class Readings(Told):
    """Pairwise agreement without ties, with a tie as a half, and with tie as a third verdict; null without pairs."""

    ties_excluded: Estimate | None
    tie_half: Estimate | None
    exact: Estimate | None


class Agreeing(Told):
    """How far labelers agree on orders; `names` are one or two groups, a use case, or a labeler."""

    names: list[str]
    prompts: int
    labelers: int
    agreement: Readings
    tau: Estimate | None
    alpha: Estimate | None


class Scale(Told):
    """How far one group agrees on overall quality: ordinal alpha, and the mean distance between two ratings."""

    name: str
    outputs: int
    alpha: Estimate | None
    distance: Estimate | None


class Flag(Told):
    """How far one group agrees on a flag: answers, how many are yes, the share of equal answers, and AC1."""

    name: str
    answers: int
    yes: int
    same: Estimate | None
    ac1: Estimate | None


class Week(Told):
    """The agreement of one week, which begins on this Monday."""

    monday: date
    agreement: Readings


class Agreement(Told):
    """Agreement by group, use case and labeler, of labelers with themselves, on quality and flags, and by week.

    `withdrew` counts the labelers whose labels nothing counts. `paper` holds what the paper reports (3.4).
    """

    groups: list[Agreeing]
    use_cases: list[Agreeing]
    labelers: list[Agreeing]
    oneself: list[Agreeing]
    scales: list[Scale]
    flags: list[Flag]
    weeks: list[Week]
    withdrew: int
    paper: dict[str, float]


class Disagreement(Told):
    """How far labelers differ on one prompt, which begins so; `size` is the larger difference, 0 to 1.

    `order` is the share of pairs of outputs, `quality` the mean distance of two ratings, null where no two made one;
    `flags` are those that were answered both ways.
    """

    prompt_id: str
    beginning: str
    use_case: str
    labelers: int
    order: float | None
    quality: float | None
    flags: list[str]
    size: float


class Side(Told):
    """What one labeler made of a prompt; `submission` is the one that stands, "" for an imported judgement."""

    labeler: str
    group: str
    purpose: str
    created: datetime
    submission: str
    groups: list[list[str]]
    ratings: dict[str, Rated]


class Case(Told):
    """One prompt with what everybody made of it; outputs are by completion id, the best on average first."""

    prompt_id: str
    prompt: str
    use_case: str
    outputs: list[Output]
    sides: list[Side]


class Labeler(Told):
    """What one labeler did. Hours are those that the pages measured; null is not known.

    `agreement` is with all others, `gold_share` with researchers' orders of `gold_items` prompts. `exposed` counts the
    outputs on the screen that anybody flagged as hard to read. `hurried` labels took less time than reading them once.
    """

    labeler: str
    name: str
    group: str
    kind: str
    is_screened: bool
    labels: int
    revised: int
    measured: int
    active_ms: int
    hurried: int
    skipped: int
    expired: int
    hours: float | None
    per_hour: float | None
    agreement: Estimate | None
    gold_share: float | None
    gold_items: int
    exposed: int
    seen: datetime | None


class Bias(Told):
    """How often the output that was shown earlier wins, or the longer one; `sign` says what the interval says."""

    prompts: int
    all: Estimate | None
    by_labeler: dict[str, Estimate]
    sign: Literal["none", "even", "more", "less"]


class Haste(Told):
    """How much of one labeler's work was hurried, and how much was revised."""

    labeler: str
    labels: int
    hurried: Estimate | None
    revised: Estimate | None


class Monitors(Told):
    """What may bend labels without anybody meaning it; `enough` prompts are needed for a reason to act."""

    position: Bias
    length: Bias
    haste: list[Haste]
    enough: int
