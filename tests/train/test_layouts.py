"""Each layout of the models trains, resumes, writes and counts as it says; what makes no sense is refused."""

import pytest
import torch
from peft import PeftModel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from tutelage import config
from tutelage.errors import DataError, InvariantError, MissingError, SettingsError
from tutelage.files import read_json, sha256_of
from tutelage.models.load import Shape, fresh, load_policy, save
from tutelage.models.policy import CHUNK, Row, completion_logprobs
from tutelage.models.scalar import load_scalar
from tutelage.models.tokenizer import train_tokenizer
from tutelage.models.tokens import Renderer
from tutelage.runs import Run
from tutelage.train.batching import Example, text_batch
from tutelage.train.experience import targets
from tutelage.train.four import Parents, load_four
from tutelage.train.layout import LayoutSettings
from tutelage.train.loop import LoopSettings
from tutelage.train.optimizers import Adam
from tutelage.train.ppo import KLSettings, PPOData, PPOSettings, ppo_loss, train_ppo
from tutelage.train.reward import RewardData, RewardSettings, train_reward
from tutelage.train.rollout import Episode, sample, score, steps_of
from tutelage.train.sft import SFTData, SFTSettings, train_sft

LAYOUTS = {
    "separate": LayoutSettings(),
    "adapters": LayoutSettings(kind="adapters", rank=3, alpha=6),
    "shared_trunk": LayoutSettings(kind="shared_trunk", frozen_share=0.5),
}
SHARING = ["adapters", "shared_trunk"]
OFTEN = LoopSettings(checkpoint_every=2, evaluate_every=3, micro_tokens=128)
PPO = PPOSettings(
    episodes=32,
    batch=16,
    minibatch=8,
    max_tokens=6,
    ptx_coef=1.0,
    ptx_rows=2,
    ptx_row_tokens=16,
    kl=KLSettings(kind="adaptive", target=0.1, horizon=100),
    policy=Adam(lr=1e-2),
    value=Adam(lr=1e-2),
    loop=LoopSettings(checkpoint_every=2, micro_tokens=80),
)


#: Peft asks a model by a name that transformers will drop.
THIRD_PARTY = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


class Stop(Exception):
    """Stands for anything that ends a process."""


def with_loop(settings, kind, **loop):
    return settings.model_copy(update={"layout": LAYOUTS[kind], "loop": settings.loop.model_copy(update=loop)})


def sft(world, run_dir, kind, progress=None, **loop):
    settings = SFTSettings(epochs=2, batch=8, dropout=0.1, mix_row_tokens=32, adam=Adam(lr=1e-2), loop=OFTEN)
    examples = [Example(*pair) for pair in world.examples(20)]
    data = SFTData(examples[:16], examples[16:], world.texts)
    return train_sft(run_dir, with_loop(settings, kind, **loop), data, world.policy, progress)


def reward(world, run_dir, kind, progress=None, init=None, **loop):
    settings = RewardSettings(epochs=2, batch=8, likelihood=True, adam=Adam(lr=1e-2), loop=OFTEN)
    demonstrations = [Example(*pair) for pair in world.examples(8)]
    data = RewardData(world.rankings(16), world.rankings(6, seed=1), demonstrations)
    return train_reward(run_dir, with_loop(settings, kind, **loop), data, init or world.policy, progress)


@pytest.fixture(scope="session")
def rewards(world, tmp_path_factory):
    """Reward models of the world's policy, one trained in each layout."""
    root = tmp_path_factory.mktemp("rewards")
    return {kind: reward(world, root / kind, kind) for kind in LAYOUTS}


@pytest.fixture
def ppo(world, rewards):
    """Give a function that trains PPO in a layout."""

    def train(run_dir, kind, progress=None, **loop):
        parents = Parents(world.policy, rewards[kind])
        return train_ppo(run_dir, with_loop(PPO, kind, **loop), PPOData(world.prompts, world.texts), parents, progress)

    return train


@pytest.fixture
def four(world, rewards):
    """Give a function that loads the four models of PPO in a layout."""

    def load(kind, **loop):
        return load_four(Parents(world.policy, rewards[kind]), with_loop(PPO, kind, **loop))

    return load


def interrupted(train, root, at, names):
    """Train once in one go and once with a stop; give the hashes of what both made."""

    def stop(step, *_):
        if step == at:
            raise Stop

    whole = train(root / "whole", None)
    with pytest.raises(Stop):
        train(root / "broken", stop)
    again = train(root / "broken", None)
    return [[sha256_of(path.parent / name) for name in names] for path in (whole, again)]


