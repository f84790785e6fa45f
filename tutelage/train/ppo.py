"""PPO with a pretraining mix, PPO-ptx (paper, 3.5, equation 2, and C.4)."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from tutelage.config import Settings
from tutelage.core.kl import AdaptiveKL, FixedKL
from tutelage.core.losses import policy_loss, value_loss
from tutelage.core.schedules import constant_with_warmup, ema_decay_for
from tutelage.errors import DataError, InvariantError, SettingsError
from tutelage.files import content_hash
from tutelage.generate import capacity
from tutelage.models.distributed import local
from tutelage.models.load import context_of, hash_of
from tutelage.models.papers import carry
from tutelage.models.policy import hidden_states, score_hidden
from tutelage.models.roles import to_sample
from tutelage.models.tokens import Renderer, Template, template_parent
from tutelage.runs import Run
from tutelage.train import ranks
from tutelage.train.batching import Weighted, told_dropped
from tutelage.train.best import Best
from tutelage.train.ema import Ema
from tutelage.train.experience import AdvantageSettings
from tutelage.train.four import Four, Parents, load_four
from tutelage.train.layout import LaidOutSettings, check_layout
from tutelage.train.loop import Hooks, Loop, LoopSettings, Loss, Trained
from tutelage.train.optimizers import Adam
from tutelage.train.pretrain import check_rows, token_loss
from tutelage.train.rollout import EXACT, Models, Plan, PPOMicro, Rollouts, Streams
from tutelage.train.stage import Origin, Progress, begin, conclude, finished, seconds_of
from tutelage.train.streams import PackedRows, Shuffled
from tutelage.train.validation import Judge, Validation, weights_of

logger = logging.getLogger(__name__)

#: An average that still holds more than this share of its start is not what was trained.
STALE = 0.05


class KLSettings(Settings):
    """The penalty that holds the policy near its start."""

    kind: Literal["fixed", "adaptive"] = "fixed"
    """Fixed as in the paper, or adapted towards `target`."""
    beta: float = Field(0.02, ge=0)
    """Coefficient of the KL penalty per token (paper, C.4); where an adaptive one starts."""
    target: float = Field(6.0, gt=0)
    """KL per completion in nats that an adaptive coefficient aims at."""
    horizon: float = Field(10_000.0, gt=0)
    """Episodes over which an adaptive coefficient follows (Ziegler et al. 2019)."""


class PPOSettings(LaidOutSettings):
    """Training a policy against a reward model."""

    episodes: int = Field(8192, ge=1)
    """Completions to sample in all (paper 256,000); a multiple of `batch`."""
    batch: int = Field(512, ge=1)
    """Completions per rollout batch (paper, C.4)."""
    minibatch: int = Field(64, ge=1)
    """Completions per optimizer step (paper, C.4)."""
    max_tokens: int = Field(64, ge=1)
    """Longest completion in tokens; longer ones are cut, and scored as they are."""
    clip: float = Field(0.2, gt=0)
    """Clip of the policy's ratio (paper, C.4)."""
    value_clip: float = Field(0.2, gt=0)
    """Clip of the value function's change (openai/lm-human-preferences)."""
    ptx_coef: float = Field(27.8, ge=0)
    """Coefficient of the pretraining loss, a mean per pretraining token of the minibatch; 0 is plain PPO (paper, C.4).

    The policy loss is a mean per sampled token of the minibatch over whitened advantages. The paper does not print its
    reductions, so its 27.8 need not mean the same: look at gradient/ptx:ppo.
    """
    ptx_rows: int = Field(16, ge=1)
    """Pretraining rows per optimizer step (paper: 8 per episode)."""
    ptx_row_tokens: int = 128
    """Length of the pretraining rows."""
    ptx_seed: int = 0
    """Order of the pretraining rows, whatever the seed: pretraining with this seed and row length reads the same."""
    warmup: float = Field(0.02, ge=0, le=1)
    """Share of the steps over which the policy's rate rises from a tenth (paper: 10 of 500 rollout batches)."""
    ema_decay: float = Field(0.992, ge=0, lt=1)
    """Decay of the average of the policy's weights (paper, C.4), lowered for short runs by `ema_start_left`. With
    adapters, their factors are averaged, which is not the average of what they add to the weights."""
    ema_start_left: float = Field(0.02, gt=0, lt=1)
    """Share of the starting weights that may be left in the average at the end."""
    max_kl: float = Field(200.0, gt=0)
    """KL per completion in nats at which the run stops, because the policy has run away."""
    min_entropy: float = Field(0.02, ge=0)
    """Mean entropy of a token in nats under which the run stops, because the policy says the same whatever it is asked;
    0 never stops."""
    samples: int = Field(4, ge=0)
    """Completions of each rollout batch that are kept to be read."""
    template: Template = "plain"
    """How a prompt is rendered; the same as in supervised fine-tuning."""
    seed: int = 0
    """Decides the order of the prompts and every sampled token."""
    kl: KLSettings = KLSettings()
    """The KL penalty."""
    advantages: AdvantageSettings = AdvantageSettings()
    """How scores become advantages."""
    policy: Adam = Adam(lr=3e-4)
    """The policy's optimizer; the paper does not print the rate it chose."""
    value: Adam = Adam(lr=3e-4)
    """The value model's optimizer, with its own constant rate (paper, C.4)."""
    loop: LoopSettings = LoopSettings(checkpoint_every=32)
    """Checkpoints, evaluation and micro-batches."""

    @model_validator(mode="after")
    def _divide(self) -> Self:
        if self.episodes % self.batch or self.batch % self.minibatch:
            raise ValueError(
                f"episodes = {self.episodes} must be a multiple of batch = {self.batch}, and that one of minibatch = "
                f"{self.minibatch}"
            )
        return self


