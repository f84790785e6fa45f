"""Bad labels and prompts: one sentence before any step, in every layout, and nothing is left in the run's directory."""

import logging
import re

import pytest
import torch

from tests.train.layouts import LAYOUTS, OFTEN, PPO, with_loop
from tests.train.refusals import refused
from tutelage.config import load
from tutelage.errors import SettingsError
from tutelage.models.load import load_policy
from tutelage.records import RankedGroup
from tutelage.runs import Run
from tutelage.train.batching import Example
from tutelage.train.four import Parents
from tutelage.train.ppo import PPOData, PPOSettings, train_ppo
from tutelage.train.pretrain import PretrainSettings
from tutelage.train.reward import RewardData, RewardSettings, train_reward
from tutelage.train.sft import SFTData, SFTSettings, train_sft

LONG = "bad " * 99
TIES = [RankedGroup(prompt=f"ab {n}", completions=("a", "b", "c"), ranks=(1, 1, 1)) for n in range(3)]

EMPTY = Example("ab", " ")
ONE = RankedGroup(prompt="ab", completions=("a",), ranks=(0,))
EMPTY_CUT = RankedGroup(prompt="ab", completions=("", "a"), ranks=(1, 0), cut=(True, False))
TOO_LONG = RankedGroup(prompt=LONG, completions=("a", "b"), ranks=(1, 0))
DATA = [
    ("sft", {"train": [Example("ab", "a"), EMPTY]}, "Number 2 of the demonstrations has an empty prompt or completion"),
    ("sft", {"train": [Example(" ", "a")]}, "Number 1 of the demonstrations has an empty prompt or completion"),
    ("sft", {"heldout": [EMPTY]}, "Number 1 of the held-out demonstrations has an empty prompt or completion; remove"),
    ("sft", {"train": []}, "There are no demonstrations; give some"),
    ("sft", {"train": [Example(LONG, "a")]}, "There are no demonstrations of at most 64 tokens, the context of the"),
    ("sft", {"pretraining": []}, "pretraining_mix is above 0 but there is no pretraining text; give some, or set it"),
    ("sft", {"pretraining": ["a"]}, "The pretraining texts have 2 tokens and fill no row of 32; give more text"),
    ("reward", {"train": [*TIES, ONE]}, "Number 4 of the training rankings has 1 completion, and a ranking needs 2"),
    ("reward", {"heldout": [ONE]}, "Number 1 of the held-out rankings has 1 completion, and a ranking needs 2; remove"),
    ("reward", {"train": TIES}, r"hold no prompt with a preference .* \(of 3, 3 are all ties and 0 too long\); give"),
    ("reward", {"heldout": TIES}, r"The held-out rankings hold no prompt with a preference .*3 are all ties"),
    ("reward", {"train": [TOO_LONG]}, r"hold no prompt with a preference .* \(of 1, 0 are all ties and 1 too long\)"),
    (
        "reward",
        {"train": [EMPTY_CUT]},
        "Number 1 of the training rankings has an empty completion that was cut; remove",
    ),
    ("reward", {"train": []}, "There are no training rankings; give some"),
    ("reward", {"demonstrations": []}, "There are no demonstrations; give some"),
    ("reward", {"demonstrations": [Example(LONG, "a")]}, "There are no demonstrations of at most 64 tokens"),
    ("ppo", {"prompts": []}, "There are no prompts; give some"),
    ("ppo", {"prompts": ["ab", " "]}, "Number 2 of the prompts is empty; remove it"),
    ("ppo", {"prompts": [LONG]}, "None of the prompts has at most 58 tokens, which max_tokens leaves room for; give"),
    ("ppo", {"validation": [LONG]}, "None of the validation prompts has at most 58 tokens"),
    ("ppo", {"pretraining": []}, "ptx_coef is above 0 but there is no pretraining text; give some, or set it to 0"),
    ("ppo", {"pretraining": ["a"]}, "The pretraining texts have 2 tokens and fill no row of 16; give more text"),
]


@pytest.mark.parametrize("case", DATA, ids=lambda case: f"{case[0]}: {case[2][:40]}")
@pytest.mark.parametrize("kind", LAYOUTS)
def test_bad_data_is_told_and_the_run_begins_in_the_same_place_when_it_is_mended(world, rewards, tmp_path, kind, case):
    training, changes, sentence = case
    examples = [Example(*pair) for pair in world.examples(8)]

    def train(run_dir, progress=None, **changes):
        if training == "sft":
            data = SFTData(examples, examples[:2], world.texts)._replace(**changes)
            settings = SFTSettings(epochs=1, batch=8, mix_row_tokens=32, loop=OFTEN)
            return train_sft(run_dir, with_loop(settings, kind), data, world.policy, progress)
        if training == "reward":
            data = RewardData(world.rankings(8), world.rankings(2, seed=1), examples)._replace(**changes)
            return train_reward(run_dir, with_loop(RewardSettings(batch=8), kind), data, world.policy, progress)
        data = PPOData(world.prompts, world.texts)._replace(**changes)
        parents = Parents(world.policy, rewards[kind])
        return train_ppo(run_dir, with_loop(PPO, kind), data, parents, progress)

    told = refused(tmp_path / "run", lambda run_dir, progress: train(run_dir, progress, **changes))
    assert re.search(sentence, told), told
    if "prompts" in changes or "demonstrations" in changes:
        assert train(tmp_path / "run").is_dir()


