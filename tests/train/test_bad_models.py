"""Bad models and checkpoints: one sentence before any step, and nothing is left in the run's directory."""

import json
import logging
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.train.layouts import LAYOUTS, OFTEN, PPO, with_loop
from tests.train.refusals import refused
from tests.train.small_ppo import Stop
from tutelage.errors import DataError
from tutelage.files import sha256_of
from tutelage.models.adapters import FOLDER, Adapters, Lora
from tutelage.models.load import Shape, fresh, load_policy, load_tokenizer, save
from tutelage.models.scalar import HEAD_FILE, ScalarModel, load_scalar, save_scalar
from tutelage.models.tokenizer import train_tokenizer
from tutelage.runs import Run
from tutelage.train.batching import Example
from tutelage.train.four import Parents
from tutelage.train.ppo import PPOData, train_ppo
from tutelage.train.reward import RewardData, RewardSettings, train_reward
from tutelage.train.sft import SFTData, SFTSettings, train_sft

SHAPE = Shape(hidden=16, layers=2, heads=2, feedforward=32, context=64)


def other_words():
    return train_tokenizer(["hello world, other words entirely"] * 9, 280)


def changed(source, target, change):
    """Copy a model directory and change its tensors."""
    shutil.copytree(source, target)
    tensors = load_file(target / "model.safetensors")
    change(tensors)
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    return target


def half(tensors):
    """Give a third of the tensors each precision, as files that were put together from several do."""
    for number, name in enumerate(tensors):
        tensors[name] = tensors[name].to([torch.float16, torch.bfloat16, torch.float32][number % 3])


def larger_tokenizer(source, target):
    shutil.copytree(source, target)
    config = json.loads((target / "config.json").read_text())
    del config["vocabulary_sha256"]  # a model that was not written here has none
    (target / "config.json").write_text(json.dumps(config))
    train_tokenizer(["hello world, other words entirely"] * 9, 290).save_pretrained(target)


def swapped_tokenizer(source, target):
    shutil.copytree(source, target)
    other_words().save_pretrained(target)


def other_end(source, target):
    shutil.copytree(source, target)
    tokenizer = load_tokenizer(target)
    tokenizer.eos_token = tokenizer.pad_token
    tokenizer.save_pretrained(target)


def no_end(source, target):
    shutil.copytree(source, target)
    tokenizer = load_tokenizer(target)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(target)


def in_shards(source, target):
    """Write the weights of a policy or of a reward model as several files with an index."""
    shutil.copytree(source, target)
    (target / "model.safetensors").unlink()
    is_scalar = (source / HEAD_FILE).is_file()
    model = load_scalar(source)[0].trunk if is_scalar else load_policy(source)[0]
    model.save_pretrained(target, max_shard_size="20KB")
    return sorted(target.glob("model-*.safetensors"))


def missing_shard(source, target):
    in_shards(source, target)[-1].unlink()


def missing_index(source, target):
    in_shards(source, target)
    (target / "model.safetensors.index.json").unlink()


def missing_tensor(source, target):
    changed(source, target, lambda tensors: tensors.pop(next(name for name in tensors if "up_proj" in name)))


def whole_numbers(source, target):
    def change(tensors):
        name = next(name for name in tensors if "up_proj" in name)
        tensors[name] = tensors[name].to(torch.int8)

    changed(source, target, change)


def not_finite(source, target):
    changed(source, target, lambda tensors: tensors[next(iter(tensors))].view(-1)[7:8].fill_(float("nan")))


