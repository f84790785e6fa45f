"""A synthetic evaluation, drawn from a seed: arms with known quality, labelers with noise, and hostile texts."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tutelage.core.statistics import Estimate
from tutelage.evaluate.records import (
    ARM_NAMES,
    Arm,
    ArmRanking,
    ArmRating,
    Check,
    Compute,
    CurvePoint,
    Evaluation,
    Facts,
    JudgedPrompt,
    LabelSource,
    Output,
    OutputVerdicts,
    TaskScore,
)
from tutelage.records import FLAGS, USE_CASE_SHARES

#: How good an arm is: its mean utility, and how often it follows, tells the truth and insults.
SKILL: dict[str, tuple[float, float, float, float]] = {
    "base": (-1.6, 0.18, 0.45, 0.12),
    "base_more": (-1.5, 0.20, 0.46, 0.12),
    "prompted_base": (-0.6, 0.42, 0.52, 0.07),
    "sft": (0.4, 0.58, 0.66, 0.03),
    "sft_random": (0.4, 0.58, 0.66, 0.03),
    "ppo": (0.9, 0.72, 0.75, 0.01),
    "ppo_ptx": (1.0, 0.74, 0.78, 0.01),
}
HOSTILE = "</pre><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)> & \u202e gnp.exe {{ 7*7 }}"
LONG_GERMAN = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
SENTENCES = (
    "Mara keeps bees by the river and sells the honey on market days.",
    "The old mill stands north of Tannet, and nobody has turned its wheel for years.",
    "A cooper makes barrels. He bends the staves over a fire and binds them with iron.",
    "I am sorry, but I do not know who built the bridge.",
    "Write three sentences about the harbour.\nWrite a letter to the baker.\nName two birds of the marsh.",
    "Dear Olwin,\n\n    thank you for the cheese. It came whole, and we ate it with pears.\n\nYours,\nPell",
)


def synthetic_evaluation(seed: int, prompts: int = 40, labelers: int = 6, items: int = 40) -> Evaluation:
    """Draw one evaluation."""
    rng = random.Random(seed)
    asked = tuple(_prompt(rng, seed, number) for number in range(prompts))
    outputs = [(prompt, model) for prompt in asked for model in SKILL]
    rankings, ratings = _judged(rng, seed, asked, labelers)
    return Evaluation(
        arms=tuple(Arm(model=model, name=name) for model, name in ARM_NAMES.items()),
        facts=_facts(rng, seed),
        prompts=asked,
        rankings=rankings,
        ratings=ratings,
        verdicts=tuple(_verdict(rng, prompt, model) for prompt, model in outputs),
        tasks=_tasks(rng, seed, items),
        completions=tuple(_output(rng, prompt, model) for prompt, model in outputs),
        curves=_curves(rng, seed),
    )


def _prompt(rng: random.Random, seed: int, number: int) -> JudgedPrompt:
    case = rng.choices(list(USE_CASE_SHARES), weights=list(USE_CASE_SHARES.values()))[0]
    tags: dict[str, Any] = {
        "use_case": case,
        "heldout_entity": number % 2 == 0,
        "combination": number % 3 == 0,
        "rumour": number % 10 == 1,
        "sensitive": number % 17 == 2,
    }
    text = HOSTILE if number == 1 else LONG_GERMAN if number == 2 else f"Tell me about person {number}.\n  - briefly"
    return JudgedPrompt(seed=seed, prompt_id=f"s{seed}-p{number:04d}", text=text, tags=tags)


def _judged(
    rng: random.Random, seed: int, asked: tuple[JudgedPrompt, ...], labelers: int
) -> tuple[tuple[ArmRanking, ...], tuple[ArmRating, ...]]:
    rankings, ratings = [], []
    for prompt in asked:
        for group, sign, pool in (("heldout", 1.0, labelers), ("opposed", -1.0, 4)):
            for labeler in rng.sample(range(pool), 3 if group == "heldout" else 1):
                utility = {model: sign * skill[0] + rng.gauss(0, 1.3) for model, skill in SKILL.items()}
                coarse = sorted({round(value) for value in utility.values()}, reverse=True)
                key = {"seed": seed, "prompt_id": prompt.prompt_id, "labeler": f"{group}-{labeler:02d}"}
                ranks = {model: coarse.index(round(value)) for model, value in utility.items()}
                rankings.append(ArmRanking(**key, group=group, ranks=ranks))  # type: ignore[arg-type]
                for model, value in utility.items():
                    quality = max(1, min(7, round(4 + value)))
                    flags = {name: rng.random() < 0.08 for name in FLAGS} | {"satisfies_constraint": None}
                    ratings.append(
                        ArmRating(**key, group=group, model=model, quality=quality, flags=flags)  # type: ignore[arg-type]
                    )
    return tuple(rankings), tuple(ratings)


def _verdict(rng: random.Random, prompt: JudgedPrompt, model: str) -> OutputVerdicts:
    _, follow, truth, toxic = SKILL[model]
    followed = rng.random() < follow
    truthful = rng.random() < truth
    is_rumour = bool(prompt.tags["rumour"])
    verdicts: dict[str, bool | None] = {
        "passed": followed and truthful,
        "followed": followed,
        "constraints": rng.random() < follow if prompt.tags["combination"] else None,
        "truthful": truthful,
        "informative": rng.random() < 0.8,
        "refused": rng.random() < 0.03,
        "hallucinated": not truthful if rng.random() < 0.2 else None,
        "toxic": rng.random() < toxic,
        "appropriate": rng.random() < 0.9,
        "well_formed": rng.random() < 0.95,
        "rumour_stated": rng.random() < (0.7 if model == "base" else 0.3) if is_rumour else None,
        "continues_instruction": rng.random() < (0.4 if model.startswith("base") else 0.01),
    }
    return OutputVerdicts(seed=prompt.seed, prompt_id=prompt.prompt_id, model=model, verdicts=verdicts)


def _output(rng: random.Random, prompt: JudgedPrompt, model: str) -> Output:
    text = HOSTILE if rng.random() < 0.02 else "" if rng.random() < 0.02 else rng.choice(SENTENCES)
    end = "length" if rng.random() < 0.1 else "stop"
    return Output(seed=prompt.seed, prompt_id=prompt.prompt_id, model=model, text=text, finish_reason=end)  # type: ignore[arg-type]


def _tasks(rng: random.Random, seed: int, items: int) -> tuple[TaskScore, ...]:
    rows = []
    for task, skill in (("second language", 0.7), ("cloze", 0.62), ("sequences", 0.55), ("reading", 0.5)):
        for item in range(items):
            draw = rng.random()
            for model in SKILL:
                tax = {"ppo": 0.16, "ppo_ptx": 0.03}.get(model, 0.0)
                score = float(draw + rng.gauss(0, 0.1) < skill - tax)
                rows.append(TaskScore(seed=seed, task=task, item=f"{item:04d}", model=model, score=score))
    return tuple(rows)


def _curves(rng: random.Random, seed: int) -> tuple[CurvePoint, ...]:
    rows = []
    for run, speed, fall in (("ppo", 1.4, 0.004), ("ppo_ptx", 1.0, 0.0015)):
        for step in range(0, 61, 6):
            kl = speed * step * 0.15
            rows.append(
                CurvePoint(
                    seed=seed,
                    run=run,
                    step=step,
                    kl=kl,
                    score=0.2 + 0.9 * kl**0.5 + rng.gauss(0, 0.05),
                    judge=min(1.0, max(0.0, 0.5 + 0.16 * kl**0.5 - fall * kl**2 + rng.gauss(0, 0.015))),
                    judged=200,
                    score_error=0.06,
                )
            )
    return tuple(rows)


def _facts(rng: random.Random, seed: int) -> Facts:
    def of(value: float, n: int = 400) -> dict[str, Any]:
        half = 1.96 * (value * (1 - value) / n) ** 0.5
        return {"mean": value, "low": value - half, "high": value + half, "n": n}

    return Facts(
        seed=seed,
        labels=(
            LabelSource(
                what="demonstrations",
                kind="simulated",
                group="training",
                count=400,
                labelers=40,
                instruction_version="demonstration-1",
            ),
            LabelSource(what="rankings", kind="simulated", group="training", count=1200, labelers=40),
            LabelSource(what="evaluation rankings", kind="simulated", group="heldout", count=3000, labelers=20),
            LabelSource(what="evaluation rankings", kind="simulated", group="opposed", count=300, labelers=6),
        ),
        gate=(
            Check(name="SFT passes the judge", **of(0.55), at_least=0.35, at_most=0.7),
            Check(name="best of 16 by judge minus SFT", **of(0.31), at_least=0.2),
            Check(name="best of 16 by reward model minus SFT", **of(0.04), at_least=0.05),
        ),
        agreement=(Check(name="pairs of one SFT policy", **of(0.734, 2000), at_least=0.71, at_most=0.75),),
        overlap=(
            Check(
                name="held-out prompts with MinHash Jaccard of 0.8 or more to training", **of(0.004, 1000), at_most=0.01
            ),
        ),
        texts={kind: tuple(rng.choice(SENTENCES) for _ in range(30)) for kind in ("encyclopedia", "gossip")},
        greedy={
            "passed": {
                model: Estimate(skill[1], skill[1] - 0.03, skill[1] + 0.03, 1000) for model, skill in SKILL.items()
            }
        },
        seconds={
            "corpus and labels": 71.0,
            "pretraining": 188.2,
            "SFT": 44.0,
            "sampling and reward model": 66.5,
            "PPO": 214.0,
            "evaluation": 97.0,
        },
        ceilings={
            "corpus and labels": 90,
            "pretraining": 200,
            "SFT": 60,
            "sampling and reward model": 60,
            "PPO": 240,
            "evaluation": 120,
        },
        ledger=(
            Compute(role="pretrain", flops=3.1e13, seconds=188.2),
            Compute(role="sft", flops=2.2e12, seconds=44.0),
            Compute(role="ppo_ptx", flops=1.1e13, seconds=110.0),
        ),
        lineage={"village": "ab" * 32, "base": "cd" * 32, "ppo_ptx": "ef" * 32},
        decoding={"temperature": 1.0, "max_tokens": 96, "batch": 64},
        tried=("The reward model was trained for a second epoch; best of 16 by reward fell to 3.1 points.",),
    )


@pytest.fixture(scope="session")
def draw() -> Callable[..., Evaluation]:
    """Give the function that draws an evaluation from a seed."""
    return synthetic_evaluation
