"""The four models of PPO in each layout: what computes, what is trained, what is written, and what it costs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.errors import DataError, SettingsError
from tutelage.models.adapters import FOLDER, Adapted, Adapters
from tutelage.models.distributed import size
from tutelage.models.load import decoder_of, load_model, load_policy, load_tokenizer, same_vocabulary, write_into
from tutelage.models.narrow import narrow_frozen
from tutelage.models.roles import RolePolicy, part_of
from tutelage.models.scalar import ScalarModel, load_head, load_scalar
from tutelage.models.trunk import Upper, check_same_lower, freeze_lower, in_two
from tutelage.train.layout import LaidOutSettings, adapted_scalar_part, weights_of
from tutelage.train.loop import uses_bf16
from tutelage.train.rollout import Models
from tutelage.train.stage import Weights, count, move


class Parents(NamedTuple):
    """The models PPO starts from: the policy before, which is also the reference unless another one is, and the reward
    model.

    With another `reference` a policy goes on from where an earlier PPO left it, and is held to what that one was held
    to: the penalties of two runs then bound one distance, not each its own.
    """

    policy: Path
    reward: Path
    reference: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Four:
    """PPO's models. `policy` and `value` are the weights that are trained; `start` gives those of the policy before.

    `work` counts weights by role for the ledger; a shared trunk is a role of its own. `write` writes the policy as it
    is now into a directory, as a plain model.
    """

    models: Models
    tokenizer: Tokenizer
    policy: nn.Module
    value: nn.Module
    start: Callable[[], Mapping[str, Tensor]]
    work: Mapping[str, Weights]
    write: Callable[[Path], None]


def load_four(parents: Parents, settings: LaidOutSettings) -> Four:
    """Load the policy and the reward model, and make of them what PPO needs."""
    policy, tokenizer = load_policy(parents.policy)
    other = load_tokenizer(parents.reward)
    same_vocabulary(tokenizer, other, f"The policy {parents.policy} and the reward model {parents.reward}")
    if parents.reference is not None and settings.layout.kind != "separate":
        raise SettingsError(
            f"layout.kind = {settings.layout.kind} makes the reference of the policy's own weights; a policy that goes "
            "on from an earlier run and is held to another model needs layout.kind = separate."
        )
    load = {"separate": _separate, "adapters": _adapters, "shared_trunk": _shared_trunk}[settings.layout.kind]
    return load(policy, tokenizer, parents, settings)


def _separate(policy: PreTrainedModel, tokenizer: Tokenizer, parents: Parents, settings: LaidOutSettings) -> Four:
    reward, _ = load_scalar(parents.reward)
    written, read = policy.config.vocab_size, reward.trunk.config.vocab_size
    if written > read:
        raise DataError(
            f"The policy {parents.policy} can write {written} tokens and the reward model {parents.reward} reads "
            f"{read}; train the reward model from the same base."
        )
    reference, is_start = _reference(policy, tokenizer, parents), parents.reference is None
    models = Models(
        policy=policy,
        reference=reference,
        is_start=is_start,
        reward=reward,
        value=copy.deepcopy(reward),
        bf16=uses_bf16(settings.loop),
    )
    for model in (models.policy, models.reference, models.reward, models.value):
        move(model, settings.loop)
    for frozen in (models.reference, models.reward):
        frozen.requires_grad_(False)
    narrows = models.bf16 and size() == 1  # what is cut over processes has one precision
    if narrows:
        for stack in (decoder_of(models.reference), models.reward.trunk):
            narrow_frozen(stack)
    whole, scalar = Weights(trained=count(policy)), Weights(trained=count(reward))
    return Four(
        models=models,
        tokenizer=tokenizer,
        policy=policy,
        value=models.value,
        start=models.reference.state_dict
        if is_start and not narrows
        else lambda: load_model(parents.policy).state_dict(),
        work={
            **dict.fromkeys(("rollout", "policy", "pretraining mix", "reference"), whole),
            **dict.fromkeys(("reward scoring", "value"), scalar),
        },
        write=lambda part: write_into(part, policy, tokenizer),
    )


def _reference(policy: PreTrainedModel, tokenizer: Tokenizer, parents: Parents) -> PreTrainedModel:
    """Load what the policy is held to: itself as it starts, or another model that reads the same tokens."""
    if parents.reference is None:
        return copy.deepcopy(policy)
    reference, other = load_policy(parents.reference)
    same_vocabulary(tokenizer, other, f"The policy {parents.policy} and its reference {parents.reference}")
    if reference.config.vocab_size < policy.config.vocab_size:
        raise DataError(
            f"The policy {parents.policy} can write {policy.config.vocab_size} tokens and its reference "
            f"{parents.reference} knows {reference.config.vocab_size}; hold it to a model of the same base."
        )
    return reference


def _adapters(base: PreTrainedModel, tokenizer: Tokenizer, parents: Parents, settings: LaidOutSettings) -> Four:
    """One frozen base. The value adapter starts as the reward model's, the policy's adds nothing at first."""
    total, trunk = count(base), count(decoder_of(base))
    adapters = Adapters(base)
    adapters.load("reward", parents.reward / FOLDER, frozen=True)
    adapters.load("value", parents.reward / FOLDER)
    adapters.add("policy", settings.layout.lora, settings.seed)
    move(base, settings.loop, adapters.way)
    head = base.get_output_embeddings()
    reward, value = (
        load_head(parents.reward, lambda name=name: Adapted(adapters, name)).to(settings.loop.device)  # type: ignore[misc]
        for name in ("reward", "value")
    )
    for frozen in (reward.head, reward.gain):
        if frozen is not None:
            frozen.requires_grad_(False)

    def to_sample() -> PreTrainedModel:
        adapters.select("policy")
        return base

    def write(part: Path) -> None:
        write_into(part, adapters.merge_into(load_model(parents.policy), "policy"), tokenizer)
        adapters.write(part / FOLDER, "policy")

    models = Models(
        policy=RolePolicy(Adapted(adapters, "policy"), head, base.config, to_sample),
        reference=RolePolicy(Adapted(adapters, None), head, base.config),
        reward=reward,
        value=value,
        bf16=uses_bf16(settings.loop),
    )
    if models.bf16:
        narrow_frozen(decoder_of(base))
    trained = part_of(adapters.named_parameters("policy").items())
    before = {name: weight.detach().clone() for name, weight in trained.named_parameters()}
    valued = adapted_scalar_part(value, adapters, "value")
    whole = Weights(trained=count(trained), carried=total)
    return Four(
        models=models,
        tokenizer=tokenizer,
        policy=trained,
        value=valued,
        start=lambda: before,
        work={
            **dict.fromkeys(("rollout", "policy", "pretraining mix"), whole),
            "reference": Weights(read=total),
            "reward scoring": Weights(read=trunk + count(valued)),
            "value": Weights(trained=count(valued), carried=trunk),
        },
        write=write,
    )


def _shared_trunk(policy: PreTrainedModel, tokenizer: Tokenizer, parents: Parents, settings: LaidOutSettings) -> Four:
    """Lower layers once; upper layers of policy and value model, and frozen ones of reference and reward model."""
    stored, _ = load_scalar(parents.reward)
    decoder, head = decoder_of(policy), policy.get_output_embeddings()
    number = freeze_lower(decoder, settings.layout.frozen_share)
    names = f"The policy {parents.policy} and the reward model {parents.reward}"
    check_same_lower(decoder, decoder_of(stored), number, names)
    move(policy, settings.loop)
    lower, upper = in_two(decoder, number)
    is_tied = head.weight is policy.get_input_embeddings().weight
    reference = RolePolicy(upper.twin(), head if is_tied else copy.deepcopy(head), policy.config).requires_grad_(False)
    # Copies: what a file held is one block of memory, and any weight that is used keeps all of it.
    reward, value = (_on_trunk(stored, Upper.of(lower, decoder_of(stored), number).twin()) for _ in range(2))
    reward.requires_grad_(False)
    for model in (reward, value):
        move(model, settings.loop)
    trained, valued = (part_of(_trained(model)) for model in (policy, value))
    old = [reference.trunk.layers, reference.trunk.stack.norm, *(() if is_tied else (reference.head,))]
    before = [weight for part in old for weight in part.parameters()]
    whole = weights_of(policy)
    return Four(
        models=Models(
            policy=RolePolicy(upper, head, policy.config, lambda: policy),
            reference=reference,
            reward=reward,
            value=value,
            bf16=uses_bf16(settings.loop),
        ),
        tokenizer=tokenizer,
        policy=trained,
        value=valued,
        start=lambda: {name: weight for (name, _), weight in zip(trained.named_parameters(), before, strict=True)},
        work={
            "rollout": whole,
            "shared trunk": Weights(read=whole.read),
            "policy": whole._replace(read=0),
            "pretraining mix": whole,
            "reference": whole._replace(read=0),
            "reward scoring": Weights(read=count(valued)),
            "value": Weights(trained=count(valued)),
        },
        write=lambda part: write_into(part, policy, tokenizer),
    )


def _on_trunk(stored: ScalarModel, upper: Upper) -> ScalarModel:
    """Make a scalar model of some upper layers and the head of a stored one."""
    made = ScalarModel(upper, likelihood=stored.gain is not None)
    made.load_state_dict(
        {key: tensor for key, tensor in stored.state_dict().items() if not key.startswith("trunk.")}, strict=False
    )
    return made.eval()


def _trained(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
