"""Which models are computed fused, and that the fused pass is the library's: weights, biases, precisions, updates."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from tests.generate.models import VOCABULARY, make_model, prompt, reference
from tutelage.generate.cache import SlotCache
from tutelage.generate.engine import Engine, complete
from tutelage.generate.fused import Fused, network_of
from tutelage.generate.network import Library
from tutelage.generate.request import Request

SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "vocab_size": VOCABULARY}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
STRETCHED = {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}
CONFIGS = {
    "llama with biases": LlamaConfig(**SMALL, **HEADS, attention_bias=True, mlp_bias=True),
    "every head its own keys": LlamaConfig(**SMALL, num_attention_heads=4, num_key_value_heads=4),
    "one head of keys, wide heads": LlamaConfig(**SMALL, num_attention_heads=4, num_key_value_heads=1, head_dim=16),
    "stretched positions": LlamaConfig(**SMALL, **HEADS, rope_parameters=STRETCHED),
    "mistral": MistralConfig(**SMALL, **HEADS, sliding_window=None),
    "qwen2": Qwen2Config(**SMALL, **HEADS),
    "qwen3": Qwen3Config(**SMALL, **HEADS, head_dim=8),
}


def random_model(config: PretrainedConfig) -> PreTrainedModel:
    """Make a model in which no weight keeps its usual start: biases and norms are random too."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        nn.init.normal_(parameter, mean=1.0 if parameter.ndim == 1 else 0.0, std=0.2)
    return model.eval()


def passes(network: Library, model: PreTrainedModel) -> list[torch.Tensor]:
    """Read prompts of unequal lengths, scored and not, and decode a step behind them."""
    lengths = torch.tensor([5, 9, 1])
    ids = torch.zeros(3, 9, dtype=torch.long)
    for row, length in enumerate(lengths.tolist()):
        ids[row, :length] = torch.tensor(prompt(row, length))
    cache = SlotCache(model.config.num_hidden_layers)
    cache.reserve(4, 16, 0, 0)
    with torch.inference_mode():
        network.refresh()
        scored = network.read(ids, lengths, 0, cache, is_scored=True)
        found = [scored[row, :length] for row, length in enumerate(lengths.tolist())]
        found.append(network.read(ids, lengths, 0, cache, is_scored=False))
        for step in range(2):
            found.append(network.decode(torch.tensor([7, 8, 9]), lengths + step, 10 + step, cache))
    return found


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_the_fused_pass_computes_what_the_library_does(name: str) -> None:
    model = random_model(CONFIGS[name])
    network = network_of(model)
    assert type(network) is Fused
    for ours, theirs in zip(passes(network, model), passes(Library(model), model), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_in_bfloat16_the_fused_pass_is_as_near_to_fp32_as_the_library(name: str) -> None:
    model = random_model(CONFIGS[name])
    exact = passes(Library(model), model)
    low = model.to(torch.bfloat16)

    def error(network: Library) -> float:
        pairs = zip(passes(network, low), exact, strict=True)
        return torch.cat([(a.float() - b).abs().flatten() for a, b in pairs]).mean().item()

    assert error(network_of(low)) < 1.25 * error(Library(low))


def test_what_is_wrapped_hooked_or_slides_goes_through_the_library() -> None:
    assert type(network_of(make_model("gpt2"))) is Library
    assert type(network_of(make_model("gpt_neox"))) is Library
    assert type(network_of(random_model(MistralConfig(**SMALL, **HEADS, sliding_window=8)))) is Library
    assert type(network_of(random_model(LlamaConfig(**SMALL, **HEADS, hidden_act="gelu")))) is Library
    wrapped = make_model("llama")

    class Wider(nn.Linear):
        pass

    wrapped.model.layers[1].mlp.up_proj = Wider(32, 48, bias=False)
    assert type(network_of(wrapped)) is Library
    hooked = make_model("llama")
    hooked.model.layers[0].mlp.register_forward_hook(lambda module, inputs, output: 2 * output)
    assert type(network_of(hooked)) is Library


def test_an_engine_at_rest_sees_weights_that_were_written_to_or_replaced() -> None:
    model, other = make_model("llama"), make_model("llama", seed=5)
    engine = Engine(model)
    request = Request(prompt_ids=prompt(1, 6), max_tokens=8, temperature=0)

    def answer() -> list[int]:
        return complete(engine, [request])[0].ids

    before = answer()
    with torch.no_grad():
        for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
            mine.copy_(theirs)
    assert answer() == reference(other, request.prompt_ids, 8) != before
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.3, fused=True)
    model(torch.tensor([[1, 2, 3]])).logits.sum().backward()
    optimizer.step()
    assert answer() == reference(model, request.prompt_ids, 8) != reference(other, request.prompt_ids, 8)
    for parameter, first in zip(model.parameters(), make_model("llama").parameters(), strict=True):
        parameter.data = first.data
    assert answer() == before


def test_dropout_of_a_model_in_training_does_not_reach_the_samples() -> None:
    model = random_model(LlamaConfig(**SMALL, **HEADS, attention_dropout=0.5))
    request = Request(prompt_ids=prompt(1, 6), max_tokens=8, temperature=0)
    expected = reference(model, request.prompt_ids, 8)
    model.train()
    assert complete(Engine(model), [request])[0].ids == expected
    assert model.training
