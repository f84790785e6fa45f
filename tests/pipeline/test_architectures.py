"""Models of every known family, with the traps of their tokenizers, go through the whole program and out again."""

import json
import shutil

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BloomConfig,
    FalconConfig,
    MambaConfig,
)

from tests.checkpoints import FAMILIES, TEXTS, write
from tests.train.refusals import refused
from tutelage.errors import DataError, SettingsError
from tutelage.generate.engine import Engine, complete
from tutelage.generate.request import Request
from tutelage.models import export
from tutelage.models.fetch import add
from tutelage.models.load import load_policy
from tutelage.models.papers import card
from tutelage.models.policy import branches
from tutelage.models.scalar import load_scalar
from tutelage.models.scoring import Answer, Scorer
from tutelage.models.tokens import Renderer
from tutelage.records import RankedGroup
from tutelage.runs import Run
from tutelage.train.batching import Example
from tutelage.train.four import Parents
from tutelage.train.layout import LayoutSettings
from tutelage.train.loop import LoopSettings
from tutelage.train.optimizers import Adam
from tutelage.train.ppo import PPOData, PPOSettings, train_ppo
from tutelage.train.reward import RewardData, RewardSettings, train_reward
from tutelage.train.sft import SFTData, SFTSettings, add_residual_dropout, train_sft

EXAMPLES = [Example("the cat", "sat on the mat"), Example("one two", "three")]
RANKED = [RankedGroup(prompt="the dog", completions=("sat", "eats the hat", "one"), ranks=(0, 1, 2))] * 2
ADAM = Adam(lr=1e-3)
SFT = SFTSettings(epochs=1, batch=2, pretraining_mix=0, adam=ADAM, loop=LoopSettings(), dropout=0.0)
REWARD = RewardSettings(epochs=1, batch=2, adam=ADAM)
PPO = PPOSettings(
    episodes=4, batch=4, minibatch=4, max_tokens=5, ptx_rows=1, ptx_row_tokens=16, policy=ADAM, value=ADAM, samples=1
)


def library(path):
    """A model and its tokenizer as any program loads them."""
    return AutoModelForCausalLM.from_pretrained(path).eval(), AutoTokenizer.from_pretrained(path)


@torch.no_grad()
def logprobs_of(model, ids, first):
    """The library's log-probabilities of the tokens from `first` on, each from a whole forward pass."""
    found = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return [float(found[at - 1, ids[at]]) for at in range(first, len(ids))]


def ids_of(tokenizer, prompt, completion, end):
    """A prompt as the tokenizer begins texts, and a completion, encoded apart; where the completion begins."""
    before = tokenizer(f"{prompt}\n")["input_ids"]
    return [*before, *tokenizer(completion, add_special_tokens=False)["input_ids"], end], len(before)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_of_any_family_is_added_trained_sampled_and_exported(name, tmp_path):
    source = write(name, tmp_path / "source")
    theirs, tokenizer = library(source)
    end = tokenizer.convert_tokens_to_ids(FAMILIES[name].ends[-1])
    added = add(str(source), "tiny", tmp_path / "models")

    model, own = load_policy(added)
    assert own.eos_token_id == end
    expected = [ids_of(tokenizer, example.prompt, example.completion, end) for example in EXAMPLES]
    renderer = Renderer(own)
    rendered = [renderer.prompt_ids(one.prompt) + renderer.completion_ids(one.completion) for one in EXAMPLES]
    assert rendered == [ids for ids, _ in expected]
    assert renderer.documents_ids(["one two"]) == [tokenizer("one two")["input_ids"]]
    [sampled] = complete(Engine(model, own), [Request(prompt_ids=tuple(rendered[0]), max_tokens=8, seed=1)])
    again = logprobs_of(theirs, rendered[0] + sampled.ids, len(rendered[0]))
    assert sampled.logprobs == pytest.approx(again, abs=1e-4)

    sft = train_sft(tmp_path / "sft", SFT, SFTData(EXAMPLES), added)
    losses = [-one for ids, first in expected for one in logprobs_of(theirs, ids, first)]
    assert Run.open(tmp_path / "sft").read_metrics()[0]["loss"] == pytest.approx(sum(losses) / len(losses), abs=1e-4)
    reward = train_reward(tmp_path / "reward", REWARD, RewardData(RANKED, [], EXAMPLES), sft)
    ppo = train_ppo(tmp_path / "ppo", PPO, PPOData(["the cat", "a dog"], TEXTS), Parents(sft, reward))
    assert Run.open(tmp_path / "ppo").read_metrics()[0]["rollout/logprob_mismatch"] < 1e-4
    assert json.loads((ppo / "card.json").read_text())["template"] == "plain"

    (tmp_path / "policy").mkdir()
    export.write_policy(ppo, tmp_path / "policy")
    exported, _ = library(tmp_path / "policy")
    ids = torch.tensor([rendered[0]])
    with torch.no_grad():
        torch.testing.assert_close(exported(ids).logits, load_policy(ppo)[0](ids).logits)
    check_classifier(reward, tmp_path / "classifier")


