"""Roles: policy, reference, reward and value model, where they share weights instead of having a model each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from transformers import PreTrainedModel


class RolePolicy(nn.Module):
    """A policy that shares weights with other roles: what computes hidden states, and what projects them.

    `trunk` and `head` take the place of a causal language model's parts. `whole` gives the model to sample from, as it
    computes for this role; a role without one never samples.
    """

    def __init__(
        self, trunk: nn.Module, head: nn.Module, config: Any, whole: Callable[[], PreTrainedModel] | None = None
    ) -> None:
        super().__init__()
        self.trunk, self.head, self.config, self.whole = trunk, head, config, whole

    def get_decoder(self) -> nn.Module:
        """Give what computes hidden states from ids."""
        return self.trunk

    def get_output_embeddings(self) -> nn.Module:
        """Give what projects hidden states to the vocabulary."""
        return self.head


def to_sample(policy: PreTrainedModel | RolePolicy) -> PreTrainedModel:
    """Give the causal language model that samples as a policy computes; valid until another role computes."""
    if not isinstance(policy, RolePolicy):
        return policy
    assert policy.whole is not None, "this role never samples"
    return policy.whole()


def part_of(named: Iterable[tuple[str, nn.Parameter]]) -> nn.Module:
    """Give a module that holds some weights of a model under their names there: what is trained, averaged and saved."""
    root = nn.Module()
    for name, weight in named:
        *path, leaf = name.split(".")
        at = root
        for step in path:
            if step not in dict(at.named_children()):
                at.add_module(step, nn.Module())
            at = at.get_submodule(step)
        at.register_parameter(leaf, weight)
    return root
