"""The benchmark of training: our side does what it is asked, from the weights and tokens that the peer gets."""

import shutil

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForSequenceClassification

from benchmarks import training
from tutelage.models.load import load_policy, load_tokenizer
from tutelage.models.policy import Row, collate
from tutelage.models.scalar import load_scalar
from tutelage.models.tokens import Renderer

SFT = training.Case("sft", "tiny", "float32", 16, 16, 4, 3)
REWARD = training.Case("reward", "tiny", "float32", 16, 8, 2, 2, completions=4)
PPO = training.Case("ppo", "tiny", "float32", 8, 8, 4, 4, minibatches=2)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return training.make("tiny", tmp_path_factory.mktemp("models"))


def test_our_side_takes_the_steps_it_is_asked_for_and_says_why_it_fails(models, tmp_path):
    folder = shutil.copytree(models, tmp_path / "models")
    side = training.worker("ours", folder)
    try:
        side.wait()
        for case in (SFT, REWARD, *(PPO._replace(dtype="bfloat16", layout=layout) for layout in training.LAYOUTS)):
            answer = side.ask(training.task(case))
            assert answer["steps"] == case.steps
            assert answer["seconds"] > 0
        assert sum(answer["parts"].values()) == pytest.approx(answer["seconds"])
        assert min(answer["parts"].values()) > 0
        shutil.rmtree(folder / "policy")
        with pytest.raises(RuntimeError, match="There is no model directory .*policy"):
            side.ask(training.task(SFT))
    finally:
        side.end()


def test_words_are_read_as_the_ids_that_the_peer_gets(models):
    from benchmarks.trainer_worker import text

    renderer = Renderer(load_tokenizer(models / "policy"))
    for prompt, completion in training.items(SFT):
        assert renderer.prompt_ids(text(prompt)) == prompt
        assert renderer.completion_ids(text(completion[:-1])) == completion
        assert 4 <= len(prompt) <= 16 and 4 <= len(completion) <= 16
    assert SFT.amount == sum(map(len, (part for item in training.items(SFT) for part in item)))


@torch.no_grad()
def test_both_sides_have_the_same_reward_model(models):
    ours, _ = load_scalar(models / "reward")
    theirs = AutoModelForSequenceClassification.from_pretrained(models / "classifier")
    prompt, (completion, *_) = training.items(REWARD)[0]
    expected = theirs(input_ids=torch.tensor([prompt + completion])).logits[0, 0]
    torch.testing.assert_close(ours.score(collate([Row(prompt, completion)]))[0], expected)


@torch.no_grad()
def test_operations_of_a_pass_are_those_that_torch_counts(models):
    policy, _ = load_policy(models / "policy")
    policy.set_attn_implementation("eager")  # looks from everywhere to everywhere, masked afterwards
    with FlopCounterMode(display=False) as counted:
        policy(input_ids=torch.arange(3, 27).unsqueeze(0), use_cache=False)
    assert counted.get_total_flops() == training._pass("tiny", 24, 24 * 24, 24)
