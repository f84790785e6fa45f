"""The forward pass of Llama-shaped models with fewer and larger operations than the library's.

Query, key and value projections are one product; SiLU, the gate's product and the residual sums happen inside the
products; in bfloat16 on CPUs the weights are kept as oneDNN wants them, instead of being put in order at every call: a
copy that takes as much memory as the model. Shapes: N tokens, P prompts, W columns, H width, G key/value heads, each
with R query heads, D size of a head, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    LlamaForCausalLM,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
)

from tutelage.generate.cache import SlotCache
from tutelage.generate.network import Library, visible

# Named once: looking an operator up takes as long as a small product.
_product: Any = torch.ops.mkldnn._linear_pointwise.default
_product_with: Any = torch.ops.mkldnn._linear_pointwise.binary
PRODUCTS = (
    *("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"),
    *("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
)
SHAPED = (LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM)


def network_of(model: PreTrainedModel) -> Library:
    """Choose how to call a model."""
    return Fused(model) if _is_plain(model) else Library(model)


def _is_plain(model: PreTrainedModel) -> bool:
    """Say whether the model computes what `Fused` does: the known shapes, nothing wrapped around or hooked in."""
    config: Any = model.config
    if type(model) not in SHAPED or config.hidden_act not in ("silu", "swish"):
        return False
    if getattr(config, "sliding_window", None) or "sliding_attention" in (getattr(config, "layer_types", None) or ()):
        return False
    if any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        return False
    layers: Any = model.get_decoder().layers
    linear = [layer.get_submodule(name) for layer in layers for name in PRODUCTS]
    return all(type(module) is nn.Linear for module in [*linear, model.get_output_embeddings()])


class Linear:
    """A product with a weight [out, in] and what follows it. In bfloat16 on CPUs both are one operation of oneDNN's."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.is_packed = weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and _multiplies_bf16()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight, None) if self.is_packed else weight
        self.bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        """Return x W^T + b, [N, out] from [N, in]."""
        return self._packed(x, "none") if self.is_packed else F.linear(x, self.weight, self.bias)

    def silu(self, x: Tensor) -> Tensor:
        """Return silu(x W^T + b)."""
        return self._packed(x, "swish") if self.is_packed else F.silu(self(x), inplace=True)

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """Return (x W^T + b) * other."""
        return self._with(x, other, "mul") if self.is_packed else self(x).mul_(other)

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """Return x W^T + b + other."""
        return self._with(x, other, "add") if self.is_packed else self(x).add_(other)

    def _packed(self, x: Tensor, after: str) -> Any:
        return _product(x, self.weight, self.bias, after, [], "")

    def _with(self, x: Tensor, other: Tensor, operation: str) -> Any:
        return _product_with(x, other, self.weight, self.bias, operation)


def _multiplies_bf16() -> bool:
    """Say whether oneDNN multiplies in bfloat16 here. (In fp32 the library's products are as fast without packing.)"""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Norm:
    """Root-mean-square normalisation over the last dimension."""

    def __init__(self, module: Any, weight: Tensor | None = None) -> None:
        self.weight = module.weight.detach() if weight is None else weight
        self.epsilon = module.variance_epsilon

    def __call__(self, x: Tensor) -> Tensor:
        """Normalise."""
        return torch.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class Layer:
    """The weights of one layer; queries, keys and values of a key/value head stand side by side: G * (R + 2) * D."""

    def __init__(self, layer: Any, groups: int, repeat: int, size: int) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.groups, self.repeat, self.size = groups, repeat, size
        parts = [attention.q_proj, attention.k_proj, attention.v_proj]
        biases = [part.bias for part in parts]
        self.qkv = Linear(
            self._grouped([part.weight for part in parts]),
            None if biases[0] is None else self._grouped([bias[:, None] for bias in biases])[:, 0].contiguous(),
        )
        self.out = _linear(attention.o_proj)
        self.gate, self.up, self.down = (_linear(part) for part in (mlp.gate_proj, mlp.up_proj, mlp.down_proj))
        self.before, self.between = Norm(layer.input_layernorm), Norm(layer.post_attention_layernorm)
        self.query_norm = Norm(attention.q_norm) if hasattr(attention, "q_norm") else None
        self.key_norm = Norm(attention.k_norm) if hasattr(attention, "k_norm") else None

    def _grouped(self, weights: list[Tensor]) -> Tensor:
        """Put the rows [heads * D, in] of queries, keys and values together by key/value head."""
        split = [weight.detach().unflatten(0, (self.groups, -1)) for weight in weights]
        return torch.cat(split, dim=1).flatten(0, 1)

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries and keys [N, G, R + 1, D], turned by their positions, and values [N, G, D] from x [N, H].

        `cos` and `sin` [N, 1, 1, D]; the first half of the sines is negated.
        """
        both = self.qkv(self.before(x)).view(-1, self.groups, self.repeat + 2, self.size)
        pairs, values = both[:, :, :-1], both[:, :, -1]
        if self.query_norm is not None and self.key_norm is not None:
            pairs = torch.cat((self.query_norm(pairs[:, :, :-1]), self.key_norm(pairs[:, :, -1:])), dim=2)
        return torch.addcmul(pairs * cos, pairs.roll(self.size // 2, -1), sin), values

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """Return the layer's output [N, H] from its input and what attention found [N, G * R * D]."""
        x = self.out.plus(attended, x)
        normal = self.between(x)
        return self.down.plus(self.up.times(normal, self.gate.silu(normal)), x)


