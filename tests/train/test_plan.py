"""A plan counts what autograd keeps and what the trainers do; its other witnesses are published figures."""

import copy
import functools
import gc
import math
from dataclasses import replace

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from transformers import GPT2Config, LlamaConfig, LlamaForCausalLM

from tests.train.layouts import LAYOUTS, PPO, with_loop
from tutelage.errors import MissingError, SettingsError
from tutelage.models.adapters import Adapters
from tutelage.models.load import Shape, fresh, load_policy
from tutelage.models.packing import Stream
from tutelage.models.policy import Row, hidden_states
from tutelage.models.scalar import ScalarModel
from tutelage.models.sizes import size_of, size_of_directory, size_of_shape
from tutelage.models.trunk import freeze_lower
from tutelage.pipeline.planning import fewest, fits, planned, sizes_of
from tutelage.pipeline.recipe import read_recipe
from tutelage.train.batching import completion_batch
from tutelage.train.ema import Ema
from tutelage.train.footprint import activations, held
from tutelage.train.layout import LayoutSettings, policy_learner, scalar_learner
from tutelage.train.operations import PETAFLOP_DAY, Machine, Pass, forward, optimizer_seconds, sampling_seconds
from tutelage.train.plan import Sizes, Volume, sft_stage
from tutelage.train.portion import policy_portion, scalar_portion
from tutelage.train.ppo_plan import ppo_stage
from tutelage.train.pretrain import token_loss
from tutelage.train.sft import SFTSettings

CONFIG = LlamaConfig(
    vocab_size=1000, hidden_size=64, intermediate_size=192, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=True,
)  # fmt: skip
SIZE = size_of(CONFIG)
#: Layouts by hand: what adapters change may be all products, some of attention, or the last ones alone.
LAID_OUT = [
    LayoutSettings(),
    LayoutSettings(kind="adapters", rank=8),
    LayoutSettings(kind="adapters", rank=8, modules=("q_proj", "v_proj")),
    LayoutSettings(kind="adapters", rank=8, modules=("o_proj", "down_proj")),
    LayoutSettings(kind="shared_trunk", frozen_share=0.5),
]
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


def model_of(layers, layout):
    """Make a model of some layers and lay it out as the trainers do."""
    config = copy.deepcopy(CONFIG)
    config.num_hidden_layers = layers
    model = LlamaForCausalLM(config)
    if layout.kind == "adapters":
        Adapters(model).add("policy", layout.lora, seed=0)
    if layout.kind == "shared_trunk":
        freeze_lower(model.get_decoder(), layout.frozen_share)
    return model


def kept_by_autograd(layers, is_bf16, layout):
    """Count the bytes that autograd keeps for the backward pass of a trunk, its weights and their copies left out."""
    model = model_of(layers, layout)
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
@pytest.mark.parametrize("layout", LAID_OUT)
def test_the_activations_of_a_layer_are_what_autograd_keeps(layout, is_bf16):
    tokens = 4 * 80
    layer = (kept_by_autograd(6, is_bf16, layout) - kept_by_autograd(2, is_bf16, layout)) / 4
    more, fewer = (
        activations(policy_portion(replace(SIZE, layers=count), layout), tokens, is_bf16=is_bf16, recomputes=False)
        for count in (6, 2)
    )
    assert (more - fewer) / 4 == pytest.approx(layer, rel=1e-3)


def test_recomputing_keeps_the_inputs_of_layers_and_one_layer():
    deep, one_layer = (policy_portion(replace(SIZE, layers=count), LayoutSettings()) for count in (96, 1))
    kept = activations(deep, 100, is_bf16=False, recomputes=True)
    one = activations(one_layer, 100, is_bf16=False, recomputes=False)
    assert kept == pytest.approx(100 * 96 * 4 * 64 + one, rel=0.15)


@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize("layout", [LAID_OUT[0], LAID_OUT[1], LAID_OUT[-1]])
def test_operations_are_those_that_torch_counts(layout, learns):
    model = model_of(12, layout)
    model.set_attn_implementation("eager")
    rows = [Row(list(range(40)), list(range(60))) for _ in range(3)]
    [micro] = completion_batch(rows, 10_000)
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(learns):
        loss = token_loss(model, micro).value
        if learns:
            loss.backward()
    # What the counter sees is attention of every token to all 100, which a causal mask makes 50 on average.
    size = replace(SIZE, layers=12)
    part = Pass(
        portion=policy_portion(size, layout), tokens=300, width=200, micro_tokens=1000, counted=0.6, learns=learns
    )
    assert part.operations == pytest.approx(counter.get_total_flops(), rel=0.01)
    if layout.kind == "separate":
        assert forward(size, 300, 200, 0.6) == pytest.approx(part.operations / (3 if learns else 1))