@torch.no_grad()
def check_classifier(reward, target):
    """The library's classifier gives the scores, bias and all, alone and in padded batches where there is padding."""
    target.mkdir()
    export.write_classifier(reward, target)
    answers = [Answer("the cat", "sat"), Answer("one two three", "four and the goat eats")]
    wanted = Scorer(reward).score(answers)
    bias = float(load_scalar(reward)[0].head.bias)
    assert abs(bias) > 1e-3
    with pytest.warns(UserWarning, match="has no bias"):
        model = AutoModelForSequenceClassification.from_pretrained(target).eval()
    tokenizer = AutoTokenizer.from_pretrained(target)
    end = load_policy_end(reward)
    rows = [ids_of(tokenizer, one.prompt, one.completion, end)[0] for one in answers]
    assert [float(model(torch.tensor([row])).logits) for row in rows] == pytest.approx(wanted, abs=1e-5)
    assert model.config.num_labels == 1 and model.config.score_bias == pytest.approx(bias)
    if tokenizer.pad_token_id is None:
        with pytest.raises(ValueError, match="no padding token"):
            model(torch.tensor([rows[0], rows[0]]))
        return
    width = max(map(len, rows))
    padded = torch.tensor([row + [tokenizer.pad_token_id] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    assert model(padded, attention_mask=mask).logits.flatten().tolist() == pytest.approx(wanted, abs=1e-5)


def load_policy_end(reward):
    return load_scalar(reward)[1].eos_token_id


def test_the_end_of_an_answer_is_the_one_of_the_template_if_the_model_names_it(tmp_path):
    """The others of its end tokens end texts; a card tells what was changed."""
    source = write("llama", tmp_path / "source")
    added = add(str(source), "tiny", tmp_path / "models")
    assert card(added)["end"] == "<|im_end|>"
    renderer = Renderer(load_policy(added)[1], "chat")
    ids = renderer.prompt_ids("a cat") + renderer.completion_ids("sat")
    tokenizer = AutoTokenizer.from_pretrained(source)
    turns = [{"role": "user", "content": "a cat"}, {"role": "assistant", "content": "sat"}]
    whole = tokenizer.apply_chat_template(turns, tokenize=False)
    assert ids == tokenizer(whole, add_special_tokens=False)["input_ids"][:-1]  # the line feed behind the turn


def test_a_run_records_the_template_that_it_was_trained_with(tmp_path):
    added = add(str(write("qwen2", tmp_path / "source")), "tiny", tmp_path / "models")
    chat = {"template": "chat"}
    sft = train_sft(tmp_path / "sft", SFT.model_copy(update=chat), SFTData(EXAMPLES), added)
    reward = train_reward(tmp_path / "reward", REWARD.model_copy(update=chat), RewardData(RANKED, [], EXAMPLES), sft)
    train_ppo(
        tmp_path / "ppo", PPO.model_copy(update=chat | {"ptx_coef": 0.0}), PPOData(["a cat"]), Parents(sft, reward)
    )
    plain = train_sft(tmp_path / "plain", SFT, SFTData(EXAMPLES), added)
    hashes = set()
    for name in ("sft", "reward", "ppo"):
        record = json.loads((tmp_path / name / "run.json").read_text())
        assert record["settings"]["template"] == "chat"
        assert card(tmp_path / name / "model")["template"] == "chat"
        hashes.add(record["parents"]["template"])
    assert len(hashes) == 1
    assert "template" not in json.loads((plain.parent / "run.json").read_text())["parents"]
    changed = shutil.copytree(added, tmp_path / "changed")
    (changed / "chat_template.jinja").write_text((changed / "chat_template.jinja").read_text() + "\n")
    train_sft(tmp_path / "other", SFT.model_copy(update=chat), SFTData(EXAMPLES), changed)
    assert json.loads((tmp_path / "other" / "run.json").read_text())["parents"]["template"] not in hashes


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{{ raise_exception('no turns here') }}", "fails .*no turns here"),
        ("{{ messages[0]['role'] }}", "writes the text of the user nowhere"),
        ("{{ messages[0]['content'] }}{{ messages[0]['content'] }}", "writes the text of the user twice"),
    ],
)
def test_a_chat_template_that_cannot_be_used_is_told(tmp_path, template, sentence):
    _, tokenizer = load_policy(write("qwen2", tmp_path / "source"))
    tokenizer.chat_template = template
    with pytest.raises(DataError, match=sentence):
        Renderer(tokenizer, "chat")