def _look_of(parameter: Tensor) -> tuple[Any, ...]:
    """Return what changes when weights are replaced or written to. Fused optimizers leave the version as it was, but
    they move every number: the last one tells."""
    version = 0 if parameter.is_inference() else parameter._version
    return parameter.data_ptr(), parameter.shape, version, parameter[(-1,) * parameter.ndim].item()


def _linear(module: nn.Linear) -> Linear:
    return Linear(module.weight.detach(), None if module.bias is None else module.bias.detach())


class Fused(Library):
    """A Llama-shaped model with its weights fused; pieces of long prompts are read through transformers."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__(model)
        self._seen: list[tuple[Any, ...]] = []

    def refresh(self) -> None:
        """Fuse the weights again when they have been replaced or written to."""
        seen = [_look_of(parameter) for parameter in self.model.parameters()]
        if seen == self._seen:
            return
        config: Any = self.model.config
        trunk: Any = self.model.get_decoder()
        self.groups, self.repeat = config.num_key_value_heads, config.num_attention_heads // config.num_key_value_heads
        self.size = trunk.layers[0].self_attn.head_dim
        self.scale = self.size**-0.5
        self.embedding, self.rotary = trunk.embed_tokens, trunk.rotary_emb
        self.layers = [Layer(layer, self.groups, self.repeat, self.size) for layer in trunk.layers]
        self.norm, self.head = Norm(trunk.norm), _linear(self.model.get_output_embeddings())  # type: ignore[arg-type]
        self._seen = seen

    def decode(self, ids: Tensor, lengths: Tensor, width: int, cache: SlotCache) -> Tensor:
        """See `Library.decode`."""
        cache.tokens_at(lengths, width)
        x = self.embedding(ids)
        cos, sin = self._angles(x, lengths)
        mask = self._mask(lengths, width)
        for layer, slot in zip(self.layers, cache.slots, strict=True):
            pairs, values = layer.project(x, cos, sin)
            keys, values = slot.update(pairs[:, :, -1, None], values[:, :, None])
            x = layer.finish(x, self._look(pairs, keys, values, mask))
        return self.head(self.norm(x))

    def read(self, ids: Tensor, lengths: Tensor, first: int, cache: SlotCache, *, is_scored: bool) -> Tensor:
        """See `Library.read`. Behind the last layer's keys and values only what is asked for is computed."""
        cache.prompts_at(first)
        prompts, width = ids.shape
        x = self.embedding(ids.flatten())
        cos, sin = self._angles(x, torch.arange(width, device=ids.device).repeat(prompts))
        for layer, slot in zip(self.layers, cache.slots, strict=True):
            pairs, values = (part.view(prompts, width, *part.shape[1:]) for part in layer.project(x, cos, sin))
            keys, values = slot.update(pairs[..., -1, :].transpose(1, 2), values.transpose(1, 2))
            if layer is self.layers[-1] and not is_scored:
                last = torch.arange(prompts, device=ids.device), lengths - 1
                mask = self._mask(lengths - 1, width)
                x = layer.finish(x.view(prompts, width, -1)[last], self._look(pairs[last], keys, values, mask))
            else:
                x = layer.finish(x, self._look_back(pairs, keys, values))
        logits = self.head(self.norm(x))
        return logits.view(prompts, width, -1) if is_scored else logits

    def _angles(self, x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosines and sines [N, 1, 1, D] of positions [N]; the first half of the sines is negated."""
        cos, sin = (part[0, :, None, None] for part in self.rotary(x, positions[None]))
        half = self.size // 2
        return cos, torch.cat((-sin[..., :half], sin[..., half:]), dim=-1)

    def _mask(self, last: Tensor, width: int) -> Tensor:
        """Return `visible` for every query head: [N * G, R, W]."""
        mask = visible(last, width, self.model.dtype)
        return mask[:, None, None].expand(-1, self.groups, self.repeat, -1).flatten(0, 1)

    def _look(self, pairs: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Attend with one query per row: [N, G * R * D] from queries in [N, G, R + 1, D], keys, values [N, G, W, D]."""
        queries = pairs.flatten(0, 1)[:, :-1]
        scores = torch.baddbmm(mask, queries, keys.flatten(0, 1).transpose(1, 2), alpha=self.scale)
        return torch.bmm(scores.softmax(-1), values.flatten(0, 1)).view(len(pairs), -1)

    def _look_back(self, pairs: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attend from every token of prompts to those before it: [P * W, G * R * D]."""
        queries = pairs[..., :-1, :].flatten(2, 3).transpose(1, 2)
        found = F.scaled_dot_product_attention(
            queries, keys, values, is_causal=True, scale=self.scale, enable_gqa=self.repeat > 1
        )
        return found.transpose(1, 2).flatten(2).flatten(0, 1)
