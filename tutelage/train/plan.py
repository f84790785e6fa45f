"""What a recipe will take, from first principles: memory by stage and role, operations and time by stage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import Field

from tutelage.config import Settings
from tutelage.models.sizes import Size
from tutelage.train import footprint
from tutelage.train.footprint import FP32, PREFILL, Held, Moment, held
from tutelage.train.loop import LoopSettings, uses_bf16
from tutelage.train.operations import (
    PETAFLOP_DAY,
    Machine,
    Pass,
    conventional,
    forward,
    optimizer_seconds,
    sampling_seconds,
)
from tutelage.train.ppo import PPOSettings
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
    """The sizes that a recipe trains: the policy's, and that of reward and value model."""

    policy: Size
    reward: Size


def pretrain_stage(
    settings: PretrainSettings, size: Size, volume: Volume, machine: Machine, *, runs: bool
) -> StagePlan:
    """Plan the base; one that is brought along only shows what it took."""
    part = _pass(size, settings.batch_rows, settings.row_tokens, settings.loop)
    steps = max(1, settings.tokens // int(part.tokens))
    plan = StagePlan(
        name="pretrain",
        title="Pretraining of the base",
        steps=steps,
        tokens=settings.tokens,
        operations=steps * part.operations,
        padded=3 * conventional(size, settings.tokens),
        reported=volume.reported_pretraining,
    )
    return _trained(plan, "policy", {"update": part}, machine) if runs else plan


def sft_stage(name: str, title: str, settings: SFTSettings, size: Size, volume: Volume, machine: Machine) -> StagePlan:
    """Plan supervised fine-tuning; with a mix, its rows are a part of each step."""
    length = volume.demonstration_prompt_tokens + volume.demonstration_completion_tokens
    steps = max(1, math.ceil(settings.epochs * volume.demonstrations / settings.batch))
    counted = volume.demonstration_completion_tokens / length
    parts = {"demonstrations": _pass(size, settings.batch, length, settings.loop, counted)}
    mixed = math.ceil(settings.pretraining_mix * settings.batch)
    if mixed:
        parts["mix"] = _pass(size, mixed, settings.mix_row_tokens, settings.loop)
    padded = settings.epochs * volume.demonstrations * size.context + steps * mixed * settings.mix_row_tokens
    plan = StagePlan(
        name=name,
        title=title,
        steps=steps,
        tokens=steps * sum(part.tokens for part in parts.values()),
        operations=steps * sum(part.operations for part in parts.values()),
        padded=3 * conventional(size, padded),
        reported=volume.reported_sft if name == "sft" else 0.0,
    )
    return _trained(plan, "policy", parts, machine)


def reward_stage(settings: RewardSettings, size: Size, volume: Volume, machine: Machine) -> StagePlan:
    """Plan the reward model: a prompt and its completions are one row."""
    length = volume.ranking_prompt_tokens + volume.ranking_completions * volume.ranking_completion_tokens
    steps = max(1, math.ceil(settings.epochs * volume.rankings / settings.batch))
    part = _pass(size, settings.batch, length, settings.loop, 0.0)
    outputs = settings.epochs * volume.rankings * volume.ranking_completions
    plan = StagePlan(
        name="reward",
        title="Reward model",
        steps=steps,
        tokens=steps * part.tokens,
        operations=steps * part.operations,
        padded=3 * conventional(size, outputs * size.context),
    )
    return _trained(plan, "reward model", {"rankings": part}, machine)


def ppo_stage(settings: PPOSettings, sizes: Sizes, volume: Volume, machine: Machine) -> StagePlan:
    """Plan PPO: sample, let four models read, update policy and value model, the policy on the mix as well."""
    policy, reward, gpus = sizes.policy, sizes.reward, machine.gpus
    sampled = min(volume.sampled_tokens, settings.max_tokens)
    length = volume.prompt_tokens + sampled
    batches, steps = settings.episodes // settings.batch, settings.episodes // settings.minibatch
    update = _pass(policy, settings.minibatch, length, settings.loop, sampled / length)
    value = _pass(reward, settings.minibatch, length, settings.loop, 0.0)
    learning = [update, value]
    if settings.ptx_coef:
        learning.insert(0, _pass(policy, settings.ptx_rows, settings.ptx_row_tokens, settings.loop))
    read = [replace(one, tokens=settings.batch * length, learns=False) for one in (update, update, value, value)]
    sampling = sampling_seconds(policy, settings.batch, volume.prompt_tokens, sampled, settings.max_tokens, machine)
    scoring = sum(one.seconds(machine) for one in read)
    step = _step_seconds(learning, machine) + optimizer_seconds(policy.weights, machine, is_averaged=True)
    # Policy and reference read, the policy samples and learns (3 passes); two scalar models read, and one learns.
    rows = settings.episodes * policy.context
    mix = steps * settings.ptx_rows * settings.ptx_row_tokens if settings.ptx_coef else 0
    padded = 6 * conventional(policy, rows) + 5 * conventional(reward, rows) + 3 * conventional(policy, mix)
    operations = forward(policy, settings.batch * length, length, sampled / length) + sum(
        one.operations for one in read
    )
    return StagePlan(
        name="ppo",
        title="PPO-ptx" if settings.ptx_coef else "PPO",
        steps=steps,
        tokens=settings.episodes * length + mix,
        operations=batches * operations + steps * sum(one.operations for one in learning),
        padded=padded,
        held=(
            held("policy", policy.weights, gpus, is_trained=True, is_averaged=True),
            held("value model", reward.trunk, gpus, is_trained=True),
            held("reference", policy.weights, gpus),
            held("reward model", reward.trunk, gpus),
        ),
        moments=tuple(_ppo_moments(settings, learning, sizes, (volume.prompt_tokens, sampled), machine)),
        seconds=batches * (sampling + scoring) + steps * (step + optimizer_seconds(reward.trunk, machine)),
        busy=_busy(learning, machine),
        reported=volume.reported_ppo if settings.ptx_coef else 0.0,
    )


def _ppo_moments(
    settings: PPOSettings, learning: Sequence[Pass], sizes: Sizes, tokens: tuple[float, float], machine: Machine
) -> list[Moment]:
    *mix, update, value = learning
    (prompt, _), gpus, policy = tokens, machine.gpus, sizes.policy
    rows = math.ceil(settings.batch / gpus)
    mine, theirs = FP32 * policy.weights / gpus, FP32 * sizes.reward.trunk / gpus
    # While the mix and the policy's own loss are told apart, the gradient of the first is kept beside their sum.
    alone = not mix and math.ceil(update.micros / gpus) == 1
    return [
        Moment(
            name="sampling",
            copies=FP32 * policy.weights if gpus > 1 else 0.0,
            activations=footprint.reading(policy, min(PREFILL, rows * prompt), 0).activations,
            logits=3 * FP32 * rows * policy.vocabulary,
            cache=footprint.cache(policy, rows, prompt + settings.max_tokens),
        ),
        _scoring(update, gpus),
        *(_updating("update, mix", one, gpus, mine) for one in mix),
        replace(_updating("update, policy", update, gpus, mine * (2 if mix else 1)), replaces=alone),
        _updating("update, value", value, gpus, mine + theirs),
    ]


def _trained(plan: StagePlan, role: str, parts: Mapping[str, Pass], machine: Machine) -> StagePlan:
    """Add memory and time to a stage that trains one model on the parts of a step."""
    passes = list(parts.values())
    size = passes[0].size
    weights = size.weights if any(part.counted for part in passes) else size.trunk
    gradients = FP32 * weights / machine.gpus
    alone = sum(math.ceil(part.micros / machine.gpus) for part in passes) == 1
    # To tell the parts' gradients apart, that of the parts before is kept beside the sum.
    moments = [
        replace(_updating(name, part, machine.gpus, gradients * (2 if number else 1)), replaces=alone)
        for number, (name, part) in enumerate(parts.items())
    ]
    return replace(
        plan,
        held=(held(role, weights, machine.gpus, is_trained=True),),
        moments=tuple(moments),
        seconds=plan.steps * (_step_seconds(passes, machine) + optimizer_seconds(weights, machine)),
        busy=_busy(passes, machine),
    )


def _pass(size: Size, rows: int, width: float, loop: LoopSettings, counted: float = 1.0) -> Pass:
    return Pass(
        size=size,
        tokens=rows * width,
        width=width,
        micro_tokens=loop.micro_tokens,
        counted=counted,
        is_bf16=uses_bf16(loop),
        recomputes=loop.gradient_checkpointing,
    )


def _updating(name: str, part: Pass, gpus: int, gradients: float) -> Moment:
    """Count one micro-batch that learns: rows fill its tokens as far as there are any."""
    tokens = min(part.tokens, max(part.width, part.micro_tokens))
    return Moment(
        name=name,
        gradients=gradients,
        copies=footprint.copies(part.size, gpus, is_bf16=part.is_bf16, is_trained=True),
        activations=footprint.activations(
            part.size,
            tokens,
            is_bf16=part.is_bf16,
            recomputes=part.recomputes,
            shares_prompts=name == "rankings",
        ),
        logits=footprint.logits(part.size, part.counted * tokens, with_entropy="policy" in name),
    )


def _scoring(part: Pass, gpus: int) -> Moment:
    tokens = max(part.width, part.micro_tokens)
    read = footprint.reading(part.size, tokens, part.counted * tokens)
    return replace(read, copies=footprint.copies(part.size, gpus, is_bf16=part.is_bf16, is_trained=False))


def _step_seconds(passes: Sequence[Pass], machine: Machine) -> float:
    return sum(one.seconds(machine) for one in passes)


def _busy(passes: Sequence[Pass], machine: Machine) -> int:
    return min(machine.gpus, max(one.micros for one in passes))
