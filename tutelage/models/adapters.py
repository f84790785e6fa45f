"""LoRA adapters (Hu et al. 2021, arXiv 2106.09685): one frozen base, and for every role small factors B A beside it.

A role computes (W + alpha / rank B A) x. The base with its adapters off is the reference, without a copy. There is no
dropout in adapters: two passes over the same tokens must agree. The base is never merged into while it is in use,
because adding a product and taking it away again leaves other bits than there were.

Peft is imported where an adapter is made: loading it takes long, and most trainings work without.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.files import read_json, write_json

#: The names that peft gives the files of an adapter, and the folder beside a merged model's files.
CONFIG_FILE, WEIGHTS_FILE, FOLDER = "adapter_config.json", "adapter_model.safetensors", "adapter"
#: What peft writes before the names of a wrapped model's tensors.
PREFIX = "base_model.model."


class Lora(NamedTuple):
    """The size of an adapter: rank, alpha, and the names of the linear layers it changes (none: all in the stack)."""

    rank: int
    alpha: int
    modules: tuple[str, ...] = ()


class Adapters:
    """A frozen causal language model with named adapters, of which one or none is in force at a time."""

    def __init__(self, base: PreTrainedModel) -> None:
        self.fingerprint = fingerprint(base)
        self.base = base.requires_grad_(False)
        self.selected: str | None = None
        self.loras: dict[str, Lora] = {}
        self._frozen: set[str] = set()
        self._layers: dict[str, Any] = {}

    def add(self, name: str, lora: Lora, seed: int) -> None:
        """Add a new adapter and select it: A from the seed, B = 0, so that it changes nothing yet."""
        from peft import LoraConfig, inject_adapter_in_model

        lora = lora._replace(modules=self._modules(lora))
        config = LoraConfig(
            r=lora.rank, lora_alpha=lora.alpha, target_modules=list(lora.modules), lora_dropout=0.0, bias="none"
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            inject_adapter_in_model(config, self.base, name)
        del self.base.peft_config  # a note of peft's that is in the way of the next adapter
        self._layers = {path: part for path, part in self.base.named_modules() if is_lora(part)}
        self.loras[name] = lora
        self.base.eval()
        self._select(name)

    def load(self, name: str, directory: Path, *, frozen: bool = False) -> None:
        """Add an adapter that was written for this base, and select it; a frozen one is never trained."""
        lora, tensors = _read(directory, self.fingerprint)
        self.add(name, lora, seed=0)
        own = {_outside(key, name): weight for key, weight in self.named_parameters(name).items()}
        if {key: weight.shape for key, weight in own.items()} != {key: one.shape for key, one in tensors.items()}:
            raise DataError(f"The adapter in {directory} does not fit its own settings; copy it again, or train again.")
        with torch.no_grad():
            for key, weight in own.items():
                weight.copy_(tensors[key])
        if frozen:
            self._frozen.add(name)
            self._select(name)

    def select(self, name: str | None) -> None:
        """Put one adapter into force, or none."""
        if name != self.selected:
            self._select(name)

    def way(self) -> str:
        """Say which adapter is in force."""
        return "no adapter" if self.selected is None else f"the adapter of the {self.selected}"

    def named_parameters(self, name: str) -> dict[str, nn.Parameter]:
        """Give the factors of an adapter by their names in the model."""
        inside = (f".lora_A.{name}.", f".lora_B.{name}.")
        return {key: one for key, one in self.base.named_parameters() if any(part in key for part in inside)}

    @torch.no_grad()
    def merge_into(self, plain: PreTrainedModel, name: str) -> PreTrainedModel:
        """Add an adapter's products to the fp32 weights of a model like the base; give that model."""
        for path, layer in self._layers.items():
            if name in layer.lora_A:
                weight: Any = plain.get_submodule(path).weight
                assert weight.dtype == torch.float32, f"{path} is {weight.dtype}: what an adapter adds would be rounded"
                weight.add_(layer.get_delta_weight(name).to(weight))
        return plain

    def write(self, directory: Path, name: str) -> None:
        """Write an adapter as peft reads it; the weights' metadata name the base it belongs to."""
        from peft import LoraConfig

        directory.mkdir()
        lora = self.loras[name]
        config = LoraConfig(
            r=lora.rank, lora_alpha=lora.alpha, target_modules=list(lora.modules), inference_mode=True, bias="none"
        )
        told = {key: sorted(value) if isinstance(value, set) else value for key, value in config.to_dict().items()}
        write_json(directory / CONFIG_FILE, told)
        tensors = {_outside(key, name): one.detach().cpu() for key, one in self.named_parameters(name).items()}
        # One entry and no more: several are written in any order, and the same adapter must be the same bytes.
        metadata = {"base": self.fingerprint}
        save_file({key: one.contiguous() for key, one in tensors.items()}, directory / WEIGHTS_FILE, metadata=metadata)

    def _select(self, name: str | None) -> None:
        self.selected = name
        for layer in self._layers.values():
            if name is None:
                layer.enable_adapters(False)
            else:
                layer.set_adapter(name)
                layer.enable_adapters(True)
            # Peft lets gradients reach the selected adapter alone; what is trained is decided once, for all.
            for factors in (layer.lora_A, layer.lora_B):
                for owner, factor in factors.items():
                    factor.requires_grad_(owner not in self._frozen)

    def _modules(self, lora: Lora) -> tuple[str, ...]:
        """Name the linear layers to change; refuse names and ranks that make no sense for this model."""
        found: dict[str, int] = {}
        for path, part in getattr(self.base.get_decoder(), "layers", nn.ModuleList()).named_modules():
            linear: Any = part.get_base_layer() if is_lora(part) else part
            if isinstance(linear, nn.Linear) and ".lora_" not in path and not path.endswith(".base_layer"):
                found[path.rpartition(".")[2]] = min(linear.in_features, linear.out_features)
        if not found:
            raise SettingsError(
                f"{type(self.base).__name__} has no linear layers that adapters fit; choose layout.kind = separate."
            )
        strangers = [name for name in lora.modules if name not in found]
        if strangers:
            raise SettingsError(f"layout.modules names {', '.join(strangers)}; the model has {', '.join(found)}.")
        chosen = lora.modules or tuple(found)
        narrowest = min(chosen, key=lambda name: found[name])
        if not 1 <= lora.rank < found[narrowest]:
            raise SettingsError(
                f"layout.rank is {lora.rank}; choose 1 to {found[narrowest] - 1}, below the width of {narrowest}."
            )
        return chosen