class PPOData(NamedTuple):
    """Prompts without answers, pretraining text for the mix, and prompts to watch the policy on."""

    prompts: Sequence[str]
    pretraining: Sequence[str] = ()
    validation: Sequence[str] = ()


def train_ppo(
    run_dir: Path,
    settings: PPOSettings,
    data: PPOData,
    parents: Parents,
    progress: Progress | None = None,
    judge: Judge | None = None,
) -> Path:
    """Train the policy with PPO-ptx; give the directory of its last weights (paper, 3.5, equation 2, and C.4).

    Beside it, `ema` holds their average; with validation prompts, `best` the weights that scored highest on them, and
    `best_judged` those that a `judge`, from whom the policy does not learn, gave the highest number. Called again with
    the same arguments, it goes on where it was, or returns at once. `progress` is told every step. What cannot be used
    is a UserError before anything is written.
    """
    steps = _steps(settings)
    hashes = {"policy": hash_of(parents.policy), "reward": hash_of(parents.reward), "data": content_hash(data)}
    if parents.reference is not None:
        hashes["reference"] = hash_of(parents.reference)
    origin = Origin(run_dir, "ppo", settings, hashes | template_parent(parents.policy, settings.template))
    if made := finished(origin):
        return made
    check_layout(settings, settings.policy, settings.value)
    four = load_four(parents, settings)
    models, renderer = four.models, Renderer(four.tokenizer, settings.template)
    streams = _streams(settings, data, models, renderer)
    ema = Ema(four.policy, ema_decay_for(steps, settings.ema_start_left, settings.ema_decay))
    warmup = functools.partial(constant_with_warmup, warmup=round(settings.warmup * steps))
    validation = _validation(settings, data, four, renderer, ema)
    run = begin(origin)
    write = functools.partial(_write, four, parents, settings)
    rollouts = Rollouts(run, _plan(settings), models, renderer, streams, _kl(settings))
    best = Best(run, functools.partial(validation.measure, judge), write) if validation else None
    Loop(
        run=run,
        trained=[
            Trained(name="policy", model=four.policy, adam=settings.policy, schedule=warmup),
            Trained(name="value", model=four.value, adam=settings.value, schedule=lambda _: 1.0),
        ],
        batches=rollouts,
        loss=functools.partial(ppo_loss, models, settings),
        steps=steps,
        settings=settings.loop,
        seed=settings.seed,
        hooks=Hooks(ema=ema, evaluate=best.evaluate if best else None, progress=progress),
    ).train()
    _record(run, settings, four, rollouts, ema)

    def write_ema(part: Path) -> None:
        with weights_of(ema, four.policy):
            write(part)

    return conclude(run, {"model": write, "ema": write_ema}, best.kept() if best else ())


