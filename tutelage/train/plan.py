"""What a recipe will take, from first principles: memory by stage and role, operations and time by stage.

PPO, which has four models, stands in `ppo_plan.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import Field

from tutelage.config import Settings
from tutelage.models.sizes import Size
from tutelage.train import footprint
from tutelage.train.footprint import FP32, Held, Moment, held
from tutelage.train.layout import LayoutSettings
from tutelage.train.loop import LoopSettings, uses_bf16
from tutelage.train.operations import PETAFLOP_DAY, Machine, Pass, optimizer_seconds
from tutelage.train.portion import Portion, policy_portion, scalar_portion
from tutelage.train.pretrain import PretrainSettings
from tutelage.train.reward import RewardSettings
from tutelage.train.sft import SFTSettings

#: Share of a GPU's memory that the driver, the libraries and gaps between blocks take.
SPARE = 0.08
#: More GPUs than this are not looked for.
MOST = 1 << 16


class Volume(Settings):
    """How much data a plan reckons with; no training reads it. The counts of a village are taken from [village]."""

    demonstrations: int = Field(400, ge=1)
    """Demonstrations."""
    demonstration_prompt_tokens: float = Field(36, gt=0)
    """Mean tokens of their prompts."""
    demonstration_completion_tokens: float = Field(24, gt=0)
    """Mean tokens of the demonstrations."""
    rankings: int = Field(1200, ge=1)
    """Prompts with ranked completions."""
    ranking_completions: float = Field(6.5, gt=0)
    """Mean completions of such a prompt."""
    ranking_prompt_tokens: float = Field(36, gt=0)
    """Mean tokens of such a prompt."""
    ranking_completion_tokens: float = Field(24, gt=0)
    """Mean tokens of one of its completions."""
    prompt_tokens: float = Field(36, gt=0)
    """Mean tokens of PPO's prompts."""
    sampled_tokens: float = Field(24, gt=0)
    """Mean tokens of PPO's completions; never more than `max_tokens` are reckoned with."""
    reported_sft: float = Field(0, ge=0)
    """Petaflop/s-days that are reported for the SFT baseline, to stand beside the planned ones; 0 is none."""
    reported_ppo: float = Field(0, ge=0)
    """The same for PPO with the mix."""
    reported_pretraining: float = Field(0, ge=0)
    """The same for the base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """One stage: what it holds on each GPU, what it computes and how long it takes.

    `operations` are the model's, rows at their own length; `padded` are those of rows that all have the length of the
    context, by the literature's count. `busy` is how many GPUs have micro-batches in an optimizer step. A stage that is
    not run here has neither memory nor time.
    """

    name: str
    title: str
    steps: int
    tokens: float
    operations: float
    padded: float
    held: tuple[Held, ...] = ()
    moments: tuple[Moment, ...] = ()
    seconds: float = 0.0
    busy: int = 0
    reported: float = 0.0

    @property
    def memory(self) -> float:
        """Give the bytes that the stage needs on each GPU."""
        return sum(one.total for one in self.held) + max((moment.total for moment in self.moments), default=0.0)

    @property
    def petaflop_days(self) -> float:
        """Give the operations in petaflop/s-days."""
        return self.operations / PETAFLOP_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes that a recipe trains: the policy's, and that of reward and value model.

    With `likelihood` the reward model's scores count likelihoods, for which it makes logits.
    """

    policy: Size
    reward: Size
    likelihood: bool = False


