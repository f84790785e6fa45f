"""Witnesses that nothing was trained on, and what several samples of a prompt count, by hand on a few rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tutelage.core.statistics import Estimate
from tutelage.errors import DataError
from tutelage.evaluate import expectations, findings, report, witnesses
from tutelage.evaluate.records import (
    Arm,
    ArmRanking,
    Evaluation,
    Facts,
    JudgedPrompt,
    LabelSource,
    Output,
    OutputMeasures,
    OutputScore,
    OutputVerdicts,
    TextLoss,
    read,
    write,
)
from tutelage.evaluate.score import analyse, figures_of

ARMS = ("start", "start_prompted", "start_self", "sft", "ppo", "ppo_ptx")
LABELS = (LabelSource(what="evaluation rankings", kind="simulated", group="heldout", count=1, labelers=1),)
T3 = 3.18245  # Student's t for 95 % and 3 degrees of freedom, from printed tables


def starter(seed: int = 1, **rows: Sequence[object]) -> Evaluation:
    """Four prompts, on which PPO-ptx stands first in every ranking of two labelers."""
    prompts = tuple(JudgedPrompt(seed=seed, prompt_id=f"p{n}", text="?") for n in range(4))
    ranks = {arm: 5 - place for place, arm in enumerate(ARMS)}
    ranked = tuple(
        ArmRanking(seed=seed, prompt_id=f"p{n}", labeler=who, group="heldout", ranks=ranks)
        for n in range(4)
        for who in "ab"
    )
    arms = tuple(Arm(model=model, name=model) for model in ARMS)
    facts = Facts(seed=seed, terms="starter", labels=LABELS, notes=("A model wrote all prompts.",))
    made = {"arms": arms, "facts": facts, "prompts": prompts, "rankings": ranked}
    return Evaluation(**{**made, **{name: tuple(some) for name, some in rows.items()}})  # type: ignore[arg-type]


def scores(ours: Sequence[float], seed: int = 1) -> list[OutputScore]:
    """Scores of PPO-ptx where the prompted start has 0 everywhere."""
    return [
        OutputScore(seed=seed, prompt_id=f"p{n}", model=model, score=score)
        for n, own in enumerate(ours)
        for model, score in (("ppo_ptx", own), ("start_prompted", 0.0))
    ]


def kept(ours: Sequence[float], theirs: Sequence[float]) -> list[OutputMeasures]:
    return [
        OutputMeasures(seed=1, prompt_id=f"p{n}", model=model, values={"constraints_kept": value})
        for n, pair in enumerate(zip(ours, theirs, strict=True))
        for model, value in zip(("ppo_ptx", "start_prompted"), pair, strict=True)
    ]


@pytest.mark.parametrize(
    ("figure", "neutral", "said"),
    [
        (None, 0.5, "was not asked"),
        (Estimate(0.6, 0.51, 0.7, 9), 0.5, "supports"),
        (Estimate(0.5, 0.4, 0.6, 9), 0.5, "does not contradict"),
        (Estimate(0.45, 0.4, 0.5, 9), 0.5, "does not contradict"),
        (Estimate(0.4, 0.3, 0.49, 9), 0.5, "contradicts"),
        (Estimate(-0.1, -0.2, -0.01, 9), 0.0, "contradicts"),
    ],
)
def test_a_witness_speaks_where_its_whole_interval_does(figure: Estimate | None, neutral: float, said: str) -> None:
    assert witnesses.testimony(figure, neutral) == said


def test_a_reward_models_order_is_counted_and_ties_are_half() -> None:
    figures = figures_of(starter(scores=scores([1.0, 2.0, 0.0, -1.0])))
    win, loss = figures["scored_win", "ppo_ptx", "start_prompted"], figures["scored_win", "start_prompted", "ppo_ptx"]
    # 1, 1, 1/2, 0: mean 5/8; squared residuals 9/64 + 9/64 + 1/64 + 25/64 = 44/64, so the variance of the mean is
    # 11/192, as of 4.09 trials. Wilson's interval of so many with t for z is
    # (p + t^2 / 2n +- t sqrt(pq / n + t^2 / 4n^2)) / (1 + t^2 / n).
    assert (win.mean, win.n, loss.mean) == (0.625, 4, 0.375)
    n = 0.625 * 0.375 / (11 / 192)
    half = T3 * math.sqrt(0.625 * 0.375 / n + T3**2 / (4 * n * n))
    ends = [(0.625 + T3**2 / (2 * n) + side * half) / (1 + T3**2 / n) for side in (-1, 1)]
    assert [win.low, win.high] == pytest.approx(ends, abs=1e-4)


def test_samples_of_a_prompt_are_one_observation() -> None:
    """Two samples of two prompts: means 1/2 and 1, which say next to nothing with one degree of freedom."""
    said = {("p0", 0): True, ("p0", 1): False, ("p1", 0): True, ("p1", 1): True}
    rows = [
        OutputVerdicts(seed=1, prompt_id=prompt, model="sft", verdicts={"passed": yes}, sample=sample)
        for (prompt, sample), yes in said.items()
    ]
    rate = figures_of(starter(verdicts=rows))["rates", "passed", "sft"]
    assert (rate.mean, rate.n) == (0.75, 2) and rate.low < 0.02 and rate.high > 0.99
    whole = figures_of(starter(verdicts=[replace(row, verdicts={"passed": True}) for row in rows]))
    # Wilson's interval of 2 in 2, from its closed form with z = 1.959964.
    assert whole["rates", "passed", "sft"].low == pytest.approx(2 / (2 + 1.959964**2), abs=1e-5)


def test_losses_rise_above_those_of_the_start_text_by_text() -> None:
    rows = [
        TextLoss(seed=1, text=f"t{n}", model=model, loss=loss)
        for model, some in (("start", (2.0, 4.0, 3.0)), ("ppo", (2.5, 4.5, 3.5)))
        for n, loss in enumerate(some)
    ]
    figures = figures_of(starter(losses=rows))
    assert figures["loss", "start"].mean == 3.0
    rise = figures["loss_rise", "ppo"]
    assert (rise.mean, rise.low, rise.high, rise.n) == (0.5, 0.5, 0.5, 3)


def test_lengths_are_words_and_what_was_cut() -> None:
    rows = [
        Output(seed=1, prompt_id=f"p{n}", model="sft", text=text, finish_reason=end)
        for n, (text, end) in enumerate((("one two", "stop"), ("three", "length"), ("", "stop"), ("a b c", "stop")))
    ]  # type: ignore[arg-type]
    figures = figures_of(starter(completions=rows))
    assert figures["words", "sft"].mean == 1.5 and figures["cut", "sft"].mean == 0.25


def test_the_headline_counts_only_if_no_witness_contradicts_it() -> None:
    quiet = analyse([starter(scores=scores([1.0, -1.0, 1.0, -1.0]), measures=kept([0.5] * 4, [0.5] * 4))])
    preferred = "ppo_ptx is preferred to {}: 100\N{NO-BREAK SPACE}% [51, 100]"
    assert findings.headline(quiet) == "; ".join(map(preferred.format, ("start_prompted", "sft"))) + "."
    said = [claim.outcome for claim in expectations.claims(quiet) if "not contradicted" in claim.expected]
    assert said == ["held", "held"]
    against = analyse(
        [starter(scores=scores([-1.0, -2.0, -1.0, -3.0]), measures=kept([0.1, 0.2, 0.1, 0.2], [0.9] * 4))]
    )
    headline = findings.headline(against)
    assert "this does not count, because a reward model trained on people's rankings alone significantly" in headline
    assert "and a check of constraints written apart from the rubrics significantly contradicts it." in headline
    unasked = analyse([starter()])
    said = [claim.outcome for claim in expectations.claims(unasked) if "not contradicted" in claim.expected]
    assert said == ["was not measured"] * 2 and "does not count" not in findings.headline(unasked)


def test_seeds_on_the_same_prompts_are_clustered_by_prompt() -> None:
    """Two seeds with the same scores are no more prompts than one; independent pooling would narrow the interval."""
    one = starter(scores=scores([1.0, 2.0, 0.0, -1.0]))
    two = starter(seed=2, scores=scores([1.0, 2.0, 0.0, -1.0], seed=2))
    single, both = analyse([one]), analyse([two, one])
    path = ("scored_win", "ppo_ptx", "start_prompted")
    assert both.find(*path) == single.find(*path)
    assert both.find("win_rate", "ppo_ptx", "sft").n == 16  # type: ignore[union-attr]
    assert "their rows are put together and clustered by prompt" in " ".join(findings.method(both))


def test_the_page_shows_witnesses_and_says_who_wrote_the_data(tmp_path: Path) -> None:
    outputs = [
        Output(seed=1, prompt_id=f"p{n}", model=model, text="some words", finish_reason="stop", sample=sample)
        for n in range(4) for model in ARMS for sample in range(2)
    ]  # fmt: skip
    checked = [
        OutputVerdicts(seed=1, prompt_id=one.prompt_id, model=one.model, verdicts={"passed": True}, sample=one.sample)
        for one in outputs
    ]
    made = starter(
        completions=outputs, verdicts=checked, scores=scores([1, 1, 1, 1]), measures=kept([1] * 4, [0.5] * 4)
    )
    write(tmp_path / "evaluation", made)
    assert read(tmp_path / "evaluation").measures == tuple(
        sorted(made.measures, key=lambda row: (row.prompt_id, row.model))
    )
    page = report.build([tmp_path], tmp_path / "out").read_text(encoding="utf-8")
    for said in (
        "Judged by SIMULATED labelers; no person took part; a language model wrote the prompts",
        "Of 2 independent witnesses of the headline, 2 support it",
        "A model wrote all prompts.",
        "The rubric passes: start_prompted",
        "Words in an answer",
    ):
        assert said in page.replace('<span class="whole">', "").replace("</span>", ""), said
    assert page.count("<article>") == 4, "one prompt each, the first samples alone"
    assert "Truth and toxicity" not in page and "opposed group wants" not in page


def test_unknown_terms_are_told() -> None:
    made = starter()
    with pytest.raises(DataError, match="was made on the terms 'x'; known are village, starter"):
        analyse([replace(made, facts=replace(made.facts, terms="x"))])