def ppo_loss(models: Models, settings: PPOSettings, micro: PPOMicro | Weighted) -> Loss:
    """Give the loss of a micro-batch: of pretraining text, times its coefficient, of the policy, or of the values."""
    if isinstance(micro, Weighted):
        loss = token_loss(models.policy, micro).value
        return Loss(settings.ptx_coef * loss, {"ppo/loss/ptx": loss.detach()})
    return (_policy_loss if micro.role == "policy" else _value_loss)(models, settings, micro)


def _policy_loss(models: Models, settings: PPOSettings, micro: PPOMicro) -> Loss:
    hidden = hidden_states(models.policy, micro.rows.stream)
    if micro.is_first:
        hidden.register_hook(functools.partial(_check_prompt_gradient, micro))
    scored = score_hidden(models.policy, hidden, micro.rows)
    if micro.is_first:
        _check_ratio(scored.logprobs, micro.old)
    found = policy_loss(scored.logprobs, micro.old, micro.targets.advantages, micro.weights, settings.clip)
    return Loss(
        found.value,
        {
            "ppo/loss/policy": found.value.detach(),
            "ppo/policy/clipfrac": found.clipfrac,
            "ppo/policy/approxkl": found.approx_kl,
            "ppo/policy/ratio": found.ratio,
        },
    )


def _value_loss(models: Models, settings: PPOSettings, micro: PPOMicro) -> Loss:
    values = models.value.values(micro.rows)
    found = value_loss(values, micro.values, micro.targets.returns, micro.weights, settings.value_clip)
    error = (micro.weights * (values - micro.targets.returns).square()).sum()
    return Loss(
        found.value,
        {
            "ppo/loss/value": found.value.detach(),
            "ppo/val/clipfrac": found.clipfrac,
            "ppo/val/error": error.detach(),
        },
    )


def _check_ratio(logprobs: Tensor, old: Tensor) -> None:
    """The policy has not moved since it was scored, on the same rows: any difference is a mistake."""
    farthest = float((logprobs.detach() - old).abs().max())
    if not farthest <= EXACT:
        raise InvariantError(f"The first ratio of a rollout batch is off by {farthest}; policy and scoring differ.")


def _check_prompt_gradient(micro: PPOMicro, gradient: Tensor) -> None:
    """Only positions before sampled tokens may be pulled; a prompt's tokens are given, not chosen."""
    predicts_sampled, layout = micro.rows.mask.roll(-1, dims=1).flatten(), micro.rows.stream.layout
    if layout is not None:
        predicts_sampled = predicts_sampled[layout.cells]
    if bool(gradient.flatten(0, 1)[~predicts_sampled].any()):
        raise InvariantError("Prompt tokens receive a policy gradient; the mask of sampled tokens is wrong.")


def _steps(settings: PPOSettings) -> int:
    """Count the optimizer steps of the whole run."""
    if settings.episodes % settings.batch or settings.batch % settings.minibatch or settings.episodes < 1:
        raise SettingsError(
            f"episodes = {settings.episodes} must be a multiple of batch = {settings.batch}, and that one of "
            f"minibatch = {settings.minibatch}."
        )
    return settings.episodes // settings.minibatch


def _streams(settings: PPOSettings, data: PPOData, models: Models, renderer: Renderer) -> Streams:
    prompts = encode_prompts(data.prompts, renderer, _room(settings, models), "prompts")
    ptx = None
    if settings.ptx_coef != 0:
        if not data.pretraining:
            raise DataError("ptx_coef is above 0 but there is no pretraining text; give some, or set it to 0.")
        check_rows(settings.ptx_row_tokens, context_of(models.policy), "ptx_row_tokens")
        ptx = PackedRows(data.pretraining, renderer, settings.ptx_row_tokens, settings.ptx_seed)
    return Streams(prompts=prompts, order=Shuffled(len(prompts), settings.seed), ptx=ptx)


def room_for_prompts(max_tokens: int, *contexts: int) -> int:
    """Give the longest prompt in tokens that leaves room for a completion in the context of every model."""
    context = min(contexts)
    if max_tokens >= context:
        raise SettingsError(f"max_tokens = {max_tokens} leaves no room for a prompt in a context of {context} tokens.")
    return context - max_tokens


