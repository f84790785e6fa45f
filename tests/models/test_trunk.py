"""A stack cut in two computes what it computed whole, and what cannot be cut is refused."""

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GraniteConfig,
    GraniteForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from tutelage.errors import SettingsError
from tutelage.models.trunk import Lower, Upper, check_cut, freeze_lower

SHAPE = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 5,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "pad_token_id": None,
}
#: The last two have windows in some layers only, so it matters which layer is which.
WINDOWS = {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 3}
IDS = torch.arange(24).reshape(2, 12)


def made(name):
    torch.manual_seed(0)
    return {
        "mistral": lambda: MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=4)),
        "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE, **WINDOWS)),
        "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SHAPE, **WINDOWS)),
    }[name]().eval()


def cut(decoder, share):
    count = freeze_lower(decoder, share)
    lower = Lower(decoder, count)
    return Upper.of(lower, decoder, count)


@pytest.mark.parametrize("name", ["mistral", "qwen2", "qwen3"])
@pytest.mark.parametrize("share", [0.2, 0.67, 0.8])
def test_cut_in_two_it_computes_the_same_bits(name, share):
    decoder = made(name).model
    with torch.no_grad():
        whole = decoder(input_ids=IDS).last_hidden_state
        assert torch.equal(cut(decoder, share)(IDS).last_hidden_state, whole)


def test_the_lower_layers_get_no_gradient_and_the_upper_ones_all():
    decoder = made("qwen3").model
    cut(decoder, 0.6)(IDS).last_hidden_state.square().sum().backward()
    for name, weight in decoder.named_parameters():
        is_lower = name.startswith(("embed_tokens", "layers.0.", "layers.1.", "layers.2."))
        assert (weight.grad is None) == is_lower == (not weight.requires_grad), name


def test_a_twin_has_upper_layers_of_its_own_and_the_same_lower_ones():
    decoder = made("qwen3").model
    upper = cut(decoder, 0.6)
    twin = upper.twin()
    with torch.no_grad():
        before = upper(IDS).last_hidden_state
        twin.layers[0].mlp.up_proj.weight.mul_(2)
        twin.stack.norm.weight.mul_(2)
        assert torch.equal(upper(IDS.clone()).last_hidden_state, before)
        assert not torch.equal(twin(IDS).last_hidden_state, before)
    assert twin.lower is upper.lower
    assert twin.get_input_embeddings() is decoder.get_input_embeddings()


def test_an_architecture_that_scales_what_comes_in_is_refused():
    """Granite multiplies what comes in by a number, and would do so again in the middle."""
    torch.manual_seed(0)
    decoder = GraniteForCausalLM(GraniteConfig(**SHAPE, embedding_multiplier=3.0)).eval().model
    with pytest.raises(SettingsError, match="GraniteModel computes something else when it is cut in two"):
        check_cut(decoder, cut(decoder, 0.6))


def test_a_stack_without_a_list_of_layers_is_refused():
    decoder = GPT2LMHeadModel(GPT2Config(vocab_size=9, n_embd=8, n_layer=2, n_head=1)).transformer
    with pytest.raises(SettingsError, match="needs a Llama-like model"):
        freeze_lower(decoder, 0.5)
