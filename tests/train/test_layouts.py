"""Each layout of the models trains, resumes and writes as it says; what makes no sense is refused."""

import functools

import pytest
import torch
from peft import PeftModel

from tests.train.layouts import LAYOUTS, OFTEN, PPO, SHARING, reward, sft, with_loop
from tutelage import config
from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.files import read_json, sha256_of
from tutelage.models.load import load_policy, save
from tutelage.models.scalar import load_scalar
from tutelage.runs import Run
from tutelage.train.batching import Example
from tutelage.train.four import Parents
from tutelage.train.layout import LayoutSettings
from tutelage.train.loop import LoopSettings
from tutelage.train.optimizers import Adam
from tutelage.train.ppo import PPOData, PPOSettings, train_ppo
from tutelage.train.reward import RewardData, RewardSettings, train_reward
from tutelage.train.sft import SFTData, SFTSettings, train_sft

#: Peft asks a model by a name that transformers will drop.
THIRD_PARTY = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


class Stop(Exception):
    """Stands for anything that ends a process."""


def train_in_layout(world, run_dir, rewards, kind, progress=None, **loop):
    parents = Parents(world.policy, rewards[kind])
    return train_ppo(run_dir, with_loop(PPO, kind, **loop), PPOData(world.prompts, world.texts), parents, progress)


@pytest.fixture
def ppo(world, rewards):
    """Give a function that trains PPO in a layout."""
    return lambda run_dir, *arguments, **loop: train_in_layout(world, run_dir, rewards, *arguments, **loop)


@pytest.fixture
def whole_ppo(whole, rewards):
    """Give a function that trains PPO in a layout in one go, once for all tests."""
    return functools.partial(whole, train_in_layout, rewards)


def interrupted(train, run_dir, at):
    """Train with a stop after a step, and go on."""

    def stop(step, *_):
        if step == at:
            raise Stop

    with pytest.raises(Stop):
        train(run_dir, stop)
    return train(run_dir, None)


def hashes(made, *names):
    return [sha256_of(made.parent / name) for name in names]


@pytest.mark.parametrize("kind", SHARING)
@pytest.mark.parametrize("trainer", [sft, reward])
@pytest.mark.parametrize("loop", [{}, {"precision": "bf16", "gradient_checkpointing": True}], ids=["plain", "spare"])
def test_interrupted_it_ends_with_the_same_bytes(world, whole, tmp_path, trainer, kind, loop):
    again = interrupted(lambda run, stop: trainer(world, run, kind, stop, **loop), tmp_path / "run", 3)
    assert hashes(again, "model") == hashes(whole(trainer, kind, **loop), "model")


@pytest.mark.parametrize("kind", SHARING)
@pytest.mark.parametrize(("at", "loop"), [(1, {}), (2, {}), (3, {}), (3, {"precision": "bf16"})])
def test_interrupted_ppo_ends_with_the_same_bytes(ppo, whole_ppo, tmp_path, kind, at, loop):
    again = interrupted(lambda run, stop: ppo(run, kind, stop, **loop), tmp_path / "run", at)
    model, ema = hashes(again, "model", "ema")
    assert [model, ema] == hashes(whole_ppo(kind, **loop), "model", "ema")
    assert model != ema


@pytest.mark.parametrize("kind", LAYOUTS)
def test_gradient_checkpointing_changes_no_bit(ppo, whole_ppo, tmp_path, kind):
    again = ppo(tmp_path / "run", kind, gradient_checkpointing=True)
    assert hashes(again, "model", "ema") == hashes(whole_ppo(kind), "model", "ema")


@pytest.mark.parametrize("kind", SHARING)
def test_watching_the_policy_changes_nothing_but_what_is_logged(world, rewards, whole_ppo, tmp_path, kind):
    """Validation puts the average in the policy's place, samples, scores, and puts the policy back."""
    parents, data = Parents(world.policy, rewards[kind]), PPOData(world.prompts, world.texts)
    often = with_loop(PPO, kind, evaluate_every=1)
    watched = train_ppo(tmp_path / "run", often, data._replace(validation=world.prompts[:4]), parents)
    assert hashes(watched, "model", "ema") == hashes(whole_ppo(kind), "model", "ema")
    rows = Run.open(tmp_path / "run").read_metrics()[:4]
    assert all(row["validation/ema/kl"] != row["validation/policy/kl"] for row in rows)


@pytest.mark.parametrize("kind", SHARING)
def test_epochs_that_are_kept_are_plain_models_too(whole, kind):
    made = whole(sft, kind)
    first, last = sorted((made.parent / "epochs").iterdir())
    assert sha256_of(last) == sha256_of(made) != sha256_of(first)
    load_policy(first)


@pytest.mark.parametrize("kind", SHARING)
def test_only_the_policys_part_of_the_policy_is_trained(world, whole_ppo, kind):
    start, now = (load_policy(path)[0].state_dict() for path in (world.policy, whole_ppo(kind)))
    changed = {name for name in start if not torch.equal(start[name], now[name])}
    if kind == "shared_trunk":
        assert changed and all(".layers.1." in name or name == "model.norm.weight" for name in changed)
        return
    assert changed == {name for name in start if "_proj" in name}
    for name in changed:
        assert torch.linalg.matrix_rank(now[name] - start[name], rtol=1e-3) <= 3


@pytest.mark.parametrize("trainer", [sft, reward])
@pytest.mark.parametrize("kind", SHARING)
def test_only_a_part_is_trained_by_the_other_trainers_too(world, whole, trainer, kind):
    load = load_scalar if trainer is reward else load_policy
    model = load(whole(trainer, kind))[0]
    now = (model.trunk if trainer is reward else model.model).state_dict()
    start = load_policy(world.policy)[0].model.state_dict()
    changed = {name for name in start if not torch.equal(start[name], now[name])}
    allowed = ("layers.1.", "norm.weight") if kind == "shared_trunk" else ("_proj",)
    assert changed and all(any(part in name for part in allowed) for name in changed)
    assert not any(name.startswith("layers.0.") for name in changed) or kind == "adapters"


@THIRD_PARTY
def test_what_is_written_is_the_base_with_the_adapter_beside_it(world, whole_ppo):
    """Witness: peft reads the adapter by itself and puts it on the base."""
    made = whole_ppo("adapters")
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


def spent(made):
    return {role: one.flops for role, one in Run.open(made.parent).ledger.totals().items()}


def test_sharing_costs_less_than_training_everything(whole_ppo):
    roles = {kind: spent(whole_ppo(kind)) for kind in LAYOUTS}
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
        sft(world, tmp_path / "run", kind, processes=2)
    assert not (tmp_path / "run").exists()


def test_a_launchers_variable_without_its_processes_does_not_matter(world, tmp_path, monkeypatch):
    """What counts is how many processes train together (see test_ranks.py)."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert sft(world, tmp_path / "run", "adapters").is_dir()


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
