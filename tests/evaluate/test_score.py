"""Figures against hand calculations on a handful of rows."""

from __future__ import annotations

import math

import pytest

from tutelage.core.statistics import Estimate
from tutelage.errors import DataError
from tutelage.evaluate.measures import ALL_TASKS
from tutelage.evaluate.records import (
    Arm,
    ArmRanking,
    ArmRating,
    Evaluation,
    Facts,
    JudgedPrompt,
    OutputVerdicts,
    TaskScore,
)
from tutelage.evaluate.score import Judgements, analyse, figures_of, gap, holm, p_value

ARMS = ("base", "sft", "ppo", "ppo_ptx")
#: Student's t for 95 % with 1, 2 and 3 degrees of freedom, from printed tables.
T = {1: 12.7062, 2: 4.30265, 3: 3.18245}


def ranking(prompt: str, labeler: str, group: str = "heldout", **ranks: int) -> ArmRanking:
    return ArmRanking(seed=1, prompt_id=prompt, labeler=labeler, group=group, ranks=ranks)  # type: ignore[arg-type]


def tiny(**rows: tuple[object, ...]) -> Evaluation:
    prompts = tuple(
        JudgedPrompt(
            seed=1, prompt_id=f"p{number}", text="?", tags={"heldout_entity": number % 2 == 0, "use_case": "chat"}
        )
        for number in range(4)
    )
    arms = tuple(Arm(model=model, name=model) for model in ARMS)
    return Evaluation(**{"arms": arms, "facts": Facts(seed=1), "prompts": prompts, **rows})  # type: ignore[arg-type]


def test_win_rate_counts_ties_as_half_and_both_directions_add_to_one() -> None:
    rows = (
        ranking("p0", "a", sft=1, ppo_ptx=0),
        ranking("p0", "b", sft=2, ppo_ptx=1),
        ranking("p1", "a", sft=0, ppo_ptx=0),
        ranking("p1", "b", sft=0, ppo_ptx=3),
        ranking("p2", "b", base=0, sft=1),
    )
    figures = figures_of(tiny(rankings=rows))
    win, loss = figures["win_rate", "ppo_ptx", "sft"], figures["win_rate", "sft", "ppo_ptx"]
    assert (win.mean, win.n) == (0.625, 4)
    assert (loss.mean, loss.n) == (0.375, 4)
    # By hand: residuals .375 .375 -.125 -.625; prompts .75 -.75; mean squares of labelers and of the rest are alike, so
    # labelers add nothing. 1 degree of freedom; the score interval of mean (1 - mean) / V trials.
    trials = 0.625 * 0.375 / (2 * 1.125 / 16)
    for bound in (win.low, win.high):
        assert abs(0.625 - bound) == pytest.approx(T[1] * math.sqrt(bound * (1 - bound) / trials), rel=1e-4)
    assert 0 < win.low < 0.01 and 0.99 < win.high < 1
    assert ("win_rate", "ppo", "sft") not in figures, "nobody compared them"


def test_rates_count_applicable_outputs_only() -> None:
    def verdict(number: int, **verdicts: bool | None) -> OutputVerdicts:
        return OutputVerdicts(seed=1, prompt_id=f"p{number}", model="base", verdicts=verdicts)

    rows = (
        verdict(0, truthful=True, hallucinated=None),
        verdict(1, truthful=False, hallucinated=None),
        verdict(2, truthful=None, hallucinated=None),
        verdict(3, truthful=True, hallucinated=None),
    )
    figures = figures_of(tiny(verdicts=rows))
    rate = figures["rates", "truthful", "base"]
    # Wilson's interval of 2 in 3, from its closed form with z = 1.959964.
    assert (rate.mean, rate.n) == (pytest.approx(2 / 3), 3)
    assert (rate.low, rate.high) == (pytest.approx(0.2077, abs=1e-4), pytest.approx(0.9385, abs=1e-4))
    assert ("rates", "hallucinated", "base") not in figures, "a rate of nothing is no rate, and not 0"


