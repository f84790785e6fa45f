"""How the models of a training lie in memory: apart, as adapters on one frozen base, or on a shared frozen trunk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from torch import nn
from transformers import PreTrainedModel

from tutelage.config import Settings
from tutelage.errors import SettingsError
from tutelage.models.adapters import FOLDER, Adapted, Adapters, Lora
from tutelage.models.distributed import size
from tutelage.models.load import decoder_of, load_model
from tutelage.models.roles import part_of
from tutelage.models.scalar import ScalarModel
from tutelage.models.trunk import freeze_lower
from tutelage.train.loop import check_loop
from tutelage.train.optimizers import Adam
from tutelage.train.stage import TrainingSettings, Weights, count, move


class LayoutSettings(Settings):
    """How the models of a training lie in memory (docs/guide/engineer.md says which to choose)."""

    kind: Literal["separate", "adapters", "shared_trunk"] = "separate"
    """separate: each model has weights of its own, all trained. adapters: one frozen base with LoRA factors for each
    role; with its adapters off it is the reference. shared_trunk: the lower layers are frozen and computed once per
    batch for all roles, each of which has upper layers of its own. A reward model is trained in the layout that PPO
    uses it in."""
    rank: int = Field(16, ge=1)
    """Adapters: inner width of the LoRA factors (Hu et al. 2021). PPO's value adapter has that of the reward model."""
    alpha: int = Field(32, ge=1)
    """Adapters: what the factors add is multiplied by alpha / rank."""
    modules: tuple[str, ...] = ()
    """Adapters: names of the linear layers that get them, such as "q_proj"; none named means all in the layers."""
    frozen_share: float = Field(0.67, gt=0, lt=1)
    """Shared trunk: share of the layers, the lower ones, that is frozen; the embedding is frozen with them."""

    @property
    def lora(self) -> Lora:
        """Give the size of the adapters."""
        return Lora(self.rank, self.alpha, self.modules)


class LaidOutSettings(TrainingSettings):
    """What the settings of trainers with a choice of layout hold."""

    layout: LayoutSettings = LayoutSettings()
    """How the models lie in memory."""


@dataclass(frozen=True, kw_only=True)
class Learner:
    """One model in training: what computes the loss, which of its weights are trained, and how it is written.

    `plain` gives the model as it is loaded elsewhere, adapters merged in fp32; `adapters` are written beside it.
    """

    model: Any
    trained: nn.Module
    weights: Weights
    plain: Callable[[], Any]
    adapters: Mapping[str, Adapters]

    def write_adapters(self, directory: Path) -> None:
        """Write the adapters, if there are any, into a folder of a model's directory."""
        for name, adapters in self.adapters.items():
            adapters.write(directory / FOLDER, name)


def check_layout(settings: LaidOutSettings, *adams: Adam) -> None:
    """Refuse what this machine or a layout cannot do, or what has not been tested, before anything is loaded."""
    layout, loop = settings.layout, settings.loop
    check_loop(loop, *adams)
    if layout.kind == "separate":
        return
    if loop.processes > 1 or size() > 1:
        raise SettingsError(
            f"layout.kind = {layout.kind} has been tested in one process only; set loop.processes = 1 and leave out "
            "torchrun, or choose separate."
        )
    if layout.kind == "adapters" and any(adam.muon_lr > 0 for adam in adams):
        raise SettingsError("Muon is for whole matrices and not for the factors of adapters; set muon_lr = 0.")


def policy_learner(model: PreTrainedModel, init: Path, settings: LaidOutSettings) -> Learner:
    """Lay out a causal language model that was loaded from `init` to be trained by itself."""
    layout = settings.layout
    if layout.kind == "adapters":
        adapters = Adapters(model)
        adapters.add("policy", layout.lora, settings.seed)
        move(model, settings.loop, adapters.way)
        trained = part_of(adapters.named_parameters("policy").items())
        return Learner(
            model=model,
            trained=trained,
            weights=Weights(trained=count(trained), carried=count(model) - count(trained)),
            plain=lambda: adapters.merge_into(load_model(init), "policy"),
            adapters={"policy": adapters},
        )
    move(model, settings.loop)
    if layout.kind == "shared_trunk":
        freeze_lower(decoder_of(model), layout.frozen_share)
    return _whole(model, weights_of(model))


def scalar_learner(
    policy: PreTrainedModel, init: Path, make: Callable[..., ScalarModel], settings: LaidOutSettings
) -> Learner:
    """Lay out a scalar model that starts from a policy loaded from `init`; `make` puts the head on a `trunk`."""
    layout = settings.layout
    if layout.kind == "adapters":
        adapters = Adapters(policy)
        adapters.add("reward", layout.lora, settings.seed)
        model = make(trunk=Adapted(adapters, "reward"))
        move(model, settings.loop, adapters.way)
        trained = adapted_scalar_part(model, adapters, "reward")
        return Learner(
            model=model,
            trained=trained,
            weights=Weights(trained=count(trained), carried=count(model) - count(trained)),
            plain=lambda: _merged_scalar(model, adapters, init),
            adapters={"reward": adapters},
        )
    model = make()
    move(model, settings.loop)
    if layout.kind == "shared_trunk":
        freeze_lower(decoder_of(model), layout.frozen_share)
    return _whole(model, weights_of(model))


def adapted_scalar_part(model: ScalarModel, adapters: Adapters, name: str) -> nn.Module:
    """Give what is trained of a scalar model on a base with adapters: its factors and its head."""
    own = {key: weight for key, weight in model.named_parameters() if not key.startswith("trunk.")}
    return part_of({**adapters.named_parameters(name), **own}.items())


def weights_of(model: nn.Module) -> Weights:
    """Count the weights of a model some of whose lower layers may be frozen.

    A frozen embedding that is the output layer too, or that likelihoods are computed with, carries the gradient.
    """
    frozen = {id(weight): weight.numel() for weight in model.parameters() if not weight.requires_grad}
    is_head = isinstance(model, PreTrainedModel) or (isinstance(model, ScalarModel) and model.gain is not None)
    head = (model if isinstance(model, PreTrainedModel) else model.trunk).get_input_embeddings().weight  # type: ignore[union-attr, operator]
    tied = isinstance(model, ScalarModel) or model.get_output_embeddings().weight is head  # type: ignore[operator]
    carried = frozen.get(id(head), 0) if is_head and tied else 0
    total, read = count(model), sum(frozen.values()) - carried
    return Weights(trained=total - carried - read, carried=carried, read=read)


def _whole(model: Any, weights: Weights) -> Learner:
    """Train what is not frozen of a model that is written as it is."""
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    trained = model if weights.trained == count(model) else part_of(named)
    return Learner(model=model, trained=trained, weights=weights, plain=lambda: model, adapters={})


def _merged_scalar(model: ScalarModel, adapters: Adapters, init: Path) -> ScalarModel:
    trunk = decoder_of(adapters.merge_into(load_model(init), "reward"))
    plain = model.on(trunk).to(model.head.weight.device)
    own = {key: tensor for key, tensor in model.state_dict().items() if not key.startswith("trunk.")}
    plain.load_state_dict(own, strict=False)
    return plain.eval()
