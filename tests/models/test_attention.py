"""Training's own attention and norms in bfloat16: what the formulas say, and what the library computes."""

import copy
import json

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from tutelage.models.attention import _Attention, _bias, compute_streams
from tutelage.models.norms import _Norm, narrow_norms
from tutelage.models.packing import NAME

SIZES = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def llama():
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=2)).eval()


def in_bf16(model, weights, **inputs):
    """Hidden states under autocast and the gradient of a sum over them, as one vector."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(use_cache=False, **inputs).last_hidden_state
    (hidden.double().square() * weights).sum().backward()
    return hidden.detach().double(), torch.cat([p.grad.flatten() for p in model.model.parameters()]).double()


def exactly(model, weights, **inputs):
    """The same in fp64 with the library's attention."""
    model = copy.deepcopy(model).double()
    hidden = model.model(use_cache=False, **inputs).last_hidden_state
    (hidden.square() * weights).sum().backward()
    return hidden.detach(), torch.cat([p.grad.flatten() for p in model.model.parameters()])


def distance(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("is_masked", [False, True])
def test_attention_is_the_softmax_of_scores_and_has_its_gradient(is_masked):
    query, key, value = draw(2, 4, 5, 3), draw(2, 2, 5, 3, seed=1), draw(2, 2, 5, 3, seed=2)
    sees = torch.ones(5, 5, dtype=torch.bool).tril().expand(2, 1, 5, 5).clone()
    if is_masked:
        sees[1, 0, 3:, 1] = False
    bias = _bias(sees if is_masked else None, 5, torch.float64, query.device)
    found = _Attention.apply(query, key, value, bias, 0.7)
    for row in range(2):
        for head in range(4):
            for at in range(5):
                seen = [i for i in range(5) if sees[row, 0, at, i]]
                shares = torch.tensor([0.7 * query[row, head, at] @ key[row, head // 2, i] for i in seen]).exp()
                expected = sum(share * value[row, head // 2, i] for share, i in zip(shares, seen, strict=True))
                torch.testing.assert_close(found[row, head, at], expected / shares.sum())
    inputs = [tensor.requires_grad_() for tensor in (query, key, value)]
    assert torch.autograd.gradcheck(lambda q, k, v: _Attention.apply(q, k, v, bias, 0.7), inputs)


def test_a_norm_has_its_gradient_and_leaves_the_one_that_came_alone():
    hidden, weight = draw(2, 3, 5).requires_grad_(), draw(5, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: _Norm.apply(x, w, 1e-5, torch.float64), [hidden, weight])
    grad = draw(2, 3, 5, seed=2)
    kept = grad.clone()
    _Norm.apply(hidden, weight, 1e-5, torch.float64).backward(grad)
    assert torch.equal(grad, kept)


def test_in_bfloat16_a_stack_is_as_near_to_fp64_as_the_librarys_and_norms_have_the_same_bits():
    ids, weights = torch.arange(3 * 17).view(3, 17) % 64, draw(32)
    theirs, norms = llama(), llama()
    narrow_norms(norms.model)
    ours = copy.deepcopy(norms)
    compute_streams(ours.model)
    expected = exactly(theirs, weights, input_ids=ids)
    found = {model: in_bf16(model, weights, input_ids=ids) for model in (theirs, norms, ours)}
    assert torch.equal(found[theirs][0], found[norms][0])
    assert not torch.equal(found[norms][0], found[ours][0])
    for hidden, gradient in found.values():
        assert distance(hidden, expected[0]) < 0.01
        assert distance(gradient, expected[1]) < 0.02


def test_a_window_is_kept():
    torch.manual_seed(0)
    model = MistralForCausalLM(MistralConfig(**SIZES, num_key_value_heads=2, sliding_window=4)).eval()
    ids, weights = torch.arange(24).view(2, 12), draw(32)
    expected = exactly(model, weights, input_ids=ids)
    compute_streams(model.model)
    assert model.config._attn_implementation == NAME
    hidden, _ = in_bf16(model, weights, input_ids=ids)
    assert distance(hidden, expected[0]) < 0.01


def test_outside_bfloat16_everything_is_the_librarys(tmp_path):
    model, ids = llama(), torch.arange(12).view(1, 12)
    expected = model(input_ids=ids).logits
    compute_streams(model.model)
    narrow_norms(model.model)
    assert torch.equal(model(input_ids=ids).logits, expected)
    model.save_pretrained(tmp_path)
    assert NAME not in json.dumps(json.loads((tmp_path / "config.json").read_text()))


def test_an_attention_that_was_chosen_stays():
    model = llama()
    model.set_attn_implementation("eager")
    compute_streams(model.model)
    assert model.config._attn_implementation == "eager"