@pytest.mark.parametrize("kind", SHARING)
@pytest.mark.parametrize("trainer", [sft, reward])
@pytest.mark.parametrize("loop", [{}, {"precision": "bf16", "gradient_checkpointing": True}], ids=["plain", "spare"])
def test_interrupted_it_ends_with_the_same_bytes(world, tmp_path, trainer, kind, loop):
    whole, again = interrupted(lambda run, stop: trainer(world, run, kind, stop, **loop), tmp_path, 3, ["model"])
    assert whole == again


@pytest.mark.parametrize("kind", SHARING)
@pytest.mark.parametrize(("at", "loop"), [(1, {}), (2, {}), (3, {}), (3, {"precision": "bf16"})])
def test_interrupted_ppo_ends_with_the_same_bytes(ppo, tmp_path, kind, at, loop):
    whole, again = interrupted(lambda run, stop: ppo(run, kind, stop, **loop), tmp_path, at, ["model", "ema"])
    assert whole == again
    assert whole[0] != whole[1]


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
def test_gradient_checkpointing_changes_no_bit(ppo, tmp_path, kind):
    plain = ppo(tmp_path / "plain", kind)
    again = ppo(tmp_path / "again", kind, gradient_checkpointing=True)
    for name in ("model", "ema"):
        assert sha256_of(plain.parent / name) == sha256_of(again.parent / name)


def episodes():
    """Ragged episodes with fixed tokens."""
    generator = torch.Generator().manual_seed(0)

    def ids(count):
        return torch.randint(2, 270, (count,), generator=generator).tolist()

    return [Episode(Row(ids(a), ids(b)), [0.0] * b, True) for a, b in [(3, 5), (7, 1), (2, 9), (4, 4)]]


def updates(four):
    """The micro-batches of one update on the fixed episodes: the policy's and the value model's."""
    part = score(four.models, episodes(), [0.0] * 4)
    [step] = steps_of([1], [part], targets([part], PPO.advantages, 0.02))
    return step.parts["ppo"][0], step.parts["value"][0]


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


@pytest.mark.parametrize("kind", SHARING)
def test_only_the_policys_part_of_the_policy_is_trained(world, ppo, tmp_path, kind):
    start, now = (load_policy(path)[0].state_dict() for path in (world.policy, ppo(tmp_path / "run", kind)))
    changed = {name for name in start if not torch.equal(start[name], now[name])}
    if kind == "shared_trunk":
        assert changed and all(".layers.1." in name or name == "model.norm.weight" for name in changed)
        return
    assert changed == {name for name in start if "_proj" in name}
    for name in changed:
        assert torch.linalg.matrix_rank(now[name] - start[name], rtol=1e-3) <= 3


@pytest.mark.parametrize("trainer", [sft, reward])
@pytest.mark.parametrize("kind", SHARING)
def test_only_a_part_is_trained_by_the_other_trainers_too(world, tmp_path, trainer, kind):
    load = load_scalar if trainer is reward else load_policy
    model = load(trainer(world, tmp_path / "run", kind))[0]
    now = (model.trunk if trainer is reward else model.model).state_dict()
    start = load_policy(world.policy)[0].model.state_dict()
    changed = {name for name in start if not torch.equal(start[name], now[name])}
    allowed = ("layers.1.", "norm.weight") if kind == "shared_trunk" else ("_proj",)
    assert changed and all(any(part in name for part in allowed) for name in changed)
    assert not any(name.startswith("layers.0.") for name in changed) or kind == "adapters"


@THIRD_PARTY
def test_what_is_written_is_the_base_with_the_adapter_beside_it(world, ppo, tmp_path):
    """Witness: peft reads the adapter by itself and puts it on the base."""
    made = ppo(tmp_path / "run", "adapters")
    ids = torch.tensor([[5, 9, 11, 40, 7]])
    for path in (made, made.parent / "ema"):
        wrapped = PeftModel.from_pretrained(load_policy(world.policy)[0], path / "adapter")
        with torch.no_grad():
            expected, found = wrapped(input_ids=ids).logits, load_policy(path)[0](input_ids=ids).logits
            base = load_policy(world.policy)[0](input_ids=ids).logits
        assert torch.allclose(found, expected, atol=1e-5)
        assert (found - base).abs().max() > 1e-3
        told = read_json(path / "adapter" / "adapter_config.json")
        assert (told["r"], told["lora_alpha"], told["lora_dropout"]) == (3, 6, 0.0)