def test_lower_layers_that_are_known_cost_nothing():
    portion = policy_portion(replace(SIZE, layers=12), LAID_OUT[-1])
    part = Pass(portion=portion, tokens=300, width=100, micro_tokens=1000, counted=0.0)
    lower = forward(replace(SIZE, layers=6), 300, 100, 0.0)
    assert part.operations == pytest.approx(lower + 3 * lower)
    assert replace(part, is_known=True).operations == pytest.approx(3 * lower)
    assert replace(part, is_known=True, learns=False).operations == pytest.approx(lower)


def test_frozen_layers_read_demonstrations_once_in_all_epochs():
    """Three epochs of 40 demonstrations: the lower half reads 40 rows, the upper half learns from 120."""
    settings = SFTSettings(epochs=3, batch=8, pretraining_mix=0.0, layout=LAID_OUT[-1])
    volume = Volume(demonstrations=40, demonstration_prompt_tokens=60, demonstration_completion_tokens=40)
    size = replace(SIZE, layers=12)
    half = forward(replace(SIZE, layers=6), 40 * 100, 100, 0.0)
    logits = 2 * size.embedding * 40 * 40
    machine = on(1, overhead=0.0)
    made = sft_stage("start", "", settings, size, volume, machine)
    assert made.operations == pytest.approx(half + 3 * (3 * half + 2 * logits))
    again = settings.model_copy(update={"dropout": 0.1})  # what lower layers give changes with it
    passed = sft_stage("start", "", again, size, volume, machine)
    assert passed.operations == pytest.approx(made.operations + 2 * half)
    assert passed.seconds - made.seconds == pytest.approx(2 * half / machine.speed)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_portion_counts_what_a_learner_trains(world, kind):
    """The trainers' own counts of what is trained, carries a gradient or is read; PPO's ledger is made of them."""
    size, layout = size_of_directory(world.policy), LAYOUTS[kind]
    policy, _ = load_policy(world.policy)
    settings = with_loop(PPO, kind)
    assert policy_portion(size, layout).weights == policy_learner(policy, world.policy, settings).weights
    for likelihood in (False, True):
        policy, _ = load_policy(world.policy)
        make = functools.partial(ScalarModel.from_policy, policy, 0, likelihood=likelihood)
        found = scalar_learner(policy, world.policy, make, settings)
        assert scalar_portion(size, layout, likelihood=likelihood).weights == found.weights


@pytest.mark.parametrize("kind", LAYOUTS)
def test_what_four_models_hold_is_what_torch_allocates(world, four, kind):
    """Weights, once where roles share them, the start of the policy, and the average; the moments come with a step."""
    size = size_of_directory(world.policy)
    plan = ppo_stage(with_loop(PPO, kind), Sizes(policy=size, reward=size), Volume(), on(1))
    four(kind)  # trains the reward model, where no test before has
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as log:
        made = four(kind)
        average = Ema(made.policy, 0.9)
    found = sum(event.nbytes() for event in log.profiler.kineto_results.events() if event.name() == "[memory]")
    assert average.names
    assert found == pytest.approx(sum(one.weights + one.average for one in plan.held), rel=0.05)  # and headers of files


def test_four_bytes_a_weight_eight_more_a_trained_one_and_gpus_share_them():
    policy = held("policy", 1, trained=1000, is_averaged=True)
    assert (policy.weights, policy.optimizer, policy.average) == (4000, 8000, 4000)
    assert held("reference", 8, frozen=1000).total == 500
    assert held("policy", 1, trained=10, frozen=1000).total == 4040 + 80


def test_times_by_hand():
    size = replace(
        SIZE, weights=10**9, layer=10**8, layers=10, vocabulary=1, hidden=1, heads=1, kv_heads=1, head_width=1
    )
    machine = Machine(gpus=1, memory=1e11, flops=1e14, bandwidth=1e12, interconnect=1e10, utilisation=0.5)
    portion = policy_portion(size, LayoutSettings())
    part = Pass(portion=portion, tokens=10_000, width=1000, micro_tokens=2000)
    assert part.micros == 5
    assert part.seconds(machine) == pytest.approx(6e9 * 10_000 / 5e13, rel=1e-4)
    # Five micro-batches on four GPUs: one GPU has two, and moves fp32 weights twice and gradients once for each.
    assert part.seconds(replace(machine, gpus=4)) == pytest.approx(2 * 12e9 * 0.75 / 1e10)
    fast = replace(machine, gpus=4, interconnect=1e15)
    assert part.seconds(fast) == pytest.approx(6e9 * 4000 / 5e13, rel=1e-4)
    assert replace(part, recomputes=True).seconds(machine) == pytest.approx(8e9 * 10_000 / 5e13, rel=1e-4)
    assert optimizer_seconds(10**9, machine) == pytest.approx(36e9 / 1e12)
    # 4 episodes: 100 steps read 4 GB each; that is slower than computing 2e9 operations for each of 400 tokens.
    assert sampling_seconds(portion, 4, 1, 100, 100, machine) == pytest.approx(100 * 4e9 / 1e12, rel=1e-2)


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
    recipe = read_recipe("imported", [f"base.model={world.policy}"])
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
