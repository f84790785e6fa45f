"""Small random models of every shape that the engine runs, and what transformers itself makes of them."""

from __future__ import annotations

import copy

import torch
from transformers import GPT2Config, GPTNeoXConfig, LlamaConfig, PreTrainedModel, Qwen2Config
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from tutelage.generate.engine import Engine
from tutelage.generate.request import Event

VOCABULARY = 97
SIZES = {"num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": VOCABULARY, "max_position_embeddings": 64}
CONFIGS = {
    "llama": LlamaConfig(hidden_size=32, intermediate_size=48, num_key_value_heads=2, **SIZES),
    "qwen2": Qwen2Config(hidden_size=32, intermediate_size=48, num_key_value_heads=2, **SIZES),
    "gpt_neox": GPTNeoXConfig(hidden_size=32, intermediate_size=48, **SIZES),
    "gpt2": GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=VOCABULARY, n_positions=64),
}


def make_model(family: str, seed: int = 0, context: int = 64) -> PreTrainedModel:
    """Make a model whose answers are decided and varied."""
    torch.manual_seed(seed)
    config = copy.deepcopy(CONFIGS[family])
    setattr(config, "n_positions" if family == "gpt2" else "max_position_embeddings", context)
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():  # larger weights than the usual start: more decided logits
        parameter.data.mul_(3)
    return model.eval()


def prompt(seed: int, length: int) -> tuple[int, ...]:
    """Draw token ids."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(0, VOCABULARY, (length,), generator=generator).tolist())


def reference(model: PreTrainedModel, ids: tuple[int, ...], count: int) -> list[int]:
    """Return the library's greedy continuation."""
    output = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return output[0, len(ids) :].tolist()


def drain(engine: Engine) -> list[Event]:
    """Step until nothing is left to do."""
    events: list[Event] = []
    while not engine.is_idle():
        events += engine.step()
    return events
