"""What studies find: published numbers, limits, and simulated studies."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tutelage.core.power import Aim, Design, detectable, labelers_needed, prompts_needed
from tutelage.core.statistics import Components, two_way

#: A judgement as independent as a coin.
COIN = Components(0.0, 0.0, 0.25)


@pytest.mark.parametrize(("effect", "prompts"), [(0.10, 200), (0.05, 780), (0.03, 2180)])
def test_independent_prompts_for_a_win_rate(effect: float, prompts: int) -> None:
    assert prompts_needed(COIN, Design(1), effect) == pytest.approx(prompts, rel=0.02)


def test_the_fewest_prompts_are_the_fewest() -> None:
    found = prompts_needed(COIN, Design(1), 0.1)
    assert found is not None
    assert detectable(COIN, Design(found)) <= 0.1 < detectable(COIN, Design(found - 1))


def test_labelers_help_where_they_differ_and_more_of_a_prompt_where_chance_is_large() -> None:
    parts = Components(0.1, 0.01, 0.14)
    few, many = detectable(parts, Design(200, 5, 3)), detectable(parts, Design(200, 50, 3))
    assert many < few
    assert detectable(parts, Design(200, 50, 1)) > many
    # Without end of prompts and of labelers a prompt, five labelers' own spread stays: t with 4 degrees of freedom.
    assert detectable(parts, Design(10**7, 5, 5)) == pytest.approx((2.776 + 0.941) * math.sqrt(0.01 / 5), rel=1e-3)
    assert prompts_needed(parts, Design(1, 5, 3), 0.1) is None
    assert labelers_needed(parts, Design(10, 5, 3), 0.1) is None
    needed = labelers_needed(parts, Design(2000, 5, 3), 0.1)
    assert needed is not None and detectable(parts, Design(2000, needed, 3)) <= 0.1


def test_a_study_of_the_detectable_effect_finds_it_as_often_as_it_says() -> None:
    """400 studies of 80 prompts, each judged by 3 of 12 labelers: 80 % +- 4 standard errors of 2 %."""
    rng, design, parts = np.random.default_rng(4), Design(80, 12, 3), Components(0.5, 0.1, 1.0)
    effect = detectable(parts, design)
    prompts = np.repeat(np.arange(80), 3)
    found = 0
    for _ in range(400):
        labelers = rng.permuted(np.tile(np.arange(12), (80, 1)), axis=1)[:, :3].ravel()
        values = effect + math.sqrt(0.5) * rng.normal(size=80)[prompts] + rng.normal(size=240)
        found += two_way(values + math.sqrt(0.1) * rng.normal(size=12)[labelers], prompts, labelers).low > 0
    assert 0.72 <= found / 400 <= 0.88


def test_more_power_and_a_higher_level_need_more() -> None:
    usual = detectable(COIN, Design(1000))
    assert detectable(COIN, Design(1000), Aim(power=0.9)) > usual < detectable(COIN, Design(1000), Aim(level=0.99))
    # (2.576 + 0.842) / (1.960 + 0.842)
    assert detectable(COIN, Design(10**6), Aim(level=0.99)) / detectable(COIN, Design(10**6)) == pytest.approx(
        1.220, 1e-3
    )


def test_a_single_prompt_finds_nothing_and_what_cannot_be_is_refused() -> None:
    assert detectable(COIN, Design(1)) == math.inf
    assert detectable(Components(0.0, 0.0, 0.0), Design(5)) == 0
    for design in (Design(0), Design(5, 2, 3), Design(5, None, 0)):
        with pytest.raises(ValueError, match="A design needs"):
            detectable(COIN, design)
    with pytest.raises(ValueError, match="Variances"):
        detectable(Components(-1.0, 0.0, 0.0), Design(5))
