"""Gradient checkpointing and bfloat16 are really on where they are asked for, and change what they may change only."""

import copy
import pickle
from collections import Counter

import pytest
import torch
from torch import nn

from tutelage.errors import InvariantError, SettingsError
from tutelage.files import sha256_of
from tutelage.generate.engine import Engine, complete
from tutelage.generate.request import Request
from tutelage.models.load import load_policy
from tutelage.models.policy import Row, collate
from tutelage.models.recompute import recompute_layers
from tutelage.models.scalar import load_scalar
from tutelage.train.batching import Example, weigh
from tutelage.train.loop import LoopSettings, in_bf16
from tutelage.train.optimizers import Adam
from tutelage.train.pretrain import token_loss
from tutelage.train.sft import SFTData, SFTSettings, train_sft
from tutelage.train.stage import move

RECOMPUTING = LoopSettings(gradient_checkpointing=True)


def micro():
    return weigh([collate([Row([5, 6, 7], [8, 9]), Row([4], [3, 2, 1])])])[0]


def counted(layers):
    """Count the calls of each layer's feed-forward block from now on."""
    calls = Counter()
    for number, layer in enumerate(layers):
        layer.mlp.register_forward_pre_hook(lambda *_, number=number: calls.update([number]))
    return calls


@pytest.mark.parametrize("is_on", [False, True])
def test_layers_are_computed_again_in_the_backward_pass_where_asked(world, is_on):
    model, _ = load_policy(world.policy)
    move(model, LoopSettings(gradient_checkpointing=is_on))
    calls = counted(model.model.layers)
    loss = token_loss(model, micro()).value
    assert calls == {0: 1, 1: 1}
    loss.backward()
    assert calls == ({0: 2, 1: 2} if is_on else {0: 1, 1: 1})


def test_a_reward_model_recomputes_as_well(world):
    model, _ = load_scalar(world.reward)
    move(model, RECOMPUTING)
    calls = counted(model.trunk.layers)
    model.score(micro().rows).sum().backward()
    assert calls == {0: 2, 1: 2}


def test_less_is_kept_for_the_backward_pass(world):
    def kept(is_on):
        model, _ = load_policy(world.policy)
        move(model, LoopSettings(gradient_checkpointing=is_on))
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            token_loss(model, micro())
        return sum(sizes)

    assert kept(True) < 0.5 * kept(False)


def test_the_gradient_has_the_same_bits(world):
    plain, _ = load_policy(world.policy)
    again = copy.deepcopy(plain)
    move(again, RECOMPUTING)
    for model in (plain, again):
        token_loss(model, micro()).value.backward()
    for one, other in zip(plain.parameters(), again.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_sampling_keeps_its_cache_and_reads_nothing_twice(world):
    """The library's own switch would take the cache away and answer from the last token alone."""
    plain, tokenizer = load_policy(world.policy)
    again = copy.deepcopy(plain)
    move(again, RECOMPUTING)
    request = Request(prompt_ids=(5, 6, 7), max_tokens=8, seed=1)
    [one], [other] = (complete(Engine(model, tokenizer), [request]) for model in (plain, again))
    assert one.ids == other.ids
    assert one.logprobs == other.logprobs


def test_it_travels_to_helping_processes(world):
    model, _ = load_policy(world.policy)
    move(model, RECOMPUTING)
    other = pickle.loads(pickle.dumps(model))
    calls = counted(other.model.layers)
    token_loss(other, micro()).value.backward()
    assert calls == {0: 2, 1: 2}


def test_a_training_with_dropout_ends_with_the_same_bytes(world, tmp_path):
    examples = [Example(*pair) for pair in world.examples(8)]

    def train(name, is_on):
        loop = LoopSettings(gradient_checkpointing=is_on, micro_tokens=40)
        settings = SFTSettings(epochs=1, batch=4, dropout=0.2, pretraining_mix=0, adam=Adam(lr=1e-2), loop=loop)
        return sha256_of(train_sft(tmp_path / name, settings, SFTData(examples), world.policy))

    assert train("plain", False) == train("again", True)


def test_computing_again_in_another_way_is_noticed(world):
    model, _ = load_policy(world.policy)
    way = ["one"]
    recompute_layers(model.model, lambda: way[0])
    loss = token_loss(model, micro()).value
    way[0] = "other"
    with pytest.raises(InvariantError, match="ran with one and is computed again with other"):
        loss.backward()


def test_a_model_without_a_list_of_layers_is_refused():
    with pytest.raises(SettingsError, match="not known for Linear"):
        recompute_layers(nn.Linear(2, 2))


@pytest.mark.parametrize("is_on", [False, True])
def test_products_of_matrices_are_bf16_and_weights_and_sums_fp32_where_asked(world, is_on):
    model, _ = load_policy(world.policy)
    seen = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and "layers" in name:
            module.register_forward_hook(lambda _module, _inputs, out, name=name: seen.update({name: out.dtype}))
    made = in_bf16(lambda m: token_loss(model, m), "cpu", micro()) if is_on else token_loss(model, micro())
    made.value.backward()
    assert len(seen) == 2 * 7
    assert set(seen.values()) == {torch.bfloat16 if is_on else torch.float32}
    assert made.value.dtype == torch.float32
    assert {weight.grad.dtype for weight in model.parameters()} == {torch.float32}
