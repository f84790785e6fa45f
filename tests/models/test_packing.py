"""Streams: rows laid end to end give what each gives alone, in value and in gradient, for every architecture."""

import copy

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)  # fmt: skip

from tutelage.models.attention import NAME, compute_streams
from tutelage.models.packing import run, stream_of
from tutelage.models.prefix import Group, collate_groups

SIZES = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
GROUPED = SIZES | {"num_key_value_heads": 2}
MODELS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**GROUPED)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**GROUPED, head_dim=8)),
    "window": lambda: MistralForCausalLM(MistralConfig(**GROUPED, sliding_window=4)),
    "learned positions": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=4)),
    "parallel": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SIZES)),
    "eager": lambda: Gemma2ForCausalLM(Gemma2Config(**GROUPED, head_dim=8, sliding_window=4)),
}
ROWS = [[1, 2, 3], list(range(4, 15)), [20], list(range(30, 38))]
GROUPS = [
    Group([1, 2, 3, 4, 5], [[6, 7], [8, 9, 10, 11], [12]]),
    Group([13], [[14, 15, 16], [17, 18]]),
    Group([19, 20, 21], [[22], [23], [24, 25, 26], [27, 28]]),
]


def made(name):
    torch.manual_seed(0)
    return MODELS[name]().eval()


def alone(model, ids):
    """What the library computes for one row by itself: [T, H]."""
    return model.get_decoder()(input_ids=torch.tensor([ids]), use_cache=False).last_hidden_state[0]


def apart(model, group):
    """A group as the library computes it: the prompt alone, and the tails of the prompt with each completion."""
    prompt = list(group.prompt)
    return [alone(model, prompt), *(alone(model, prompt + list(one))[len(prompt) :] for one in group.completions)]


def gradient(model, hidden):
    """The gradient of a sum over all hidden states, every place with another weight."""
    weights = torch.randn(hidden.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    model.zero_grad()
    (hidden.double() * weights).sum().backward()
    return torch.cat([p.grad.flatten().double() for p in model.get_decoder().parameters() if p.grad is not None])


def rows_and_groups(model):
    """Both kinds of stream, each with what the library computes for its sequences one by one."""
    yield stream_of(ROWS)[0], lambda: torch.cat([alone(model, row) for row in ROWS])
    yield collate_groups(GROUPS).stream, lambda: torch.cat([part for group in GROUPS for part in apart(model, group)])


@pytest.mark.parametrize("name", MODELS)
def test_a_stream_gives_what_each_row_gives_alone(name):
    library = made(name).double()
    ours = copy.deepcopy(library)
    compute_streams(ours.get_decoder())
    assert (ours.config._attn_implementation == NAME) is (name != "eager")
    for stream, expect in rows_and_groups(library):
        expected = expect()
        wanted = gradient(library, expected)
        for model in (ours, library):  # the library's model is given padded rows
            found = run(model.get_decoder(), stream)
            torch.testing.assert_close(found[0], expected, rtol=0, atol=1e-10)
            # The library's RMS norms compute in fp32 whatever they are given, so gradients round there.
            assert float((gradient(model, found[0]) - wanted).norm() / wanted.norm()) < 1e-6


@pytest.mark.parametrize("name", ["llama", "window", "learned positions"])
def test_in_bfloat16_a_stream_is_near_fp64(name):
    exact = made(name).double()
    ours = made(name)
    compute_streams(ours.get_decoder())
    for stream, expect in rows_and_groups(exact):
        expected = expect()
        wanted = gradient(exact, expected)
        with torch.autocast("cpu", torch.bfloat16):
            found = run(ours.get_decoder(), stream)
        assert found.isfinite().all()
        assert float((found[0].detach().double() - expected.detach()).norm() / expected.detach().norm()) < 0.01
        assert float((gradient(ours, found[0]) - wanted).norm() / wanted.norm()) < 0.02


def test_rows_of_nearly_one_length_are_padded_and_need_no_layout():
    stream, places = stream_of([[1, 2, 3, 4, 5, 6]] * 3 + [[7, 8, 9, 10, 11]])
    assert stream.layout is None
    assert stream.ids.shape == (4, 6)
    assert stream.ids.flatten()[places].tolist() == [1, 2, 3, 4, 5, 6] * 3 + [7, 8, 9, 10, 11]
    stream, places = stream_of([[1, 2], [3]])
    assert stream.layout is not None
    assert stream.ids.tolist() == [[1, 2, 3]]
    assert places.tolist() == [0, 1, 2]


def test_a_token_changes_its_own_row_only():
    model = made("llama")
    compute_streams(model.get_decoder())
    one = run(model.get_decoder(), stream_of([[1, 2, 3], [4, 5]])[0])
    other = run(model.get_decoder(), stream_of([[9, 2, 3], [4, 5]])[0])
    assert not torch.equal(one[0, :3], other[0, :3])
    assert torch.equal(one[0, 3:], other[0, 3:])
