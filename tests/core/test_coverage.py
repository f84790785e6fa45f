"""Do 95 % intervals hold the truth in 95 % of studies? Simulated labelers judge simulated prompts, again and again."""

from __future__ import annotations

import math
import zlib
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from tutelage.core.statistics import bounded_mean, win_rate

Array = NDArray[np.float64]
STUDIES = 2000
CUTS = norm.ppf(np.arange(1, 7) / 7)
#: Half the width of what labelers cannot tell apart, so that about one comparison in eight is a tie.
TIE = 0.15


class Study(NamedTuple):
    """Prompts, labelers, and how many of them judge a prompt; `uneven` labelers do up to four times as much as others.

    A judgement rests on prompt + labeler + noise, normal with these spreads, of which noise has 1. A spread of labelers
    of 0.2 moves their own win rates by about 8 points, one of 0.5 by about 18.
    """

    prompts: int
    labelers: int
    overlap: int
    prompt: float
    labeler: float
    uneven: bool = False


def assigned(study: Study, rng: np.random.Generator) -> NDArray[np.intp]:
    """Give every prompt its labelers [prompts, overlap]: alike often, as a queue does it, or not."""
    weights = np.linspace(1, 4, study.labelers) if study.uneven else np.ones(study.labelers)
    done = np.zeros(study.labelers)
    rows = []
    for _ in range(study.prompts):
        # Who has done least for their weight is next; chance decides between equals.
        rows.append(np.lexsort((rng.random(study.labelers), done / weights))[: study.overlap])
        done[rows[-1]] += 1
    return np.array(rows)


def latent(study: Study, labelers: NDArray[np.intp], rng: np.random.Generator) -> Array:
    """Draw what judgements rest on, with a spread of 1 in all [prompts, overlap]."""
    noise = rng.normal(size=labelers.shape) + study.prompt * rng.normal(size=(study.prompts, 1))
    drawn: Array = noise + study.labeler * rng.normal(size=study.labelers)[labelers]
    return drawn / math.sqrt(1 + study.prompt**2 + study.labeler**2)


def judged(measure: str, level: float, drawn: Array) -> tuple[Array, float]:
    """Turn what judgements rest on into judgements, and give their true mean."""
    if measure == "accuracy":
        return (drawn < norm.ppf(level)).astype(float), level
    if measure == "win rate":
        middle = norm.ppf(level)
        shares = ((drawn < middle - TIE) + 0.0 + (drawn < middle + TIE)) / 2
        return shares, float(norm.cdf(middle - TIE) + norm.cdf(middle + TIE)) / 2
    cuts = CUTS + level
    return 1.0 + (drawn[..., None] > cuts).sum(axis=-1), float(1 + norm.sf(cuts).sum())


def coverage(measure: str, level: float, study: Study, studies: int) -> float:
    """Give the share of studies whose interval holds the truth; labelers are shared out anew every 20 studies."""
    rng = np.random.default_rng(zlib.crc32(repr((measure, level, study)).encode()))
    prompts = np.repeat(np.arange(study.prompts), study.overlap)
    held = 0
    for number in range(studies):
        if number % 20 == 0:
            labelers = assigned(study, rng)
        rows, truth = judged(measure, level, latent(study, labelers, rng))
        if measure == "likert":
            found = bounded_mean(rows.ravel(), (1.0, 7.0), prompts, labelers.ravel())
        else:
            found = win_rate(rows.ravel(), prompts, labelers.ravel())
        held += found.low <= truth <= found.high
    return held / studies


SIZES = [(60, 5, 1), (60, 5, 3), (60, 5, 5), (60, 20, 3), (200, 5, 3), (200, 10, 1)]
SPREADS = [(0.0, 0.0), (1.0, 0.0), (0.0, 0.2), (0.5, 0.2), (0.5, 0.5)]
MEASURES = [
    ("win rate", 0.5),
    ("win rate", 0.7),
    ("likert", 0.0),
    ("likert", -0.7),
    ("accuracy", 0.6),
    ("accuracy", 0.8),
]
GRID = [
    Study(*size, *spread, uneven)
    for size, spread, uneven in product(SIZES, SPREADS, (False, True))
    if not uneven or size[1] > size[2]
]


@pytest.mark.soak
@pytest.mark.parametrize(("measure", "level"), MEASURES)
def test_intervals_hold_the_truth_in_95_of_100_studies(measure: str, level: float) -> None:
    """The whole grid; the band is 93 to 97 %, four standard errors of 2,000 studies on either side."""
    found = {study: coverage(measure, level, study, STUDIES) for study in GRID}
    for study, share in found.items():
        print(f"{measure} {level} {study}: {share:.4f}")
    assert {study: share for study, share in found.items() if not 0.93 <= share <= 0.97} == {}


@pytest.mark.parametrize(("measure", "level"), [("win rate", 0.7), ("likert", -0.7), ("accuracy", 0.8)])
@pytest.mark.parametrize("study", [Study(60, 5, 3, 0.5, 0.0), Study(60, 5, 3, 0.5, 0.5, True)])
def test_a_sample_of_the_grid(measure: str, level: float, study: Study) -> None:
    """300 studies: 95 % +- 4 standard errors of 1.26 %."""
    assert 0.90 <= coverage(measure, level, study, 300) <= 1.0


def test_an_interval_that_takes_labelers_as_one_does_not_hold() -> None:
    """The control: without clustering by labeler the truth is missed often, so the study would find it out."""
    rng, study = np.random.default_rng(1), Study(60, 5, 3, 0.5, 0.5)
    prompts, labelers, held = np.repeat(np.arange(60), 3), assigned(study, rng), 0
    for _ in range(200):
        rows, truth = judged("win rate", 0.7, latent(study, labelers, rng))
        found = win_rate(rows.ravel(), prompts)
        held += found.low <= truth <= found.high
    assert held < 150
