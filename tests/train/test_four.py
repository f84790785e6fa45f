"""The four models of PPO compute in each layout what separate models would, and count what it costs."""

import dataclasses
import functools

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from tests.train.layouts import LAYOUTS, PPO, episodes, reward, updates, with_loop
from tutelage.core.kl import FixedKL
from tutelage.errors import InvariantError
from tutelage.generate.fused import Fused, network_of
from tutelage.models.load import Shape, fresh, load_policy, save
from tutelage.models.narrow import narrowed
from tutelage.models.policy import CHUNK, Row, collate, completion_logprobs
from tutelage.models.roles import RolePolicy, to_sample
from tutelage.models.scalar import ScalarModel, load_scalar
from tutelage.models.tokenizer import train_tokenizer
from tutelage.models.tokens import Renderer
from tutelage.runs import Run
from tutelage.train.batching import text_batch
from tutelage.train.experience import targets
from tutelage.train.four import Parents, load_four
from tutelage.train.layout import policy_learner, scalar_learner
from tutelage.train.ppo import ppo_loss
from tutelage.train.pretrain import token_loss
from tutelage.train.rollout import Episode, Plan, Rollouts, Streams, sample, score, steps_of
from tutelage.train.stage import move
from tutelage.train.streams import Shuffled


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("again", [False, True])
def test_before_the_first_step_every_ratio_is_one_and_the_kl_is_zero(world, four, kind, precision, again):
    made = four(kind, precision=precision, gradient_checkpointing=again)
    part = score(made.models, episodes(), [0.0] * 4)
    assert torch.equal(part.old, part.reference)
    for step in steps_of([1], [part], targets([part], PPO.advantages, 0.02)):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = ppo_loss(made.models, PPO, step.parts["ppo"][0])
        assert float(loss.metrics["ppo/policy/ratio"]) == pytest.approx(1, abs=1e-6)
        loss.value.backward()


@pytest.mark.parametrize("kind", LAYOUTS)
def test_each_role_gets_its_gradient_with_checkpointing_as_without(four, kind):
    found = []
    for again in (False, True):
        made = four(kind, gradient_checkpointing=again)
        for micro in updates(made):
            ppo_loss(made.models, PPO, micro).value.backward()
        found.append([weight.grad for part in (made.policy, made.value) for weight in part.parameters()])
        for part in (made.policy, made.value):
            assert any(weight.grad is not None and bool(weight.grad.any()) for weight in part.parameters())
    for plain, again in zip(*found, strict=True):
        assert plain is again is None or torch.equal(plain, again)


def test_selecting_another_adapter_before_the_backward_pass_is_noticed(four):
    """Without the check, the gradient of the role that computed first would be lost without a word."""
    made = four("adapters", gradient_checkpointing=True)
    policy, value = updates(made)
    for first, second in ((policy, value), (value, policy)):
        loss = ppo_loss(made.models, PPO, first).value
        ppo_loss(made.models, PPO, second)
        with pytest.raises(InvariantError, match="end a role's backward pass before another role computes"):
            loss.backward()


def test_a_reward_model_with_adapters_scores_merged_as_it_does_with_them(rewards, four):
    merged, _ = load_scalar(rewards["adapters"])
    made = four("adapters")
    with torch.no_grad():
        part = score(made.models, episodes(), [0.0] * 4)
        assert torch.allclose(merged.score(part.rows), part.scores, atol=1e-4)
        assert torch.allclose(merged.values(part.rows), part.values, atol=1e-4)
    assert part.scores.std() > 1e-3


def test_a_policy_adapter_begins_by_adding_nothing_and_knows_no_dropout(world, four):
    made = four("adapters")
    second = [weight for name, weight in made.policy.named_parameters() if ".lora_B." in name]
    first = [weight for name, weight in made.policy.named_parameters() if ".lora_A." in name]
    assert len(first) == len(second) == 2 * 7
    assert not any(weight.any() for weight in second)
    assert all(weight.any() for weight in first)
    base = made.models.policy.whole()
    assert not any(isinstance(part, torch.nn.Dropout) and part.p > 0 for part in base.modules())
    assert not any(part.training for part in base.modules())


