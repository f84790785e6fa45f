"""Tokens per second: the engine against `generate` of transformers, with equal and with differing lengths.

Both continue the same random prompts with a small Llama whose weights are random; no text ever ends by itself. Where
lengths differ, `generate` computes the longest for every row, and only the tokens that were asked for count.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.measure import Row, seconds
from tutelage.generate.engine import Engine, complete
from tutelage.generate.request import Request

VOCABULARY, CONTEXT, PROMPTS, PAD = 2048, 256, 32, 0


def rows() -> list[Row]:
    """Measure both mixes of lengths."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=128,
            intermediate_size=352,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=CONTEXT,
            pad_token_id=PAD,
            bos_token_id=None,
            eos_token_id=None,
        )
    ).eval()
    draw = random.Random(0)
    prompts = [[draw.randrange(1, VOCABULARY) for _ in range(draw.randrange(8, 49))] for _ in range(PROMPTS)]
    return [
        _compare(model, prompts, [32] * PROMPTS, "generation, equal lengths"),
        _compare(model, prompts, [draw.randrange(4, 97) for _ in prompts], "generation, lengths 4 to 96"),
    ]


def _compare(model: LlamaForCausalLM, prompts: Sequence[Sequence[int]], lengths: Sequence[int], what: str) -> Row:
    requests = [
        Request(prompt_ids=tuple(prompt), max_tokens=length, seed=index, stop_ids=())
        for index, (prompt, length) in enumerate(zip(prompts, lengths, strict=True))
    ]
    width = max(map(len, prompts))
    padded = torch.tensor([[PAD] * (width - len(prompt)) + list(prompt) for prompt in prompts])
    counts = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    engine = Engine(model)

    def peer() -> None:
        model.generate(padded, attention_mask=counts, do_sample=True, max_new_tokens=max(lengths))

    ours, theirs = seconds(lambda: complete(engine, requests), peer)
    tokens = sum(lengths)
    return Row(what, "tokens/s", tokens / ours, tokens / theirs, "transformers generate")