def test_a_reward_model_with_adapters_scores_merged_as_it_does_with_them(rewards, four):
    merged, _ = load_scalar(rewards["adapters"])
    made = four("adapters")
    with torch.no_grad():
        part = score(made.models, episodes(), [0.0] * 4)
        assert torch.allclose(merged.score(part.rows), part.scores, atol=1e-4)
        assert torch.allclose(merged.values(part.rows), part.values, atol=1e-4)
    assert part.scores.std() > 1e-3


@THIRD_PARTY
def test_adapters_are_merged_into_weights_of_fp32_whatever_the_base_was_stored_as(world, tmp_path):
    """In bf16 most of what an adapter adds would be rounded away."""
    model, tokenizer = load_policy(world.policy)
    base = save(model.bfloat16(), tokenizer, tmp_path / "bf16")
    data = SFTData([Example(*pair) for pair in world.examples(8)])
    settings = SFTSettings(epochs=1, batch=4, pretraining_mix=0, adam=Adam(lr=1e-4), layout=LAYOUTS["adapters"])
    made = train_sft(tmp_path / "run", settings.model_copy(update={"loop": LoopSettings(precision="bf16")}), data, base)
    wrapped = PeftModel.from_pretrained(load_policy(base)[0], made / "adapter").merge_and_unload().state_dict()
    for name, weight in load_policy(made, dtype="auto")[0].state_dict().items():
        assert weight.dtype == torch.float32
        assert torch.allclose(weight, wrapped[name], atol=1e-7, rtol=0)


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
    before = sample(made.models.policy, renderer, prompts, 8, 5)
    moved(made)
    score(made.models, before, [0.0] * 6)  # other roles compute in between
    now = sample(made.models.policy, renderer, prompts, 8, 5)
    (tmp_path / "model").mkdir()
    made.write(tmp_path / "model")
    written = sample(load_policy(tmp_path / "model")[0], renderer, prompts, 8, 5)
    assert [one.row.completion for one in now] == [one.row.completion for one in written]
    assert [one.row.completion for one in now] != [one.row.completion for one in before]
    part = score(made.models, now, [0.0] * 6)
    start = completion_logprobs(load_policy(world.policy)[0], part.rows).logprobs.detach()
    assert torch.equal(part.reference, start)
    engine = torch.tensor([logprob for episode in now for logprob in episode.logprobs])
    assert torch.allclose(part.old, engine, atol=1e-4)
    assert not torch.allclose(part.old, part.reference, atol=1e-2)


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
        micros = [step.parts["ppo"][0], step.parts["value"][0], *text_batch(part.rows.ids, 10_000)]
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


def spent(run):
    return {role: one.flops for role, one in Run.open(run).ledger.totals().items()}


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
    text = text_batch(part[0].rows.ids, 10_000)[0]
    found["ptx"] = counted(lambda: ppo_loss(made.models, PPO, text).value.backward())
    work = made.work
    read = sum(work[role].flops(0, tokens) for role in ("policy", "reference", "reward scoring", "value"))
    read += work["shared trunk"].flops(0, tokens) if kind == "shared_trunk" else 0
    assert ("shared trunk" in work) == (kind == "shared_trunk")
    assert found["scoring"] == pytest.approx(read, rel=0.1)
    assert found["ppo"] == pytest.approx(work["policy"].flops(tokens), rel=0.1)
    assert found["value"] == pytest.approx(work["value"].flops(tokens), rel=0.1)
    assert found["ptx"] == pytest.approx(work["pretraining mix"].flops(tokens), rel=0.1)


def test_sharing_costs_less_than_training_everything(world, ppo, tmp_path):
    roles = {kind: (ppo(tmp_path / kind, kind), spent(tmp_path / kind))[1] for kind in LAYOUTS}
    assert roles["shared_trunk"]["shared trunk"] > 0
    for kind in SHARING:
        assert roles[kind]["policy"] < roles["separate"]["policy"]
        assert roles[kind]["value"] < roles["separate"]["value"]
    totals = {kind: sum(found.values()) for kind, found in roles.items()}
    assert totals["shared_trunk"] < totals["separate"]


@pytest.mark.parametrize("other", ["separate", "adapters"])
def test_a_reward_model_of_another_trunk_is_refused(world, rewards, tmp_path, other):
    parents = Parents(world.policy, rewards[other])
    with pytest.raises(DataError, match=r"differ below layer 1, first in .*; with a shared trunk, train the reward"):
        train_ppo(tmp_path, with_loop(PPO, "shared_trunk"), PPOData(world.prompts, world.texts), parents)