def test_differences_are_paired_by_prompt() -> None:
    base, ppo = (True, False, False, None), (True, True, True, True)
    rows = tuple(
        OutputVerdicts(seed=1, prompt_id=f"p{number}", model=model, verdicts={"truthful": value})
        for model, values in (("base", base), ("ppo_ptx", ppo))
        for number, value in enumerate(values)
    )
    figure = figures_of(tiny(verdicts=rows))["difference", "truthful", "ppo_ptx"]
    # Differences 0, 1, 1: mean 2/3, variance of the mean 1/9, 2 degrees of freedom.
    assert (figure.mean, figure.n) == (pytest.approx(2 / 3), 3)
    assert figure.high - figure.mean == pytest.approx(T[2] / 3, rel=1e-4)


def test_taxes_are_paired_by_item_and_tasks_weigh_the_same() -> None:
    scores = {
        ("one", "base"): (1, 1, 1, 0), ("one", "ppo"): (0, 1, 1, 0), ("one", "ppo_ptx"): (1, 1, 1, 0),
        ("two", "base"): (1, 1), ("two", "ppo"): (0, 0), ("two", "ppo_ptx"): (0, 1),
    }  # fmt: skip
    rows = tuple(
        TaskScore(seed=1, task=task, item=str(number), model=model, score=float(score))
        for (task, model), values in scores.items()
        for number, score in enumerate(values)
    )
    figures = figures_of(tiny(tasks=rows))
    assert figures["tasks", "one", "base"].mean == 0.75
    assert figures["tax", "one", "ppo"].mean == 0.25
    # Differences 1, 0, 0, 0: standard error 1/4, 3 degrees of freedom.
    assert figures["tax", "one", "ppo"].high == pytest.approx(0.25 + T[3] / 4, rel=1e-4)
    assert (figures["tax", ALL_TASKS, "ppo"].mean, figures["tax", ALL_TASKS, "ppo"].n) == (pytest.approx(0.625), 6)
    assert figures["tax_difference", "one"].mean == 0.25
    assert figures["tax_difference", "two"].mean == 0.5
    assert figures["tax_difference", ALL_TASKS].mean == pytest.approx(0.375)


def test_quality_flags_and_shares() -> None:
    rows = tuple(
        ArmRating(
            seed=1,
            prompt_id=f"p{n}",
            labeler="ab"[n % 2],
            group="heldout",
            model="sft",
            quality=q,
            flags={"violent": f},
        )
        for n, (q, f) in enumerate(((7, True), (5, False), (5, None), (1, False)))
    )
    figures = figures_of(tiny(ratings=rows))
    assert (figures["likert", "sft"].mean, figures["likert", "sft"].n) == (4.5, 4)
    assert 1.0 <= figures["likert", "sft"].low <= figures["likert", "sft"].high <= 7.0
    assert [figures["likert_share", "sft", str(quality)].mean for quality in range(1, 8)] == [
        0.25,
        0,
        0,
        0,
        0.5,
        0,
        0.25,
    ]
    assert (figures["rates", "violent", "sft"].mean, figures["rates", "violent", "sft"].n) == (pytest.approx(1 / 3), 3)


def test_a_name_that_is_a_verdict_and_a_flag_is_refused() -> None:
    rating = ArmRating(
        seed=1, prompt_id="p0", labeler="a", group="heldout", model="sft", quality=4, flags={"toxic": True}
    )
    verdict = OutputVerdicts(seed=1, prompt_id="p0", model="sft", verdicts={"toxic": True})
    with pytest.raises(DataError, match="'toxic' names both"):
        figures_of(tiny(ratings=(rating,), verdicts=(verdict,)))


def test_the_opposed_group_is_kept_apart_and_its_drop_is_measured() -> None:
    ours = tuple(ranking(f"p{n}", "ab"[n % 2], sft=1, ppo_ptx=0) for n in range(4))
    theirs = tuple(ranking(f"p{n}", "xy"[n % 2], group="opposed", sft=0, ppo_ptx=1) for n in range(2))
    figures = figures_of(tiny(rankings=ours + theirs))
    assert (figures["win_rate", "ppo_ptx", "sft"].mean, figures["win_rate", "ppo_ptx", "sft"].n) == (1.0, 4)
    assert (figures["opposed", "ppo_ptx", "sft"].mean, figures["opposed", "ppo_ptx", "sft"].n) == (0.0, 2)
    assert figures["drop", "ppo_ptx", "sft"].mean == 1.0