def test_ties_are_counted_aloud_and_change_nothing(world, tmp_path, caplog):
    examples = [Example(*pair) for pair in world.examples(8)]
    made = {}
    for name, ties in (("none", []), ("some", TIES)):
        data = RewardData([*world.rankings(8), *ties], [], examples)
        with caplog.at_level(logging.WARNING):
            train_reward(tmp_path / name, RewardSettings(batch=8, loop=OFTEN), data, world.policy)
        made[name] = (tmp_path / name / "model" / "model.safetensors").read_bytes()
    assert "3 of 11 training rankings hold nothing but ties and are left out." in caplog.text
    assert made["none"] == made["some"]


def test_an_empty_answer_that_a_policy_gave_is_ranked(world, tmp_path):
    """It is a sample like any other, and labelers may like it least: the model learns to score it low."""
    examples = [Example(*pair) for pair in world.examples(8)]
    groups = [RankedGroup(prompt=prompt, completions=("", "ab ba"), ranks=(1, 0)) for prompt in world.prompts[:16]]
    settings = RewardSettings(epochs=8, batch=8, loop=OFTEN)
    train_reward(tmp_path / "run", settings, RewardData(groups, groups, examples), world.policy)
    rows = Run.open(tmp_path / "run").read_metrics()
    assert [row["heldout/accuracy"] for row in rows if "heldout/accuracy" in row][-1] == 1


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        *[(SFTSettings, one) for one in ("batch=0", "epochs=0", "epochs=-1", "dropout=1", "pretraining_mix=1.5")],
        *[(SFTSettings, one) for one in ("warmup=2", "adam.lr=-1", "adam.beta1=1", "adam.eps=0", "adam.clip=-1")],
        *[(RewardSettings, one) for one in ("batch=0", "epochs=0", "final=2")],
        *[(PretrainSettings, one) for one in ("tokens=0", "row_tokens=1", "batch_rows=0")],
        *[(PPOSettings, one) for one in ("minibatch=0", "max_tokens=0", "ptx_rows=0", "ptx_coef=-1", "kl.target=0")],
        *[(PPOSettings, one) for one in ("ema_start_left=1", "ema_decay=1", "advantages.lam=2", "clip=0")],
    ],
)
def test_numbers_that_no_training_can_use_are_refused_by_name(settings, value):
    name, number = value.split("=")
    with pytest.raises(SettingsError, match=f"--set {value}: {name} should be .*, got {number}"):
        load(settings, overrides=[value])


def test_batches_that_do_not_divide_are_refused_with_the_settings():
    with pytest.raises(SettingsError, match="^episodes = 100 must be a multiple of batch = 16, and that one of mini"):
        load(PPOSettings, overrides=["episodes=100", "batch=16", "minibatch=8"])


def test_a_completion_that_fills_the_context_is_refused(world, tmp_path):
    settings, parents = PPO.model_copy(update={"max_tokens": 64}), Parents(world.policy, world.reward)
    told = refused(
        tmp_path / "run", lambda run, tell: train_ppo(run, settings, PPOData(world.prompts, world.texts), parents, tell)
    )
    assert told == "max_tokens = 64 leaves no room for a prompt in a context of 64 tokens."


@pytest.mark.parametrize(
    ("epochs", "batch", "kept"),
    [
        (3, 24, [2, 3]),  # 10 demonstrations: the first step reads them 2.4 times, the second ends the training
        (3, 40, [3]),
        (2, 10, [1, 2]),
        (2.5, 8, [1, 2, 3]),
        (0.5, 8, [1]),
    ],
)
def test_epochs_are_numbered_by_how_often_the_data_were_read(world, tmp_path, epochs, batch, kept):
    settings = SFTSettings(epochs=epochs, batch=batch, pretraining_mix=0, keep_epochs=True, loop=OFTEN)
    data = SFTData([Example(*pair) for pair in world.examples(10)])
    made = train_sft(tmp_path / "run", settings, data, world.policy)
    found = sorted((tmp_path / "run" / "epochs").iterdir())
    assert [path.name for path in found] == [f"epoch-{number:02d}" for number in kept]
    last, final = (load_policy(path)[0].state_dict() for path in (found[-1], made))
    assert all(torch.equal(last[name], final[name]) for name in final)
