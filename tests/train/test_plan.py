"""A plan counts what autograd keeps and what the trainers do; its other witnesses are published figures."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import GPT2Config, LlamaConfig, LlamaForCausalLM

from tutelage.errors import MissingError, SettingsError
from tutelage.models.load import Shape, fresh, load_policy
from tutelage.models.packing import Stream
from tutelage.models.policy import Row, hidden_states
from tutelage.models.sizes import size_of, size_of_directory, size_of_shape
from tutelage.pipeline.planning import fewest, fits, planned, sizes_of
from tutelage.pipeline.recipe import read_recipe
from tutelage.train.batching import completion_batch
from tutelage.train.footprint import activations, held
from tutelage.train.operations import PETAFLOP_DAY, Machine, Pass, forward, optimizer_seconds, sampling_seconds
from tutelage.train.pretrain import token_loss

CONFIG = LlamaConfig(
    vocab_size=1000, hidden_size=64, intermediate_size=192, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=True,
)  # fmt: skip
SIZE = size_of(CONFIG)
H100 = Machine(gpus=64, memory=80e9, flops=989e12, bandwidth=3.35e12, interconnect=50e9, utilisation=0.4, overhead=3e-4)


def on(gpus, **changes):
    return replace(H100, gpus=gpus, **changes)


@pytest.mark.parametrize(("recipe", "published"), [("paper-1.3b", 1.3e9), ("paper-6b", 6.7e9), ("paper-175b", 175e9)])
def test_the_papers_shapes_have_the_published_numbers_of_weights(recipe, published):
    """Brown et al. 2020, Table 2.1; GPT-2 (Radford et al. 2019) has 124,439,808 weights as it was released."""
    assert sizes_of(read_recipe(recipe)).policy.weights == pytest.approx(published, rel=0.01)
    assert size_of(GPT2Config()).weights == 124_439_808


def test_a_shape_is_counted_as_the_model_that_is_made_of_it(world):
    _, tokenizer = load_policy(world.policy)
    for shape in (Shape(hidden=32, heads=2), Shape(hidden=32, heads=2, looks_back=True)):
        model = fresh(shape, tokenizer, seed=0)
        size = size_of_shape(shape, len(tokenizer))
        assert size.weights == sum(weight.numel() for weight in model.parameters())
        assert size.trunk == size.weights
    assert size_of_directory(world.policy).weights == sum(p.numel() for p in load_policy(world.policy)[0].parameters())


def test_an_output_layer_of_its_own_is_no_part_of_the_trunk():
    own = copy.deepcopy(CONFIG)
    own.tie_word_embeddings = False
    size = size_of(own)
    assert size.weights - size.trunk == 1000 * 64
    assert size.outside == size.weights - 3 * size.layer == 2 * 1000 * 64 + 64


def test_a_directory_without_a_model_is_refused(tmp_path):
    with pytest.raises(MissingError, match=r"no config\.json"):
        size_of_directory(tmp_path)


def kept_by_autograd(layers, is_bf16):
    """Count the bytes that autograd keeps for the backward pass of a trunk, its weights and their copies left out."""
    config = copy.deepcopy(CONFIG)
    config.num_hidden_layers = layers
    model = LlamaForCausalLM(config)
    shapes = {shape for p in model.parameters() for shape in (tuple(p.shape), tuple(p.shape[::-1]))}
    kept = {}

    def pack(tensor):
        if tuple(tensor.shape) not in shapes:
            kept[tensor.untyped_storage().data_ptr()] = (tensor.untyped_storage().nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            hidden_states(model, Stream(torch.zeros(4, 80, dtype=torch.long)))
    return sum(bytes_ for bytes_, _ in kept.values())


@pytest.mark.parametrize("is_bf16", [False, True])
def test_the_activations_of_a_layer_are_what_autograd_keeps(is_bf16):
    tokens = 4 * 80
    layer = (kept_by_autograd(5, is_bf16) - kept_by_autograd(2, is_bf16)) / 3
    more, fewer = (
        activations(replace(SIZE, layers=count), tokens, is_bf16=is_bf16, recomputes=False) for count in (5, 2)
    )
    assert (more - fewer) / 3 == pytest.approx(layer, rel=1e-3)


def test_recomputing_keeps_the_inputs_of_layers_and_one_layer():
    deep = replace(SIZE, layers=96)
    kept = activations(deep, 100, is_bf16=False, recomputes=True)
    one = activations(replace(SIZE, layers=1), 100, is_bf16=False, recomputes=False)
    assert kept == pytest.approx(100 * 96 * 4 * 64 + one, rel=0.15)


@pytest.mark.parametrize("learns", [True, False])
def test_operations_are_those_that_torch_counts(learns):
    model = LlamaForCausalLM(CONFIG)
    model.set_attn_implementation("eager")
    rows = [Row(list(range(40)), list(range(60))) for _ in range(3)]
    [micro] = completion_batch(rows, 10_000)
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(learns):
        loss = token_loss(model, micro).value
        if learns:
            loss.backward()
    # What the counter sees is attention of every token to all 100, which a causal mask makes 50 on average.
    part = Pass(size=SIZE, tokens=300, width=200, micro_tokens=1000, counted=0.6, learns=learns)
    assert part.operations == pytest.approx(counter.get_total_flops(), rel=0.01)
    assert forward(SIZE, 300, 200, 0.6) == part.operations / (3 if learns else 1)


def test_sixteen_bytes_a_trained_weight_four_a_frozen_one_and_gpus_share_them():
    policy = held("policy", 1000, 1, is_trained=True, is_averaged=True)
    assert (policy.weights, policy.optimizer, policy.average) == (4000, 8000, 4000)
    assert held("reference", 1000, 8).total == 500


def test_times_by_hand():
    size = replace(
        SIZE, weights=10**9, layer=10**8, layers=10, vocabulary=1, hidden=1, heads=1, kv_heads=1, head_width=1
    )
    machine = Machine(gpus=1, memory=1e11, flops=1e14, bandwidth=1e12, interconnect=1e10, utilisation=0.5)
    part = Pass(size=size, tokens=10_000, width=1000, micro_tokens=2000)
    assert part.micros == 5
    assert part.seconds(machine) == pytest.approx(6e9 * 10_000 / 5e13, rel=1e-4)
    # Five micro-batches on four GPUs: one GPU has two, and moves fp32 weights twice and gradients once for each.
    assert part.seconds(replace(machine, gpus=4)) == pytest.approx(2 * 12e9 * 0.75 / 1e10)
    fast = replace(machine, gpus=4, interconnect=1e15)
    assert part.seconds(fast) == pytest.approx(6e9 * 4000 / 5e13, rel=1e-4)
    assert replace(part, recomputes=True).seconds(machine) == pytest.approx(8e9 * 10_000 / 5e13, rel=1e-4)
    assert optimizer_seconds(10**9, machine) == pytest.approx(36e9 / 1e12)
    # 4 episodes: 100 steps read 4 GB each; that is slower than computing 2e9 operations for each of 400 tokens.
    assert sampling_seconds(size, 4, 1, 100, 100, machine) == pytest.approx(100 * 4e9 / 1e12, rel=1e-2)


def test_the_papers_compute_comes_out():
    """Section 5.1 prints 4.9, 60 and 3,640 petaflop/s-days; with rows as long as the context the plan says the same."""
    stages = {stage.name: stage for stage in planned(read_recipe("paper-175b"), H100)}
    for name, printed in (("sft", 4.9), ("ppo", 60), ("pretrain", 3640)):
        assert stages[name].reported == printed
        assert stages[name].padded / PETAFLOP_DAY == pytest.approx(printed, rel=0.08)
    assert stages["sft"].petaflop_days < stages["sft"].padded / PETAFLOP_DAY
    assert stages["ppo"].steps == 4000
    assert not stages["pretrain"].held


def test_the_fewest_gpus_are_enough_and_one_less_is_not():
    recipe = read_recipe("paper-6b")
    count = fewest(recipe, H100)
    assert count is not None
    assert count > 1
    for gpus, enough in ((count, True), (count - 1, False)):
        assert fits(planned(recipe, on(gpus)), on(gpus)) is enough
    assert fewest(recipe, on(1, memory=30e9)) is None


def test_plans_scale_as_they_must():
    recipe = read_recipe("paper-6b")
    few, many = ({stage.name: stage for stage in planned(recipe, on(gpus))} for gpus in (8, 64))
    for name in few:
        assert many[name].memory < few[name].memory
        assert many[name].operations == few[name].operations
    assert many["ppo"].seconds < few["ppo"].seconds
    # Eight micro-batches a step keep eight GPUs busy, however many there are.
    assert many["sft"].busy == few["sft"].busy == 8


def test_a_model_that_is_here_is_planned_by_its_files(world):
    recipe = read_recipe("smollm2", [f"base.model={world.policy}"])
    policy = sizes_of(recipe).policy
    assert (policy.hidden, policy.layers, policy.context) == (16, 2, 64)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"gpus": 0}, "0 GPUs makes no sense"),
        ({"memory": 0.0}, "memory must be above 0"),
        ({"flops": math.inf}, "flops must be above 0"),
        ({"interconnect": -1.0}, "interconnect must be above 0"),
        ({"utilisation": 1.5}, "utilisation of 1.5 is impossible"),
        ({"utilisation": 0.0}, "utilisation of 0 is impossible"),
        ({"overhead": -1.0}, "overhead of -1 s is impossible"),
    ],
)
def test_nonsense_is_told(change, told):
    with pytest.raises(SettingsError, match=told):
        replace(H100, **change)
