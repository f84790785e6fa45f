"""Small random checkpoints of the known families, written as other programs write them, each with its traps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

TEXTS = ["the goat eats the hat", "a cat sat on the mat and the dog sat on the cat", "one two three four"] * 4
CHAT = (
    "{{ bos_token or '' }}{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIZES = {
    **{"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4},
    "max_position_embeddings": 64,
}
GROUPED = SIZES | {"num_key_value_heads": 2}


@dataclass(frozen=True)
class Family:
    """How checkpoints of a family are made: settings of the model, and what its tokenizer knows.

    `begin` is put before every text. `ends` are the end tokens that the model's settings name.
    """

    config: Callable[..., Any]
    settings: dict[str, Any]
    specials: tuple[str, ...]
    named: dict[str, str] = field(default_factory=dict)
    begin: str = ""
    chat: str = ""
    ends: tuple[str, ...] = ()
    rows: int = 0
    """Rows of the embedding beyond the tokenizer's tokens."""
    has_generation: bool = True
    tokenizer: str = "PreTrainedTokenizerFast"
    """The class that the files name."""


FAMILIES = {
    # One special token for everything; no padding, no template; embedding and head are one.
    "gpt2": Family(
        GPT2Config,
        {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 64},
        ("<|endoftext|>",),
        {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"},
        ends=("<|endoftext|>",),
        tokenizer="GPT2Tokenizer",
    ),
    # No start token; a head of its own; more rows in the embedding than tokens; no generation_config.json.
    "gpt_neox": Family(
        GPTNeoXConfig,
        SIZES | {"tie_word_embeddings": False},
        ("<|endoftext|>", "<|padding|>"),
        {"eos_token": "<|endoftext|>", "pad_token": "<|padding|>"},
        ends=("<|endoftext|>",),
        rows=7,
        has_generation=False,
    ),
    # A start token before every text, a head of its own, no padding, two end tokens of which the turn's is the second.
    "llama": Family(
        LlamaConfig,
        GROUPED | {"tie_word_embeddings": False},
        ("<s>", "</s>", "<|im_start|>", "<|im_end|>"),
        {"bos_token": "<s>", "eos_token": "</s>"},
        begin="<s>",
        chat=CHAT,
        ends=("</s>", "<|im_end|>"),
    ),
    # Padding that is the end token, a template, more rows than tokens.
    "qwen2": Family(
        Qwen2Config,
        GROUPED | {"tie_word_embeddings": True},
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        {"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"},
        chat=CHAT,
        ends=("<|im_end|>",),
        rows=3,
        tokenizer="Qwen2Tokenizer",
    ),
    # No end token in the tokenizer: the model's settings name it.
    "qwen3": Family(
        Qwen3Config,
        GROUPED | {"head_dim": 8, "tie_word_embeddings": False},
        ("<|endoftext|>", "<|pad|>"),
        {"pad_token": "<|pad|>"},
        ends=("<|endoftext|>",),
    ),
    # Scaled embeddings, norms behind the branches, windows in every other layer, a start token.
    "gemma3": Family(
        Gemma3TextConfig,
        GROUPED
        | {"head_dim": 8, "sliding_window": 48, "layer_types": ["sliding_attention", "full_attention"]}
        | {"tie_word_embeddings": True},
        ("<pad>", "<eos>", "<bos>", "<|im_start|>", "<|im_end|>"),
        {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"},
        begin="<bos>",
        chat=CHAT,
        ends=("<eos>", "<|im_end|>"),
    ),
}


def make_tokenizer(family: Family) -> PreTrainedTokenizerFast:
    """Train byte-level BPE on a few words."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=280, special_tokens=list(family.specials), initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(TEXTS, trainer)
    if family.begin:
        begin = (family.begin, backend.token_to_id(family.begin))
        backend.post_processor = processors.TemplateProcessing(single=f"{family.begin} $A", special_tokens=[begin])
    made = PreTrainedTokenizerFast(tokenizer_object=backend, **family.named)
    made.chat_template = family.chat or None
    return made


def write(name: str, directory: Path, seed: int = 0, **settings: Any) -> Path:
    """Write a checkpoint of a family with the library alone; larger weights than usual give decided answers."""
    family = FAMILIES[name]
    tokenizer = make_tokenizer(family)
    ends = [tokenizer.convert_tokens_to_ids(end) for end in family.ends]
    told = {
        "vocab_size": len(tokenizer) + family.rows,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": ends[0] if len(ends) == 1 else ends,
        "pad_token_id": tokenizer.pad_token_id,
    }
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(family.config(**family.settings | told | settings))
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    file = directory / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"tokenizer_class": family.tokenizer}))
    if not family.has_generation:
        (directory / "generation_config.json").unlink()
    return directory