@pytest.mark.parametrize("other", ["separate", "shared_trunk"])
def test_a_reward_model_without_an_adapter_is_refused(world, rewards, tmp_path, other):
    parents = Parents(world.policy, rewards[other])
    with pytest.raises(MissingError, match="holds no adapter; train the reward model with layout.kind = adapters"):
        train_ppo(tmp_path, with_loop(PPO, "adapters"), PPOData(world.prompts, world.texts), parents)


def test_an_adapter_of_another_base_is_refused(world, rewards, tmp_path):
    model, tokenizer = load_policy(world.policy)
    with torch.no_grad():
        model.model.norm.weight[0] += 1e-3
    parents = Parents(save(model, tokenizer, tmp_path / "other"), rewards["adapters"])
    with pytest.raises(DataError, match="belongs to another base; train the reward model from the policy that PPO"):
        train_ppo(tmp_path / "run", with_loop(PPO, "adapters"), PPOData(world.prompts, world.texts), parents)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"kind": "adapters", "rank": 16}, "layout.rank is 16; choose 1 to 15, below the width of q_proj"),
        ({"kind": "adapters", "modules": ("q_proj", "q")}, "layout.modules names q; the model has q_proj, k_proj"),
        ({"kind": "shared_trunk", "frozen_share": 0.1}, "layout.frozen_share = 0.1 freezes 0 of 2 layers"),
        ({"kind": "shared_trunk", "frozen_share": 0.9}, "layout.frozen_share = 0.9 freezes 2 of 2 layers"),
    ],
)
def test_layouts_that_do_not_fit_the_model_are_refused(world, tmp_path, layout, message):
    settings = SFTSettings(pretraining_mix=0, layout=LayoutSettings(**layout))
    with pytest.raises(SettingsError, match=message):
        train_sft(tmp_path, settings, SFTData([Example("ab", "ba")]), world.policy)


@pytest.mark.parametrize("value", ["rank=0", "alpha=0", "frozen_share=0", "frozen_share=1", "frozen_share=1.5"])
def test_numbers_that_make_no_sense_are_refused_by_name(value):
    with pytest.raises(SettingsError, match=f"layout.{value.split('=')[0]}"):
        config.load(PPOSettings, overrides=[f"layout.{value}"])


@pytest.mark.parametrize("kind", SHARING)
def test_several_processes_are_refused(world, tmp_path, kind):
    with pytest.raises(SettingsError, match=f"layout.kind = {kind} has been tested in one process only"):
        sft(world, tmp_path, kind, processes=2)


def test_torchrun_is_refused(world, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingsError, match="leave out torchrun, or choose separate"):
        sft(world, tmp_path, "adapters")


def test_muon_is_refused_for_factors(world, tmp_path):
    settings = SFTSettings(pretraining_mix=0, layout=LAYOUTS["adapters"], adam=Adam(muon_lr=0.02))
    with pytest.raises(SettingsError, match="Muon is for whole matrices"):
        train_sft(tmp_path, settings, SFTData([Example("ab", "ba")]), world.policy)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_likelihoods_need_an_output_layer_that_is_the_embedding(world, tmp_path, kind):
    init = save(untied(world), load_policy(world.policy)[1], tmp_path / "untied")
    with pytest.raises(SettingsError, match="reward.likelihood needs a model whose output layer is its embedding"):
        reward(world, tmp_path / "run", kind, init=init)


def untied(world):
    """The world's policy with an output layer of its own."""
    from transformers import LlamaForCausalLM

    model, _ = load_policy(world.policy)
    config = model.config.__class__(**{**model.config.to_dict(), "tie_word_embeddings": False})
    made = LlamaForCausalLM(config)
    made.load_state_dict(model.state_dict())
    return made.eval()


@pytest.mark.parametrize("kind", SHARING)
def test_an_output_layer_of_its_own_belongs_to_the_role(world, tmp_path, kind):
    init = save(untied(world), load_policy(world.policy)[1], tmp_path / "untied")
    settings = RewardSettings(epochs=1, batch=8, loop=OFTEN, layout=LAYOUTS[kind])
    data = RewardData(world.rankings(8), [], [Example(*pair) for pair in world.examples(4)])
    parents = Parents(init, train_reward(tmp_path / "reward", settings, data, init))
    made = train_ppo(tmp_path / "run", with_loop(PPO, kind), PPOData(world.prompts, world.texts), parents)
    start, now = (load_policy(path)[0].lm_head.weight for path in (init, made))
    assert torch.equal(start, now) == (kind == "adapters")
    rows = Run.open(tmp_path / "run").read_metrics()
    assert rows[0]["objective/kl"] == 0