def moved(four, amount=0.3):
    """Move what is trained of the policy, as an optimizer would."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in four.policy.parameters():
            weight.add_(amount * torch.randn(weight.shape, generator=generator))


@pytest.mark.parametrize("kind", LAYOUTS)
def test_samples_come_from_the_policy_as_it_is_now_and_the_reference_stays(world, four, tmp_path, kind):
    made = four(kind)
    renderer = Renderer(made.tokenizer)
    prompts = renderer.prompts_ids(world.prompts[:6])
    before = sample(made.models, renderer, prompts, 8, 5)
    moved(made)
    score(made.models, before, [0.0] * 6)  # other roles compute in between
    now = sample(made.models, renderer, prompts, 8, 5)
    (tmp_path / "model").mkdir()
    made.write(tmp_path / "model")
    written = sample(
        dataclasses.replace(made.models, policy=load_policy(tmp_path / "model")[0]), renderer, prompts, 8, 5
    )
    assert [one.row.completion for one in now] == [one.row.completion for one in written]
    assert [one.row.completion for one in now] != [one.row.completion for one in before]
    part = score(made.models, now, [0.0] * 6)
    start = completion_logprobs(load_policy(world.policy)[0], part.rows).logprobs.detach()
    assert torch.equal(part.reference, start)
    engine = torch.tensor([logprob for episode in now for logprob in episode.logprobs])
    assert torch.allclose(part.old, engine, atol=1e-4)
    assert not torch.allclose(part.old, part.reference, atol=1e-2)


def adapted(four, name, weight):
    """Add the policy's factors by hand to a weight of the base as the updates read it; without factors, give it."""
    factors = dict(four.policy.named_parameters())
    first, second = (factors.get(name.replace(".weight", f".lora_{side}.policy.weight")) for side in ("A", "B"))
    if first is None:
        return weight
    scale = LAYOUTS["adapters"].alpha / LAYOUTS["adapters"].rank
    return weight.to(torch.bfloat16).float() + (second @ first * scale).detach()


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("kind", LAYOUTS)
def test_in_bfloat16_samples_come_from_the_weights_that_updates_read_rounded_once(world, four, tmp_path, kind, again):
    made = four(kind, precision="bf16", gradient_checkpointing=again)
    moved(made)
    narrow = narrowed(to_sample(made.models.policy))
    (tmp_path / "model").mkdir()
    made.write(tmp_path / "model")
    written = load_policy(tmp_path / "model")[0].state_dict()
    if kind == "adapters":
        start = load_policy(world.policy)[0].state_dict()
        written = {name: adapted(made, name, weight) for name, weight in start.items()}
    assert narrow.state_dict().keys() == written.keys()
    for name, weight in narrow.state_dict().items():
        assert torch.equal(weight, written[name].to(torch.bfloat16)), name
    assert all(weight.dtype == torch.float32 for weight in made.policy.parameters())
    assert isinstance(network_of(narrow), Fused)


@pytest.mark.parametrize("kind", ["separate", "adapters"])
def test_frozen_products_are_kept_in_bfloat16_and_give_the_bits_of_fp32_weights_under_autocast(
    world, rewards, four, kind
):
    made = four(kind, precision="bf16")
    moved(made)
    rows = collate([episode.row for episode in episodes()])
    stacks = (made.models.reference.get_decoder(), made.models.reward.trunk)
    for stack in stacks:
        linear = [part for name, part in stack.named_modules() if type(part) is torch.nn.Linear and "lora_" not in name]
        assert {part.weight.dtype for part in linear} == {torch.bfloat16}
        assert stack.get_input_embeddings().weight.dtype == torch.float32
    part = score(made.models, episodes(), [0.0] * 4)
    wide, _ = load_policy(world.policy)
    move(wide, with_loop(PPO, "separate", precision="bf16").loop)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(part.reference, completion_logprobs(wide, rows).logprobs)
    if kind == "separate":
        scalar, _ = load_scalar(rewards[kind])
        move(scalar, with_loop(PPO, "separate", precision="bf16").loop)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(part.scores, scalar.score(rows))
    assert {weight.dtype for weight in made.start().values()} == {torch.float32}


