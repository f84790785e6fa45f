"""Bad models and labels at the command line: status 2, one sentence on stderr, no run directory."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.test_data import RANKED, ranked
from tutelage.cli import main
from tutelage.models.load import load_policy

LONG = "bad " * 99


@pytest.fixture
def told(tutelage, monkeypatch, capfd):
    """Give a function that runs the program as a process does, which must fail, and returns what it said."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tutelage", *map(str, arguments), "--threads", "1"])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, error = capfd.readouterr()
        assert left.value.code == 2
        assert out == ""
        [sentence] = error.splitlines()
        assert not Path("runs").exists()
        return sentence

    return run


@pytest.fixture
def files(world, written):
    """Files that can be trained on."""
    return {
        "demonstrations": written("d.jsonl", [{"prompt": p, "completion": c} for p, c in world.examples(8)]),
        "rankings": written(
            "r.jsonl", [{"prompt": g.prompt, "completions": g.completions, "ranks": g.ranks} for g in world.rankings(8)]
        ),
        "prompts": written("p.jsonl", [{"prompt": prompt} for prompt in world.prompts]),
    }


def command(world, files, training, **changed):
    """A command that would train; `changed` names other files or models."""
    used = {"init": world.policy, "reward": world.reward, **files, **changed}
    commands = {
        "sft": ("--data", used["demonstrations"], "--set=pretraining_mix=0", "--set=dropout=0"),
        "reward": ("--data", used["rankings"], "--demonstrations", used["demonstrations"]),
        "ppo": ("--data", used["prompts"], "--reward", used["reward"], "--set=ptx_coef=0", "--set=max_tokens=4"),
    }
    return ("train", training, "runs/one", "--init", used["init"], *commands[training])


@pytest.mark.parametrize("training", ["sft", "reward", "ppo"])
def test_a_model_that_is_not_whole_or_has_another_tokenizer(told, world, files, tmp_path, training):
    torn, strange = tmp_path / "torn", tmp_path / "strange"
    shutil.copytree(world.policy, torn)
    (torn / "model.safetensors").unlink()
    load_policy(world.policy)[0].save_pretrained(torn, max_shard_size="20KB")
    next(torn.glob("model-00002*")).unlink()
    assert "lacks model-00002-of-00003.safetensors, one of 3 files" in told(*command(world, files, training, init=torn))
    shutil.copytree(world.policy, strange)
    tokenizer = load_policy(world.policy)[1]
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(strange)
    assert "is not the one that the model there was written with" in told(
        *command(world, files, training, init=strange)
    )
    assert "There is no model directory nobody" in told(*command(world, files, training, init="nobody"))


def test_a_policy_and_a_reward_model_in_each_others_place(told, world, files):
    swapped = command(world, files, "ppo", init=world.reward, reward=world.policy)
    assert "is a reward or value model and writes no text" in told(*swapped)
    assert "so it is not a reward or value model" in told(*command(world, files, "ppo", reward=world.policy))
    assert "holds no adapter; train the reward model with layout.kind = adapters" in told(
        *command(world, files, "ppo", reward=shutil.copytree(world.reward, "plain", ignore=lambda *_: ["adapter"])),
        "--set=layout.kind=adapters",
    )


@pytest.mark.parametrize(
    "case",
    [
        ("sft", "demonstrations", {"prompt": "ab", "completion": ""}, "Number 1 of the demonstrations has an empty"),
        ("sft", "demonstrations", {"prompt": LONG, "completion": "a"}, "no demonstrations of at most 64 tokens"),
        ("reward", "rankings", {"prompt": "ab", "completions": ["a"], "ranks": [0]}, "has 1 completion, and a ranking"),
        ("reward", "rankings", {"prompt": "ab", "completions": ["a", "b"], "ranks": [0, 0]}, "of 1, 1 are all ties"),
        ("reward", "rankings", {"prompt": LONG, "completions": ["a", "b"], "ranks": [0, 1]}, "0 are all ties and 1"),
        ("reward", "rankings", {"prompt": "ab", "completions": ["", "b"], "ranks": [1, 0], "cut": [True, False]},
         "has an empty completion that was cut; remove it"),
        ("ppo", "prompts", {"prompt": " "}, "Number 1 of the prompts is empty; remove it"),
        ("ppo", "prompts", {"prompt": LONG}, "None of the prompts has at most 60 tokens"),
    ],
)  # fmt: skip
def test_labels_and_prompts_that_cannot_be_used(told, world, files, written, case):
    training, what, row, sentence = case
    assert sentence in told(*command(world, files, training, **{what: written("bad.jsonl", [row])}))


def test_settings_that_no_training_can_use(told, world, files):
    assert told(*command(world, files, "sft"), "--set=batch=0") == (
        "--set batch=0: batch should be greater than or equal to 1, got 0."
    )
    assert "episodes = 100 must be a multiple of batch = 64" in told(
        *command(world, files, "ppo"), "--set=episodes=100", "--set=batch=64"
    )


def test_labels_of_the_store_are_read_anew_after_a_refusal(tutelage, refused, world, written, files):
    """Nothing but ties is refused; a ranking with a preference arrives, and the same command trains."""
    everything = ("--set", "train=1.0", "--set", "validation=0.0", "--set", "test=0.0")
    tie = ranked(1)
    for output in tie["completions"]:
        output["rank"] = 0
    tutelage("labels", "import", written("ties.jsonl", [tie]), *RANKED, *everything)
    train = ("train", "reward", "runs/one", "--init", world.policy, "--threads", "1", "--set=batch=4",
             "--demonstrations", files["demonstrations"])  # fmt: skip
    assert "hold no prompt with a preference" in refused(*train)
    assert not Path("runs/one/run.json").exists()
    tutelage("labels", "import", written("more.jsonl", [ranked(2)]), *RANKED, *everything)
    assert "Model: runs/one/model" in tutelage(*train)