def quantised(source, target):
    shutil.copytree(source, target)
    config = json.loads((target / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (target / "config.json").write_text(json.dumps(config))


def nowhere(source, target):
    pass


BROKEN = {
    larger_tokenizer: r"has the token '\S+' with the number \d+, and the model knows 280 tokens: it belongs to another",
    swapped_tokenizer: "is not the one that the model there was written with; copy that one back, or",
    no_end: "has no end token",
    missing_shard: r"lacks model-00003-of-00003.safetensors, one of 3 files that \S+index.json names; copy it there",
    missing_index: r"holds model-00001-of-00003.safetensors but neither model.safetensors nor \S+index.json; copy that",
    missing_tensor: r"lack \S*layers.0.mlp.up_proj.weight \(1 of the model's tensors in all\); copy them again",
    whole_numbers: "is of the kind I8; give weights in fp32, fp16 or bf16, mixed or not",
    not_finite: "holds numbers that are not finite; take an earlier version of it",
    quantised: "is quantised, and only plain weights are read here; name the model it was made from",
    nowhere: "There is no model directory",
}
ONLY_POLICY = {
    other_end: r"ends a text with '<\|pad\|>', number 0, and the model's configuration with number 1: copy",
}


def trainings(world, policy, reward_model, *, steps=1, checkpoint_every=2):
    """Every training, from these models: functions of the run's directory and of who is told of each step."""
    examples = [Example(*pair) for pair in world.examples(8)]
    loop = OFTEN.model_copy(update={"checkpoint_every": checkpoint_every})
    tuned = SFTSettings(epochs=steps, batch=8, pretraining_mix=0, loop=loop)
    judged = RewardSettings(epochs=steps, batch=8, loop=loop)
    asked = PPO.model_copy(update={"episodes": 8 * steps, "batch": 8, "loop": loop})
    ranked, prompts = RewardData(world.rankings(8), [], examples), PPOData(world.prompts, world.texts)
    return {
        "sft": lambda run, tell: train_sft(run, tuned, SFTData(examples), policy, tell),
        "reward": lambda run, tell: train_reward(run, judged, ranked, policy, tell),
        "ppo": lambda run, tell: train_ppo(run, asked, prompts, Parents(policy, reward_model), tell),
    }


@pytest.mark.parametrize("harm", [*BROKEN, *ONLY_POLICY], ids=lambda harm: harm.__name__)
def test_a_broken_model_is_told_by_every_training(world, tmp_path, harm):
    broken = tmp_path / "broken"
    harm(world.policy, broken)
    for name, train in trainings(world, broken, world.reward).items():
        told = refused(tmp_path / name, train)
        assert re.search((BROKEN | ONLY_POLICY)[harm], told) and str(broken) in told, told


@pytest.mark.parametrize("harm", BROKEN, ids=lambda harm: harm.__name__)
def test_a_broken_reward_model_is_told(world, tmp_path, harm):
    broken = tmp_path / "broken"
    harm(world.reward, broken)
    told = refused(tmp_path / "run", trainings(world, world.policy, broken)["ppo"])
    # Two models with different tokenizers are told first.
    assert re.search(f"{BROKEN[harm]}|have different tokenizers", told) and str(broken) in told, told


def test_shards_that_are_all_there_are_read(world, tmp_path):
    in_shards(world.policy, tmp_path / "policy")
    in_shards(world.reward, tmp_path / "reward")
    made = trainings(world, tmp_path / "policy", tmp_path / "reward")["ppo"](tmp_path / "shards", None)
    same = trainings(world, world.policy, world.reward)["ppo"](tmp_path / "one", None)
    assert sha256_of(made) == sha256_of(same)


def test_tensors_that_nothing_uses_are_told(world, tmp_path, caplog):
    made = changed(world.policy, tmp_path / "more", lambda tensors: tensors.update({"score.weight": torch.ones(1, 1)}))
    with caplog.at_level(logging.WARNING):
        load_policy(made)
    assert f"{made} holds 1 tensors that no model of its kind uses, such as score.weight." in caplog.text


@pytest.mark.parametrize("name", ["sft", "reward", "ppo"])
def test_a_reward_model_is_no_policy(world, tmp_path, name):
    told = refused(tmp_path / "run", trainings(world, world.reward, world.reward)[name])
    assert "is a reward or value model and writes no text; name the policy that it was made from." in told


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("stranger", ["tokenizer", "width", "adapter", "policy"])
def test_a_reward_model_that_does_not_fit_is_told_in_every_layout(world, tmp_path, kind, stranger):
    """Another width is no mistake where nothing is shared: the paper's reward model is smaller than its policy."""
    tokenizer = load_tokenizer(world.policy)
    base = fresh(SHAPE.model_copy(update={"hidden": 32, "layers": 3}), tokenizer, seed=4)
    scalar = ScalarModel.from_policy(load_policy(world.policy)[0] if stranger == "tokenizer" else base, 0)
    made = save_scalar(scalar, other_words() if stranger == "tokenizer" else tokenizer, tmp_path / "judge")
    if stranger == "adapter":
        adapters = Adapters(base)
        adapters.add("reward", Lora(rank=3, alpha=6), seed=0)
        adapters.write(made / FOLDER, "reward")
    if stranger == "policy":
        made = world.policy

    def train(run_dir, progress=None):
        data, parents = PPOData(world.prompts, world.texts), Parents(world.policy, made)
        return train_ppo(run_dir, with_loop(PPO, kind), data, parents, progress)

    if kind == "separate" and stranger in ("width", "adapter"):
        assert train(tmp_path / "run").is_dir()
        return
    base_told = {
        "adapters": r"holds no adapter; train the reward model with layout.kind = adapters from the same policy",
        "shared_trunk": "differ below layer 1, first in embedding; with a shared trunk, train the reward model from",
    }
    sentences = {
        "tokenizer": "have different tokenizers; train them from the same base model",
        "width": base_told.get(kind),
        "adapter": {**base_told, "adapters": "belongs to another base; train the reward model from the policy"}.get(
            kind
        ),
        "policy": "so it is not a reward or value model; name one that is|" + base_told.get(kind, "^$"),
    }
    told = refused(tmp_path / "run", train)
    assert re.search(sentences[stranger], told), told


def test_a_reward_model_that_knows_fewer_tokens_than_the_policy_writes_is_told(world, tmp_path):
    """Embeddings are often padded beyond the tokenizer, and a policy may sample what is there."""
    policy, tokenizer = load_policy(world.policy)
    policy.resize_token_embeddings(288, mean_resizing=False)
    padded = save(policy, tokenizer, tmp_path / "padded")
    told = refused(tmp_path / "run", trainings(world, padded, world.reward)["ppo"])
    assert "can write 288 tokens and the reward model" in told
    assert "reads 280; train the reward model from the same base" in told


def test_prompts_leave_room_in_the_shorter_context_of_the_reward_model(world, tmp_path, caplog):
    tokenizer = load_tokenizer(world.policy)
    short = fresh(SHAPE.model_copy(update={"context": 12}), tokenizer, seed=2)
    judge = save_scalar(ScalarModel.from_policy(short, 0), tokenizer, tmp_path / "judge")
    with caplog.at_level(logging.WARNING):
        trainings(world, world.policy, judge)["ppo"](tmp_path / "run", None)
    assert re.search(r"\d+ of 40 prompts are longer than 6 tokens and are left out", caplog.text)


def mixed(world, tmp_path):
    """The world's policy and reward model, their tensors in three precisions."""
    return changed(world.policy, tmp_path / "policy", half), changed(world.reward, tmp_path / "reward", half)


def test_files_of_mixed_precision_are_read_into_fp32(world, tmp_path):
    policy, judge = mixed(world, tmp_path)
    kinds = {tensor.dtype for tensor in load_file(policy / "model.safetensors").values()}
    assert kinds == {torch.float16, torch.bfloat16, torch.float32}
    for path, model in ((policy, load_policy(policy)[0]), (judge, load_scalar(judge)[0].trunk)):
        stored = load_file(path / "model.safetensors")
        assert {weight.dtype for weight in model.parameters()} == {torch.float32}
        own = model.state_dict()
        assert all(torch.equal(own[name], tensor.float()) for name, tensor in stored.items())


@pytest.mark.parametrize("name", ["sft", "reward", "ppo"])
def test_from_files_of_mixed_precision_an_interrupted_run_ends_with_the_same_bytes(world, tmp_path, name):
    policy, judge = mixed(world, tmp_path)
    train = trainings(world, policy, judge, steps=4)[name]
    whole = train(tmp_path / "whole", None)
    with pytest.raises(Stop):
        train(tmp_path / "broken", stop_at(3))
    assert sha256_of(train(tmp_path / "broken", None)) == sha256_of(whole)
    [written] = (whole).glob("model.safetensors")
    assert {tensor.dtype for tensor in load_file(written).values()} == {torch.float32}


def stop_at(step):
    def stop(now, *_):
        if now == step:
            raise Stop

    return stop


def shard_gone(checkpoint):
    next(checkpoint.glob("*.safetensors")).unlink()


def state_gone(checkpoint):
    (checkpoint / "state.json").unlink()


def shard_cut(checkpoint):
    shard = next(checkpoint.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-50])


def unbroken(world, run_dir, name):
    return trainings(world, world.policy, world.reward, steps=4, checkpoint_every=1)[name](run_dir, None)


def left(world, run_dir, name):
    """Leave a run behind at its last step, with two checkpoints."""
    with pytest.raises(Stop):
        trainings(world, world.policy, world.reward, steps=4, checkpoint_every=1)[name](run_dir, stop_at(4))
    return run_dir


@pytest.mark.parametrize("name", ["sft", "reward", "ppo"])
@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (shard_gone, r"lacks \S+\.safetensors; copy it back, or delete the directory to go on from another"),
        (state_gone, r"lacks state\.json; copy it back, or delete the directory"),
        (shard_cut, r"A file of the checkpoint \S+ is damaged .*; delete the directory"),
    ],
    ids=["shard gone", "state gone", "shard cut"],
)
def test_a_checkpoint_that_is_not_whole_is_told_and_the_one_before_it_leads_to_the_same_bytes(
    world, whole, tmp_path, name, harm, sentence
):
    """Nothing goes on silently from an older one: that is for the user to say."""
    train = trainings(world, world.policy, world.reward, steps=4, checkpoint_every=1)[name]
    shutil.copytree(whole(left, name), tmp_path / "run")
    newest = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1]
    harm(newest)
    before = Run.open(tmp_path / "run").read_metrics()
    with pytest.raises(DataError, match=sentence):
        train(tmp_path / "run", stop_at(1))
    assert Run.open(tmp_path / "run").read_metrics() == before
    shutil.rmtree(newest)
    made = train(tmp_path / "run", None)
    assert sha256_of(made) == sha256_of(whole(unbroken, name))
