"""The terms of an evaluation: what its arms are held against, and who says what is right; one for each kind of run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How one kind of evaluation is read.

    `reference` is the arm before any training here: rates, tasks and losses are held against it. `baselines` are the
    arms that the headline names, the first of them above all, and `opponents` those that figures are drawn against.
    `told` are the arms that sentences name. `checker` gives the verdicts. With `same_prompts`, several seeds ask the
    same prompts, so that their rows are put together and clustered by prompt. `written` says who wrote what was
    trained on, where no person did.
    """

    reference: str
    baselines: tuple[str, ...]
    opponents: tuple[str, ...]
    told: tuple[str, ...]
    checker: str
    same_prompts: bool
    written: str = ""


TERMS: dict[str, Terms] = {
    "village": Terms(
        reference="base",
        baselines=("sft", "prompted_base"),
        opponents=("sft", "prompted_base"),
        told=("base", "sft", "ppo_ptx"),
        checker="judge",
        same_prompts=False,
    ),
    "starter": Terms(
        reference="start",
        baselines=("start_prompted", "sft"),
        opponents=("start_prompted", "start", "start_self", "sft"),
        told=("start_prompted", "sft", "ppo_ptx"),
        checker="rubric",
        same_prompts=True,
        written="a language model wrote the prompts, the demonstrations and the rubrics",
    ),
}
