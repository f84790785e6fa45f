"""What PPO will take: a policy that samples, four models that read, two that learn."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tutelage.train import footprint
from tutelage.train.footprint import BF16, FP32, PREFILL, Held, Moment, held
from tutelage.train.operations import Machine, Pass, optimizer_seconds, sampling_seconds
from tutelage.train.plan import Sizes, StagePlan, Volume, busy, learning, updating
from tutelage.train.portion import Portion, policy_portion, scalar_portion
from tutelage.train.ppo import PPOSettings
from tutelage.train.stage import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class _Roles:
    """Policy and value model, the tokens of a prompt and a completion, and the share of tokens that likelihoods need.

    Reference and reward model are these two before they are trained.
    """

    policy: Portion
    value: Portion
    prompt: float
    sampled: float
    likely: float

    @property
    def length(self) -> float:
        return self.prompt + self.sampled

    @property
    def share(self) -> float:
        """Give the share of tokens that are sampled."""
        return self.sampled / self.length


def ppo_stage(settings: PPOSettings, sizes: Sizes, volume: Volume, machine: Machine) -> StagePlan:
    """Plan PPO: sample, let four models read, update policy and value model, the policy on the mix as well."""
    roles = _roles(settings, sizes, volume)
    batches, steps = settings.episodes // settings.batch, settings.episodes // settings.minibatch
    learned, read = _learned(settings, roles), _read(settings, roles)
    sampling = sampling_seconds(roles.policy, settings.batch, roles.prompt, roles.sampled, settings.max_tokens, machine)
    scoring = sum(one.seconds(machine) for one in read)
    step = sum(one.seconds(machine) for one in learned)
    step += optimizer_seconds(roles.policy.trained, machine, is_averaged=True)
    step += optimizer_seconds(roles.value.trained, machine)
    mix = steps * settings.ptx_rows * settings.ptx_row_tokens if settings.ptx_coef else 0
    # What is sampled is read once more while it is sampled: by the policy, all of it.
    operations = batches * sum(one.operations for one in (read[0], *read))
    return StagePlan(
        name="ppo",
        title="PPO-ptx" if settings.ptx_coef else "PPO",
        steps=steps,
        tokens=settings.episodes * roles.length + mix,
        operations=operations + steps * sum(one.operations for one in learned),
        padded=_padded(roles, settings.episodes * sizes.policy.context, mix),
        held=_held(roles, machine.gpus, _narrow(roles, learned[0], machine.gpus)),
        moments=tuple(_moments(settings, roles, learned, machine.gpus)),
        seconds=batches * (sampling + scoring) + steps * step,
        busy=busy(learned, machine),
        reported=volume.reported_ppo if settings.ptx_coef else 0.0,
    )


def _roles(settings: PPOSettings, sizes: Sizes, volume: Volume) -> _Roles:
    prompt, sampled = volume.prompt_tokens, min(volume.sampled_tokens, settings.max_tokens)
    return _Roles(
        policy=policy_portion(sizes.policy, settings.layout),
        value=scalar_portion(sizes.reward, settings.layout),
        prompt=prompt,
        sampled=sampled,
        likely=sampled / (prompt + sampled) if sizes.likelihood else 0.0,
    )


def _learned(settings: PPOSettings, roles: _Roles) -> list[Pass]:
    """Give what an optimizer step learns from: the mix if there is one, the policy's episodes, the value model's.

    Frozen lower layers of the episodes were computed when they were scored.
    """
    rows, length, loop = settings.minibatch, roles.length, settings.loop
    update = replace(learning(roles.policy, rows, length, loop, roles.share), is_known=True)
    value = replace(learning(roles.value, rows, length, loop, 0.0), is_known=True)
    if not settings.ptx_coef:
        return [update, value]
    return [learning(roles.policy, settings.ptx_rows, settings.ptx_row_tokens, loop), update, value]


def _read(settings: PPOSettings, roles: _Roles) -> list[Pass]:
    """Give the passes that score a rollout batch: policy, reference, reward and value model; lower layers once."""
    policy = replace(learning(roles.policy, settings.batch, roles.length, settings.loop, roles.share), learns=False)
    value = replace(policy, portion=roles.value, counted=0.0, is_known=True)
    return [policy, replace(policy, is_known=True), replace(value, counted=roles.likely), value]


def _padded(roles: _Roles, rows: float, mix: float) -> float:
    """Count as the literature does what is sampled, scored, learned and mixed in; frozen lower layers score once."""
    whole, trunk = roles.policy.weights, Weights(read=roles.policy.weights.read)
    above = [portion.weights._replace(read=0) for portion in (roles.policy, roles.value)]
    return whole.flops(mix, rows) + trunk.flops(0, rows) + sum(one.flops(rows, 2 * rows) for one in above)


def _narrow(roles: _Roles, learned: Pass, gpus: int) -> int:
    """Count the weights of a frozen model's products, which are kept in the precision that they are read in."""
    is_narrow = learned.is_bf16 and gpus == 1 and not roles.policy.lower
    return roles.policy.size.layers * sum(one.inputs * one.outputs for one in roles.policy.size.products) * is_narrow


def _held(roles: _Roles, gpus: int, narrow: int) -> tuple[Held, ...]:
    """Count what lasts: what two roles train, their starts beside them, and once what no role trains."""
    trained, valued, shared = roles.policy.trained, roles.value.trained, roles.policy.frozen
    own = 0 if shared else narrow
    return (
        *([held("shared by all", gpus, frozen=shared, narrow=narrow)] if shared else []),
        held("policy", gpus, trained=trained, is_averaged=True),
        held("value model", gpus, trained=valued),
        held("reference", gpus, frozen=trained, narrow=own),
        held("reward model", gpus, frozen=valued, narrow=own),
    )


def _moments(settings: PPOSettings, roles: _Roles, learned: list[Pass], gpus: int) -> list[Moment]:
    *mix, update, value = learned
    policy, rows = roles.policy, math.ceil(settings.batch / gpus)
    size = policy.size
    mine, theirs = FP32 * policy.trained / gpus, FP32 * roles.value.trained / gpus
    # What comes out of frozen lower layers is kept as long as its rollout batch.
    known = FP32 * settings.batch * roles.length * size.hidden if policy.lower else 0.0
    # While the mix and the policy's own loss are told apart, the gradient of the first is kept beside their sum.
    alone = not mix and math.ceil(update.micros / gpus) == 1
    tokens = max(update.width, update.micro_tokens)
    scoring = footprint.reading(policy, tokens, update.counted * tokens)
    updates = [
        *(updating("update, mix", one, gpus, mine) for one in mix),
        replace(updating("update, policy", update, gpus, mine * (2 if mix else 1)), replaces=alone),
        updating("update, value", value, gpus, mine + theirs),
    ]
    if policy.rank and _narrow(roles, update, gpus):
        updates = [replace(one, copies=0.0) for one in updates]
    return [
        Moment(
            name="sampling",
            # Gathered whole where it is cut, and narrowed where it is trained in bfloat16.
            copies=float(size.weights * ((FP32 if gpus > 1 else 0) + (BF16 if update.is_bf16 else 0))),
            activations=footprint.reading(policy, min(PREFILL, rows * roles.prompt), 0).activations,
            logits=3 * FP32 * rows * size.vocabulary,
            cache=footprint.cache(size, rows, roles.prompt + settings.max_tokens),
        ),
        replace(scoring, copies=footprint.copies(policy, gpus, is_bf16=update.is_bf16, is_trained=False), cache=known),
        *(replace(one, cache=known) for one in updates),
        *footprint.writing(size.weights if policy.rank else 0),
    ]