def test_in_fp32_nothing_is_narrowed(four):
    for kind in LAYOUTS:
        models = four(kind, precision="fp32").models
        for stack in (models.reference, models.reward):
            assert {weight.dtype for weight in stack.parameters()} == {torch.float32}


def test_the_lower_layers_are_computed_once_for_all_roles_and_both_updates(four):
    made = four("shared_trunk")
    layers = made.models.policy.whole().model.layers
    calls = dict.fromkeys(range(2), 0)

    def count(number):
        calls[number] += 1

    for number in range(2):
        layers[number].mlp.register_forward_pre_hook(lambda *_, number=number: count(number))
    for micro in updates(made):
        ppo_loss(made.models, PPO, micro).value.backward()
    # The policy's own upper layer: scored once, updated once.
    assert calls == {0: 1, 1: 2}
    assert all(weight.grad is None for weight in layers[0].parameters())


def test_what_the_lower_layers_gave_is_kept_no_longer_than_the_batch(four):
    made = four("shared_trunk")
    known = made.models.policy.get_decoder().lower._known
    part = score(made.models, episodes(), [0.0] * 4)
    assert len(known) == 1
    del part
    assert len(known) == 0


class Widest(TorchDispatchMode):
    """Watch the shapes of all that is computed: the most rows of any tensor as wide as the vocabulary."""

    def __init__(self, vocabulary):
        super().__init__()
        self.vocabulary, self.rows = vocabulary, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for one in out if isinstance(out, tuple | list) else (out,):
            if isinstance(one, torch.Tensor) and one.dim() > 1 and one.shape[-1] == self.vocabulary:
                self.rows = max(self.rows, one.numel() // self.vocabulary)
        return out


@pytest.fixture(scope="session")
def wordy(world, tmp_path_factory):
    """A policy of 65,536 tokens and its reward models: 256 rows of logits are as many as may exist at once."""
    root = tmp_path_factory.mktemp("wordy")
    tokenizer = train_tokenizer(world.texts, 280)
    model = fresh(Shape(hidden=16, layers=2, heads=2, feedforward=32, context=64), tokenizer, seed=0)
    model.resize_token_embeddings(1 << 16)
    policy = save(model, tokenizer, root / "policy")
    return {kind: Parents(policy, reward(world, root / kind, kind, init=policy)) for kind in LAYOUTS}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_logits_of_all_tokens_never_exist_together(wordy, kind):
    made = load_four(wordy[kind], with_loop(PPO, kind))
    many = [Episode(Row([5, 6, 7], list(range(9, 69))), [0.0] * 60, True)] * 10
    with Widest(1 << 16) as watched:
        part = score(made.models, many, [0.0] * 10)
        [step] = steps_of([1], [part], targets([part], PPO.advantages, 0.02))
        micros = [step.parts["ppo"][0], step.parts["value"][0], *text_batch(part.rows.stream.ids, 10_000)]
        for micro in micros:
            ppo_loss(made.models, PPO, micro).value.backward()
    assert len(part.old) == 600
    assert 1 < watched.rows <= CHUNK >> 16


def test_checkpoints_hold_what_is_trained_and_nothing_else(four):
    for kind, part in (("adapters", "lora_"), ("shared_trunk", "layers.1.")):
        made = four(kind)
        names = [name for name, _ in made.policy.named_parameters()]
        assert all(part in name or name == "model.norm.weight" for name in names)
        heads = {name for name, _ in made.value.named_parameters()} & {"head.weight", "head.bias", "gain"}
        assert heads == {"head.weight", "head.bias", "gain"}


@pytest.fixture(scope="session")
def deep(world, tmp_path_factory):
    """A deeper policy, of whose compute next to nothing is attention and norms, and its reward models."""
    root = tmp_path_factory.mktemp("deep")
    shape = Shape(hidden=64, layers=6, heads=2, feedforward=192, context=64)
    tokenizer = load_policy(world.policy)[1]
    policy = save(fresh(shape, tokenizer, seed=0), tokenizer, root / "policy")
    return {kind: Parents(policy, reward(world, root / kind, kind, init=policy)) for kind in LAYOUTS}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_the_ledger_counts_what_a_counter_of_operations_sees(deep, kind):
    """Witness: torch counts the operations of every matrix product; the ledger leaves attention's own out."""
    made = load_four(deep[kind], with_loop(PPO, kind))
    whole = [Episode(Row([7], list(range(9, 39))), [0.0] * 30, True)] * 4
    tokens = 4 * 31

    def counted(do):
        with FlopCounterMode(display=False) as counter:
            do()
        return counter.get_total_flops()

    found = {}
    part = []
    found["scoring"] = counted(lambda: part.append(score(made.models, whole, [0.0] * 4)))
    [step] = steps_of([1], part, targets(part, PPO.advantages, 0.02))
    for role in ("ppo", "value"):
        found[role] = counted(lambda role=role: ppo_loss(made.models, PPO, step.parts[role][0]).value.backward())
    text = text_batch(part[0].rows.stream.ids, 10_000)[0]
    found["ptx"] = counted(lambda: ppo_loss(made.models, PPO, text).value.backward())
    work = made.work
    read = sum(work[role].flops(0, tokens) for role in ("policy", "reference", "reward scoring", "value"))
    read += work["shared trunk"].flops(0, tokens) if kind == "shared_trunk" else 0
    assert ("shared trunk" in work) == (kind == "shared_trunk")
    assert found["scoring"] == pytest.approx(read, rel=0.1)
    assert found["ppo"] == pytest.approx(work["policy"].flops(tokens), rel=0.1)
    assert found["value"] == pytest.approx(work["value"].flops(tokens), rel=0.1)
    assert found["ptx"] == pytest.approx(work["pretraining mix"].flops(tokens), rel=0.1)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_the_ledger_counts_the_other_trainers_too(deep, kind):
    init = deep[kind].policy
    rows = collate([Row([7], list(range(9, 39)))] * 4)

    def counted(learner, loss):
        with FlopCounterMode(display=False) as counter:
            loss(learner.model).backward()
        return pytest.approx(counter.get_total_flops(), rel=0.1) == learner.weights.flops(4 * 31)

    settings = with_loop(PPO, kind)
    policy = load_policy(init)[0]
    text = text_batch(rows.stream.ids, 10_000)[0]
    assert counted(policy_learner(policy, init, settings), lambda model: token_loss(model, text).value)
    policy = load_policy(init)[0]
    make = functools.partial(ScalarModel.from_policy, policy, 0, likelihood=True)
    learner = scalar_learner(policy, init, make, settings)
    assert counted(learner, lambda model: model.score(rows).sum())


def test_an_engine_that_samples_from_another_model_raises_an_alarm(world, four, tmp_path, caplog):
    made = four("separate")
    other, _ = load_policy(world.policy)
    with torch.no_grad():
        other.model.norm.weight.mul_(3)
    policy = made.models.policy
    pretender = RolePolicy(policy.model, policy.lm_head, policy.config, lambda: other)
    models = dataclasses.replace(made.models, policy=pretender)
    plan = Plan(
        batch=8, minibatch=8, max_tokens=6, advantages=PPO.advantages, max_kl=200, micro_tokens=500, ptx_rows=0,
        samples=0, seed=0,
    )  # fmt: skip
    renderer = Renderer(made.tokenizer)
    streams = Streams(prompts=renderer.prompts_ids(world.prompts), order=Shuffled(40, 0), ptx=None)
    run = Run.begin(tmp_path, stage="test", settings={}, parents={})
    Rollouts(run, plan, models, renderer, streams, FixedKL(0.1)).next_step()
    assert "the policy is trained on samples of another model than it believes" in caplog.text