class Adapted(nn.Module):
    """The stack of layers of a base as one role sees it: with that role's adapter in force, or with none."""

    def __init__(self, adapters: Adapters, name: str | None) -> None:
        super().__init__()
        self.adapters, self.name = adapters, name
        self.decoder: Any = adapters.base.get_decoder()
        self.config = self.decoder.config

    @property
    def dtype(self) -> torch.dtype:
        """Give the precision of the base's weights."""
        return self.decoder.dtype

    @property
    def layers(self) -> nn.ModuleList:
        """Give the layers, which all roles share."""
        return self.decoder.layers

    def get_input_embeddings(self) -> nn.Module:
        """Give the embedding, which all roles share."""
        return self.decoder.get_input_embeddings()

    def forward(self, **inputs: Any) -> Any:
        """Compute as the stack does. Another role may be selected only after this one's backward pass."""
        self.adapters.select(self.name)
        return self.decoder(**inputs)


def is_lora(part: Any) -> bool:
    """Say whether peft put its layer in the place of a linear one."""
    return hasattr(part, "lora_A")


def fingerprint(model: nn.Module) -> str:
    """Hash the weights of a model by name and value, whatever files they lie in."""
    total = hashlib.sha256()
    for name, weight in sorted(model.named_parameters()):
        total.update(f"{name} {tuple(weight.shape)}\0".encode())
        total.update(weight.detach().float().cpu().contiguous().numpy().data)
    return total.hexdigest()


def _read(directory: Path, base: str) -> tuple[Lora, dict[str, Tensor]]:
    """Read an adapter's size and tensors; refuse one of another base."""
    if not (directory / CONFIG_FILE).is_file() or not (directory / WEIGHTS_FILE).is_file():
        raise MissingError(
            f"{directory} holds no adapter; train the reward model with layout.kind = adapters from the same policy."
        )
    told = read_json(directory / CONFIG_FILE)
    modules: Sequence[str] = told["target_modules"]
    with safe_open(directory / WEIGHTS_FILE, framework="pt") as file:
        if (file.metadata() or {}).get("base") != base:
            raise DataError(
                f"The adapter in {directory} belongs to another base; train the reward model from the policy that PPO "
                "starts from."
            )
        return Lora(told["r"], told["lora_alpha"], tuple(modules)), {key: file.get_tensor(key) for key in file.keys()}


def _outside(key: str, name: str) -> str:
    """Give a factor's name in files, where adapters have no names."""
    return PREFIX + key.replace(f".lora_A.{name}.", ".lora_A.").replace(f".lora_B.{name}.", ".lora_B.")
