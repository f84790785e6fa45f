"""A shared trunk: the lower layers are frozen and computed once for all roles, and each role has upper layers only.

What comes out of the lower layers depends on the tokens alone, so it is kept as long as the ids themselves: a batch
that is scored by four roles and then learned from by two passes the lower layers once.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from tutelage.errors import DataError, SettingsError


def freeze_lower(decoder: nn.Module, share: float) -> int:
    """Freeze the embedding and a share of the layers, the lower ones; give how many layers those are.

    An output layer that is the embedding is frozen with it.
    """
    layers = getattr(decoder, "layers", None)
    if not layers or not isinstance(getattr(decoder, "norm", None), nn.Module):
        raise SettingsError(
            f"layout.kind = shared_trunk needs a Llama-like model, a list of layers and a norm; "
            f"{type(decoder).__name__} is another. Choose separate or adapters."
        )
    count = round(share * len(layers))
    if not 1 <= count < len(layers):
        raise SettingsError(
            f"layout.frozen_share = {share} freezes {count} of {len(layers)} layers; some must be frozen and some not."
        )
    decoder.requires_grad_(False)
    for upper in [*layers[count:], decoder.norm]:
        upper.requires_grad_(True)  # type: ignore[operator]
    return count


def check_same_lower(first: nn.Module, second: nn.Module, count: int, names: str) -> None:
    """Refuse two stacks whose embedding and first `count` layers differ in any bit."""
    own, other = (_lower_tensors(decoder, count) for decoder in (first, second))
    differing = [name for name in own if name not in other or not torch.equal(own[name], other[name])]
    if differing or own.keys() != other.keys():
        raise DataError(
            f"{names} differ below layer {count}, first in {(differing or sorted(own.keys() ^ other.keys()))[0]}; "
            "with a shared trunk, train the reward model from that policy with the same layout."
        )


def _lower_tensors(decoder: Any, count: int) -> dict[str, Tensor]:
    layers = {f"layers.{name}": tensor for name, tensor in decoder.layers[:count].state_dict().items()}
    return {"embedding": decoder.get_input_embeddings().weight} | layers


class Lower(nn.Module):
    """The embedding and the frozen lower layers: hidden states [B, T, H] from ids [B, T], computed once per batch."""

    def __init__(self, decoder: Any, count: int) -> None:
        super().__init__()
        self.stack = _stack(decoder, slice(0, count), nn.Identity())
        self._known: Any = WeakTensorKeyDictionary()

    @torch.no_grad()
    def forward(self, ids: Tensor, **rows: Any) -> Tensor:
        """Compute, or give again what these very ids gave before; `rows` tell what sees what, as to the stack."""
        if ids not in self._known:
            self._known[ids] = self.stack(input_ids=ids, use_cache=False, **rows).last_hidden_state
        known: Tensor = self._known[ids]
        return known

    def tell(self, ids: Tensor, hidden: Tensor) -> None:
        """Take hidden states [B, T, H] that were computed of these ids before, so that they are not computed again."""
        self._known[ids] = hidden


class Upper(nn.Module):
    """The stack of layers as one role sees it: the shared lower layers, then upper layers and a norm of its own."""

    def __init__(self, lower: Lower, stack: Any) -> None:
        super().__init__()
        self.lower, self.stack = lower, stack
        self.stack.embed_tokens = lower.stack.embed_tokens
        self.config = stack.config

    @classmethod
    def of(cls, lower: Lower, decoder: Any, count: int) -> Upper:
        """Cut the upper layers off a stack; they stay the same modules."""
        return cls(lower, _stack(decoder, slice(count, None), decoder.norm))

    def twin(self) -> Upper:
        """Copy the upper layers for another role; the lower ones stay shared."""
        shared = self.stack.embed_tokens
        return Upper(self.lower, copy.deepcopy(self.stack, {id(shared): shared}))

    @property
    def dtype(self) -> torch.dtype:
        """Give the precision of the weights."""
        return self.stack.dtype

    @property
    def layers(self) -> nn.ModuleList:
        """Give the layers of this role alone."""
        return self.stack.layers

    def get_input_embeddings(self) -> nn.Module:
        """Give the embedding, which all roles share."""
        return self.stack.embed_tokens

    def forward(self, input_ids: Tensor, use_cache: bool = False, **rows: Any) -> Any:
        """Compute as the whole stack does."""
        return self.stack(inputs_embeds=self.lower(input_ids, **rows), use_cache=use_cache, **rows)


def in_two(decoder: Any, count: int) -> tuple[Lower, Upper]:
    """Cut a stack above its `count` frozen layers; both parts hold the same modules as the stack.

    They attend as the stack does when it is cut, so whoever changes that does it before.
    """
    lower = Lower(decoder, count)
    upper = Upper.of(lower, decoder, count)
    check_cut(decoder, upper)
    return lower, upper


def _stack(decoder: Any, which: slice, norm: nn.Module) -> nn.Module:
    """Make a stack of some layers of another; they are the same modules, so that training one trains the other."""
    config = copy.deepcopy(decoder.config)
    layers = decoder.layers[which]
    config.num_hidden_layers = len(layers)
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[which]
    with torch.device("meta"):
        made = type(decoder)(config)
    made.layers, made.norm = nn.ModuleList(layers), norm
    made.embed_tokens, made.rotary_emb = decoder.embed_tokens, decoder.rotary_emb
    strange = [name for name, tensor in made.state_dict().items() if tensor.is_meta]
    if strange:
        raise SettingsError(
            f"A {type(decoder).__name__} cannot be cut in two: it also has {strange[0]}. Choose separate or adapters."
        )
    return made.eval()


@torch.no_grad()
def check_cut(decoder: Any, upper: Upper) -> None:
    """Refuse an architecture that computes something else when it is cut in two: bits must not differ."""
    ids = torch.arange(min(16, decoder.config.vocab_size), device=decoder.get_input_embeddings().weight.device)[None]
    if not torch.equal(upper(ids).last_hidden_state, decoder(input_ids=ids, use_cache=False).last_hidden_state):
        raise SettingsError(
            f"A {type(decoder).__name__} computes something else when it is cut in two; choose separate or adapters."
        )