@pytest.mark.parametrize(
    ("name", "layout", "sentence"),
    [
        ("gpt2", {"kind": "adapters"}, "has no linear layers that adapters fit; choose layout.kind = separate"),
        ("gpt2", {"kind": "shared_trunk", "frozen_share": 0.5}, "needs a Llama-like model"),
        ("gpt_neox", {"kind": "shared_trunk", "frozen_share": 0.5}, "needs a Llama-like model"),
    ],
)
def test_what_a_family_cannot_do_is_told_before_anything_is_computed(tmp_path, name, layout, sentence):
    source = add(str(write(name, tmp_path / "source")), "tiny", tmp_path / "models")
    settings = SFT.model_copy(update={"layout": LayoutSettings(**layout)})
    told = refused(tmp_path / "run", lambda run, tell: train_sft(run, settings, SFTData(EXAMPLES), source, tell))
    assert sentence in told


@pytest.mark.parametrize(
    ("name", "ends"),
    [("gpt2", ["attn", "mlp"]), ("gpt_neox", ["attention", "mlp"]), ("llama", ["self_attn", "mlp"]),
     ("gemma3", ["post_attention_layernorm", "post_feedforward_layernorm"])],
)  # fmt: skip
def test_residual_dropout_is_where_branches_end_and_nowhere_else(name, ends, tmp_path):
    """GPT-2 drops a tenth by itself while it trains; what is dropped here is what the settings say."""
    model, _ = library(write(name, tmp_path / "source"))
    names = {module: path.rpartition(".")[2] for path, module in model.named_modules()}
    assert [names[module] for module in branches(model)] == ends * 2
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        expected = model(ids).logits
        add_residual_dropout(model.train(), 0.0)
        assert torch.equal(model(ids).logits, expected)


@pytest.mark.parametrize("name", ["gpt_neox", "gemma3"])
def test_adapters_of_a_family_are_exported_as_peft_reads_them(name, tmp_path):
    base = add(str(write(name, tmp_path / "source")), "tiny", tmp_path / "models")
    settings = SFT.model_copy(update={"layout": LayoutSettings(kind="adapters", rank=2), "adam": Adam(lr=0.1)})
    made = train_sft(tmp_path / "run", settings, SFTData(EXAMPLES), base)
    (tmp_path / "out").mkdir()
    export.write_adapted(made, base, made / "adapter", tmp_path / "out")
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        found, before = library(tmp_path / "out")[0](ids).logits, library(base)[0](ids).logits
        torch.testing.assert_close(found, load_policy(made)[0](ids).logits, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found, before, atol=0.01)


STRANGE = {
    "bloom": lambda **shared: BloomConfig(n_layer=1, n_head=2, **shared),
    "falcon": lambda **shared: FalconConfig(num_hidden_layers=1, num_attention_heads=2, alibi=True, **shared),
    "mamba": lambda **shared: MambaConfig(num_hidden_layers=1, **shared),
}


@pytest.mark.parametrize("name", STRANGE)
def test_models_without_numbered_positions_are_refused(name, tmp_path):
    source = write("gpt2", tmp_path / "source")
    rows = json.loads((source / "config.json").read_text())["vocab_size"]
    config = STRANGE[name](vocab_size=rows, hidden_size=16, eos_token_id=0)
    AutoModelForCausalLM.from_config(config).save_pretrained(source)
    with pytest.raises(DataError, match=f"is a {name} model, which .*; use a GPT-2-, GPT-NeoX-, Llama-"):
        add(str(source), "strange", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_sampling_stays_inside_the_window_of_layers_that_look_no_further(tmp_path):
    """PPO is refused before it begins when prompts and answers exceed it; the library's windows are no shorter."""
    added = add(str(write("gemma3", tmp_path / "source", sliding_window=8)), "tiny", tmp_path / "models")
    settings = PPO.model_copy(update={"max_tokens": 8})
    reward = train_reward(tmp_path / "reward", REWARD, RewardData(RANKED, [], EXAMPLES), added)
    with pytest.raises(SettingsError, match="leaves no room for a prompt in a context of 8 tokens"):
        train_ppo(tmp_path / "ppo", settings, PPOData(["a cat"], TEXTS), Parents(added, reward))
    assert not (tmp_path / "ppo").exists()