def pretrain_stage(
    settings: PretrainSettings, size: Size, volume: Volume, machine: Machine, *, runs: bool
) -> StagePlan:
    """Plan the base; one that is brought along only shows what it took."""
    base = policy_portion(size, LayoutSettings())
    part = learning(base, settings.batch_rows, settings.row_tokens, settings.loop)
    steps = max(1, settings.tokens // int(part.tokens))
    plan = StagePlan(
        name="pretrain",
        title="Pretraining of the base",
        steps=steps,
        tokens=settings.tokens,
        operations=steps * part.operations,
        padded=base.weights.flops(settings.tokens),
        reported=volume.reported_pretraining,
    )
    return _trained(plan, "policy", {"update": part}, machine) if runs else plan


def sft_stage(name: str, title: str, settings: SFTSettings, size: Size, volume: Volume, machine: Machine) -> StagePlan:
    """Plan supervised fine-tuning; with a mix, its rows are a part of each step."""
    length = volume.demonstration_prompt_tokens + volume.demonstration_completion_tokens
    steps = max(1, math.ceil(settings.epochs * volume.demonstrations / settings.batch))
    counted = volume.demonstration_completion_tokens / length
    policy = policy_portion(size, settings.layout)
    shown = learning(policy, settings.batch, length, settings.loop, counted)
    parts = {"demonstrations": replace(shown, is_known=settings.keeps_trunk)}
    mixed = math.ceil(settings.pretraining_mix * settings.batch)
    if mixed:
        parts["mix"] = learning(policy, mixed, settings.mix_row_tokens, settings.loop)
    padded = settings.epochs * volume.demonstrations * size.context + steps * mixed * settings.mix_row_tokens
    plan = StagePlan(
        name=name,
        title=title,
        steps=steps,
        tokens=steps * sum(part.tokens for part in parts.values()),
        operations=steps * sum(part.operations for part in parts.values()),
        padded=policy.weights.flops(padded),
        reported=volume.reported_sft if name == "sft" else 0.0,
    )
    plan = _trained(plan, "policy", parts, machine)
    if not settings.keeps_trunk:
        return plan
    once = replace(shown, tokens=volume.demonstrations * length)
    return replace(
        plan, operations=plan.operations + once.beneath, seconds=plan.seconds + once.seconds_beneath(machine)
    )


def reward_stage(settings: RewardSettings, size: Size, volume: Volume, machine: Machine) -> StagePlan:
    """Plan the reward model: a prompt and its completions are one row."""
    completions = volume.ranking_completions * volume.ranking_completion_tokens
    length = volume.ranking_prompt_tokens + completions
    steps = max(1, math.ceil(settings.epochs * volume.rankings / settings.batch))
    model = scalar_portion(size, settings.layout, likelihood=settings.likelihood)
    part = learning(model, settings.batch, length, settings.loop, completions / length if settings.likelihood else 0.0)
    outputs = settings.epochs * volume.rankings * volume.ranking_completions
    plan = StagePlan(
        name="reward",
        title="Reward model",
        steps=steps,
        tokens=steps * part.tokens,
        operations=steps * part.operations,
        padded=model.weights.flops(outputs * size.context),
    )
    return _trained(plan, "reward model", {"rankings": part}, machine)


def _trained(plan: StagePlan, role: str, parts: Mapping[str, Pass], machine: Machine) -> StagePlan:
    """Add memory and time to a stage that trains one model on the parts of a step."""
    passes = list(parts.values())
    portion = passes[0].portion
    gradients = FP32 * portion.trained / machine.gpus
    alone = sum(math.ceil(part.micros / machine.gpus) for part in passes) == 1
    # To tell the parts' gradients apart, that of the parts before is kept beside the sum.
    moments = [
        replace(updating(name, part, machine.gpus, gradients * (2 if number else 1)), replaces=alone)
        for number, (name, part) in enumerate(parts.items())
    ]
    # Adapters are merged into weights that are read again; a reward model that was written is read back and checked.
    again = portion.size.weights if portion.rank else 0
    if role == "reward model":
        again = portion.size.trunk * (2 if portion.rank else 1)
    return replace(
        plan,
        held=(held(role, machine.gpus, trained=portion.trained, frozen=portion.frozen),),
        moments=(*moments, *footprint.writing(again)),
        seconds=plan.steps
        * (sum(one.seconds(machine) for one in passes) + optimizer_seconds(portion.trained, machine)),
        busy=busy(passes, machine),
    )


def learning(portion: Portion, rows: int, width: float, loop: LoopSettings, counted: float = 1.0) -> Pass:
    """Give the pass of an optimizer step over rows of a width."""
    return Pass(
        portion=portion,
        tokens=rows * width,
        width=width,
        micro_tokens=loop.micro_tokens,
        counted=counted,
        is_bf16=uses_bf16(loop),
        recomputes=loop.gradient_checkpointing,
    )


def updating(name: str, part: Pass, gpus: int, gradients: float) -> Moment:
    """Count one micro-batch that learns: rows fill its tokens as far as there are any."""
    tokens = min(part.tokens, max(part.width, part.micro_tokens))
    return Moment(
        name=name,
        gradients=gradients,
        copies=footprint.copies(part.portion, gpus, is_bf16=part.is_bf16, is_trained=True),
        activations=footprint.activations(
            part.portion,
            tokens,
            is_bf16=part.is_bf16,
            recomputes=part.recomputes,
            shares_prompts=name == "rankings",
        ),
        logits=footprint.logits(part.portion, part.counted * tokens, with_entropy="policy" in name),
    )


def busy(passes: Sequence[Pass], machine: Machine) -> int:
    """Count the GPUs that have a micro-batch in an optimizer step."""
    return min(machine.gpus, max(one.micros for one in passes))