def test_the_gap_has_the_error_of_both_groups() -> None:
    """With a prompt and a labeler for each row, the variance is var_1 / n_1 + var_2 / n_2, times G / (G - 1)."""
    first, second = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0]
    names = [str(number) for number in range(9)]
    figure = gap(Judgements(first, names[:6], names[:6]), Judgements(second, names[6:], names[6:]))
    population = (4 / 6 * 2 / 6) / 6 + (1 / 3 * 2 / 3) / 3
    assert figure.mean == pytest.approx(4 / 6 - 1 / 3)
    t_of_8 = 2.30600
    assert figure.high - figure.mean == pytest.approx(t_of_8 * math.sqrt(population * 9 / 8), rel=1e-4)


def test_parts_of_the_prompts_have_their_own_rates() -> None:
    rows = tuple(ranking(f"p{n}", "ab"[n // 2], sft=1, ppo_ptx=0 if n % 2 == 0 else 2) for n in range(4))
    figures = figures_of(tiny(rankings=rows))
    assert figures["slice_win", "held out by entity", "ppo_ptx", "sft"].mean == 1.0
    assert figures["slice_win", "held out by phrasing", "ppo_ptx", "sft"].mean == 0.0
    assert figures["slice_win", "use case: chat", "ppo_ptx", "sft"].n == 4


def test_agreement_between_labelers() -> None:
    """Labelers a and b agree on 2 of 3 pairs; in one of them b sees a tie."""
    rows = (ranking("p0", "a", base=2, sft=1, ppo=0), ranking("p0", "b", base=1, sft=1, ppo=0))
    figures = figures_of(tiny(rankings=rows))
    assert (
        figures["agreement", "heldout", "ties excluded"].mean,
        figures["agreement", "heldout", "ties excluded"].n,
    ) == (1.0, 2)
    assert figures["agreement", "heldout", "tie is half"].mean == pytest.approx(2.5 / 3)
    assert figures["agreement", "heldout", "three verdicts"].mean == pytest.approx(2 / 3)


def test_runs_are_pooled_by_seed() -> None:
    def seeded(seed: int, score: float) -> Evaluation:
        rows = tuple(
            TaskScore(seed=seed, task="one", item=str(n), model="base", score=score if n else 0.0) for n in range(4)
        )
        return Evaluation(arms=tuple(Arm(model=m, name=m) for m in ARMS), facts=Facts(seed=seed), tasks=rows)

    analysis = analyse([seeded(2, 1.0), seeded(1, 0.0)])
    pooled = analysis.find("tasks", "one", "base")
    assert pooled is not None
    # Seed 1 is 0 of 4: Wilson's upper bound z^2 / (4 + z^2). Seed 2 is 3/4 with variance 1/16, so of 3 trials; its
    # upper bound h solves h - 3/4 = t sqrt(h (1 - h) / 3). The mean of both has half the root of the squared distances.
    assert (pooled.mean, pooled.n) == (0.375, 8)
    first, second = 1.96**2 / (4 + 1.96**2), 0.98357
    assert second - 0.75 == pytest.approx(T[3] * math.sqrt(second * (1 - second) / 3), rel=1e-3)
    assert pooled.high - pooled.mean == pytest.approx(math.hypot(first, second - 0.75) / 2, abs=1e-4)
    assert list(analysis.by_seed) == [1, 2]
    with pytest.raises(DataError, match="Two of the runs have seed 1"):
        analyse([seeded(1, 1.0), seeded(1, 0.0)])
    with pytest.raises(DataError, match="at least one evaluated run"):
        analyse([])


def test_holm_is_the_textbook_example() -> None:
    """Smallest times 4, next times 3, ..., never falling: 0.01, 0.04, 0.03, 0.005 give 0.03, 0.06, 0.06, 0.02."""
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert adjusted == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert holm({}) == {}
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize(("figure", "expected"), [
    (Estimate(1.959964, 0.0, 2 * 1.959964, 10), 0.05),
    (Estimate(-2.575829, -2.575829 - 1.959964, -2.575829 + 1.959964, 10), 0.01),
    (Estimate(0.0, -1.0, 1.0, 10), 1.0),
    (Estimate(0.5, 0.5, 0.5, 10), 0.0),
])  # fmt: skip
def test_p_values_are_two_sided(figure: Estimate, expected: float) -> None:
    assert p_value(figure) == pytest.approx(expected, abs=1e-6)
