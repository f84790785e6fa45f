"""Start a small Llama with the circuit that looks back: find where the present token stood before, copy what followed.

Large models grow such induction heads from data (Olsson et al. 2022, "In-context learning and induction heads"), but
only after far more text than a model of a million parameters reads in minutes, and without them no instruction that
names something can be followed. So a fresh model gets one, as weights that training is free to change:

layer 0, one head     attends to the token before (biases alone, turned by the rotary positions) and writes what it
                      finds there into dimensions that embeddings leave free
layer 1, two heads    compare the present token with those dimensions, in slowly turning dimensions where position
                      hardly matters, and add the embedding of the token that they find

Words are found again however they are written: the embeddings of tokens that differ in nothing but a leading space and
capitals ("Mira" and " Mira") begin close to each other.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaForCausalLM
from transformers import PreTrainedTokenizerFast as Tokenizer

#: Rotary base: slow enough that most dimensions of a head compare content over a whole context.
THETA = 1e8
#: Pairs of dimensions that turn fast, which tell positions apart.
FAST = 5
#: Spread of the embeddings, and the strengths of looking at the token before, of comparing, and of what is written:
#: a match among a hundred tokens gets nine tenths of the attention, and a fresh model of 1,300 tokens predicts the
#: second half of a repeated random text at 0.9 nats a token instead of 7.2.
EMBED, BEFORE, COMPARE, KEEP, COPY = 0.15, 7.0, 2.5, 0.25, 1.5
#: Share of the variance that the embeddings of one word's spellings have in common.
KIN = 0.6


@torch.no_grad()
def wire_induction(model: LlamaForCausalLM, generator: torch.Generator) -> None:
    """Write the circuit into a fresh model whose attention has biases and at least two layers."""
    config = model.config
    width = config.hidden_size // config.num_attention_heads
    content = config.hidden_size - width
    model.model.embed_tokens.weight.normal_(0.0, EMBED, generator=generator)
    model.model.embed_tokens.weight[:, content:] = 0.0
    inverse = model.get_buffer("model.rotary_emb.inv_freq")
    view = _directions(width, content, generator)
    _look_before(model.model.layers[0].self_attn, inverse, view, content)
    heads = config.num_attention_heads
    values_of = config.num_key_value_heads or heads
    per_value = heads // values_of
    values = [_directions(width, content, generator) for _ in range(min(2, values_of))]
    for number, copied in enumerate(values):
        _find_and_copy(model.model.layers[1].self_attn, (number * per_value, number), view, copied)


@torch.no_grad()
def relate_spellings(model: LlamaForCausalLM, tokenizer: Tokenizer, generator: torch.Generator) -> None:
    """Give the embeddings of a word's spellings a common part, `KIN` of their variance."""
    weight = model.model.embed_tokens.weight
    content = weight.shape[1] - weight.shape[1] // model.config.num_attention_heads
    words: dict[str, list[int]] = {}
    for number in range(len(tokenizer)):
        word = str(tokenizer.decode([number])).strip().lower()
        if len(word) > 1 and word.isalpha():
            words.setdefault(word, []).append(number)
    for numbers in words.values():
        if len(numbers) > 1:
            common = EMBED * torch.randn(content, generator=generator)
            weight[numbers, :content] = KIN**0.5 * common + (1 - KIN) ** 0.5 * weight[numbers, :content]


def _directions(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Deal orthonormal rows."""
    return torch.linalg.qr(torch.randn(columns, rows, generator=generator)).Q.T


def _look_before(attention: Any, inverse: Tensor, view: Tensor, content: int) -> None:
    """Let head 0 attend one token back and write that token's view into the free dimensions.

    With q = a (1, 0) and k = a (cos w, sin w) in a pair that turns by w per token, q at t and k at s give
    a^2 cos(w (t - s - 1)), which is largest at s = t - 1 in every pair.
    """
    width, half = 2 * len(inverse), len(inverse)
    strength = torch.full((half,), 1.0)
    strength[:FAST] = BEFORE
    attention.q_proj.weight[:width] = 0.0
    attention.k_proj.weight[:width] = 0.0
    attention.q_proj.bias[:width] = torch.cat([strength, torch.zeros(half)])
    attention.k_proj.bias[:width] = torch.cat([strength * inverse.cos(), strength * inverse.sin()])
    attention.v_proj.weight[:width] = 0.0
    attention.v_proj.weight[:width, :content] = view
    attention.o_proj.weight[:, :width] = 0.0
    attention.o_proj.weight[content:, :width] = KEEP * torch.eye(width)


def _find_and_copy(attention: Any, place: tuple[int, int], view: Tensor, copied: Tensor) -> None:
    """Let a head compare the present view with those written by layer 0, and copy the embedding it finds."""
    query, value = place
    width, content = copied.shape
    slow = torch.zeros(width)
    slow[FAST : width // 2] = 1.0
    slow[width // 2 + FAST :] = 1.0
    q, k, v = (slice(number * width, (number + 1) * width) for number in (query, value, value))
    compare = COMPARE * slow[:, None]
    attention.q_proj.weight[q] = 0.0
    attention.q_proj.weight[q, :content] = compare * view
    attention.k_proj.weight[k] = 0.0
    attention.k_proj.weight[k, content:] = compare * torch.eye(width)
    attention.v_proj.weight[v] = 0.0
    attention.v_proj.weight[v, :content] = copied
    attention.o_proj.weight[:, q] = 0.0
    attention.o_proj.weight[:content, q] = COPY * copied.T * math.sqrt(2)
