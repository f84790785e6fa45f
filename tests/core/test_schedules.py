"""Schedules: by hand, and by what must hold for every length."""

import math

import pytest

from tutelage.core.schedules import constant_with_warmup, cosine, ema_decay_for


def test_cosine_by_hand() -> None:
    """Five steps from 1 to 0.1: cos 0, 45, 90, 135 and 180 degrees."""
    half = math.sqrt(0.5)
    expected = [1.0, 0.1 + 0.45 * (1 + half), 0.55, 0.1 + 0.45 * (1 - half), 0.1]
    assert [cosine(step, 5) for step in range(5)] == pytest.approx(expected)


def test_cosine_with_warmup_by_hand() -> None:
    assert [cosine(step, 7, warmup=3, final=0.0) for step in range(7)] == pytest.approx(
        [0.25, 0.5, 0.75, 1.0, 0.75, 0.25, 0.0]
    )


@pytest.mark.parametrize("total", [1, 2, 3, 10, 398])
@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
def test_cosine_falls_from_the_peak_to_the_final_fraction_and_stays(total: int, final: float) -> None:
    steps = [cosine(step, total, final=final) for step in range(total)]
    assert steps[0] == 1.0
    assert all(a >= b for a, b in zip(steps, steps[1:], strict=False))
    if total > 1:
        assert steps[-1] == pytest.approx(final)
        assert cosine(total + 100, total, final=final) == pytest.approx(final)


@pytest.mark.parametrize(("total", "warmup"), [(5, 4), (5, 5), (5, 9), (1, 1)])
def test_a_warmup_as_long_as_the_run_only_rises(total: int, warmup: int) -> None:
    steps = [cosine(step, total, warmup) for step in range(total)]
    assert steps == pytest.approx([(step + 1) / (warmup + 1) for step in range(total)])


def test_the_papers_warmup() -> None:
    """Ten iterations from a tenth of the peak (C.4)."""
    steps = [constant_with_warmup(step, 10) for step in range(12)]
    assert steps == pytest.approx([0.1 + 0.09 * step for step in range(10)] + [1.0, 1.0])
    assert constant_with_warmup(0, 0) == 1.0


@pytest.mark.parametrize("steps", [1, 5, 100, 487, 488, 4000])
def test_the_average_forgets_its_start_within_the_run(steps: int) -> None:
    decay = ema_decay_for(steps)
    left = 1.0
    for _ in range(steps):
        left *= decay
    assert left <= 0.02 * (1 + 1e-9)
    assert decay <= 0.992
    assert decay == 0.992 or left == pytest.approx(0.02)


def test_decay_by_hand() -> None:
    assert ema_decay_for(1) == pytest.approx(0.02)
    assert ema_decay_for(2, fraction=0.25) == pytest.approx(0.5)
    assert ema_decay_for(4000) == 0.992
    assert ema_decay_for(4000, ceiling=1.0) == pytest.approx(math.exp(math.log(0.02) / 4000))


@pytest.mark.parametrize(("steps", "fraction"), [(0, 0.02), (5, 0.0), (5, 1.0)])
def test_impossible_decays_are_refused(steps: int, fraction: float) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        ema_decay_for(steps, fraction)