def encode_prompts(texts: Sequence[str], renderer: Renderer, limit: int, what: str) -> list[list[int]]:
    """Encode prompts; those that leave no room for a completion are left out and counted aloud."""
    if not texts:
        raise DataError(f"There are no {what}; give some.")
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            raise DataError(f"Number {number} of the {what} is empty; remove it.")
    encoded = renderer.prompts_ids(texts)
    kept = [ids for ids in encoded if len(ids) <= limit]
    if not kept:
        raise DataError(
            f"None of the {what} has at most {limit} tokens, which max_tokens leaves room for; give others."
        )
    told_dropped(len(encoded) - len(kept), len(encoded), what, limit)
    return kept


def _room(settings: PPOSettings, models: Models) -> int:
    """A reward model of another base may have another context than the policy, and sampling a shorter one than both:
    the engine stays inside the window of layers that look no further.
    """
    sampled = capacity.context_of(to_sample(models.policy))
    return room_for_prompts(settings.max_tokens, sampled, context_of(models.policy), context_of(models.reward.trunk))


def _validation(settings: PPOSettings, data: PPOData, four: Four, renderer: Renderer, ema: Ema) -> Validation | None:
    if not data.validation:
        return None
    limit = _room(settings, four.models)
    return Validation(
        models=four.models,
        trained=four.policy,
        ema=ema,
        renderer=renderer,
        prompts=encode_prompts(data.validation, renderer, limit, "validation prompts"),
        texts=[text for text in data.validation if len(renderer.prompt_ids(text)) <= limit],
        max_tokens=settings.max_tokens,
        micro_tokens=settings.loop.micro_tokens,
    )


def _plan(settings: PPOSettings) -> Plan:
    return Plan(
        batch=settings.batch,
        minibatch=settings.minibatch,
        max_tokens=settings.max_tokens,
        advantages=settings.advantages,
        max_kl=settings.max_kl,
        min_entropy=settings.min_entropy,
        micro_tokens=settings.loop.micro_tokens,
        ptx_rows=settings.ptx_rows,
        samples=settings.samples,
        seed=settings.seed,
    )


def _kl(settings: PPOSettings) -> FixedKL:
    kl = settings.kl
    return FixedKL(kl.beta) if kl.kind == "fixed" else AdaptiveKL(kl.beta, kl.target, kl.horizon)


def _write(four: Four, parents: Parents, settings: PPOSettings, part: Path) -> None:
    """Write the policy as it is now, with its card and the licence of its base."""
    four.write(part)
    if ranks.is_first():
        carry(parents.policy, part, stage="ppo", template=settings.template)


def _record(run: Run, settings: PPOSettings, four: Four, rollouts: Rollouts, ema: Ema) -> None:
    """Check that the average moved, say how much of its start it holds, and enter what was computed."""
    start = four.start()
    pairs = [(local(tensor), local(start[name])) for name, tensor in ema.tensors().items()]
    still = [torch.equal(tensor, was.to(tensor)) for tensor, was in pairs]
    if all(ranks.gather(all(still))):
        raise InvariantError(
            "The average of the policy's weights never moved; look at its decay and the learning rate."
        )
    left = ema.decay**rollouts.steps
    run.metrics(rollouts.steps + 1, {"ema/decay": ema.decay, "ema/start_left": left})
    if left > STALE:
        logger.warning(
            "The average in ema/ still holds %.0f %% of the starting weights; use model/, or lower ema_start_left.",
            100 * left,
        )
    prompt, sampled = rollouts.tokens["prompt"], rollouts.tokens["sampled"]
    both = prompt + sampled
    ptx = 0 if rollouts.streams.ptx is None else rollouts.steps * settings.ptx_rows * settings.ptx_row_tokens
    rollout, scoring = seconds_of(run, "time/rollout"), seconds_of(run, "time/scoring")
    # Clocks see three phases: sampling, reading by all four models, and updates; a phase's seconds stand at one role.
    for role, trained, read, seconds in (
        ("rollout", 0, both, rollout),
        ("shared trunk", 0, both, 0.0),
        ("policy", both, both, seconds_of(run) - rollout - scoring),
        ("pretraining mix", ptx, 0, 0.0),
        ("reference", 0, both, 0.0),
        ("reward scoring", 0, both, scoring),
        ("value", both, both, 0.0),
    ):
        if role in four.work:
            flops = four.work[role].flops(trained, read)
            run.ledger.add(role, flops=flops, seconds=seconds, tokens=trained + read)
