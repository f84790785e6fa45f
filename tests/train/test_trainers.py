"""Pretraining, fine-tuning and the reward model: they learn, resume exactly, and tell what they cannot use."""

import logging
import math
import random
from contextlib import nullcontext

import pytest
import torch

from tutelage.errors import DataError, InvariantError, MissingError, SettingsError, UserError
from tutelage.files import sha256_of
from tutelage.models.load import load_policy
from tutelage.models.policy import Row
from tutelage.models.scalar import ScalarModel, load_scalar
from tutelage.models.scoring import Answer, Scorer
from tutelage.models.tokens import Renderer
from tutelage.records import RankedGroup
from tutelage.runs import Run
from tutelage.train.batching import Example, completion_batch, encode_examples, text_batch
from tutelage.train.loop import LoopSettings
from tutelage.train.optimizers import Adam, make_optimizers
from tutelage.train.pretrain import PretrainSettings, Texts, measure, train_pretrain
from tutelage.train.reward import (
    RewardData,
    RewardSettings,
    encode_groups,
    ranked_batch,
    reward_loss,
    set_bias,
    train_reward,
)
from tutelage.train.sft import SFTData, SFTSettings, add_residual_dropout, train_sft

OFTEN = LoopSettings(checkpoint_every=2, evaluate_every=3, micro_tokens=256)
PRETRAIN = PretrainSettings(tokens=2048, row_tokens=32, batch_rows=8, adam=Adam(lr=1e-2), loop=OFTEN)
SFT = SFTSettings(epochs=2, batch=8, dropout=0.1, mix_row_tokens=32, keep_epochs=True, loop=OFTEN)
REWARD = RewardSettings(epochs=2, batch=8, adam=Adam(lr=1e-2), loop=OFTEN)


class Stop(Exception):
    """Stands for anything that ends a process."""


def pretrain(world, run_dir, settings=PRETRAIN, progress=None):
    return train_pretrain(run_dir, settings, Texts(world.texts[:50], world.texts[50:]), world.policy, progress)


def sft(world, run_dir, settings=SFT, progress=None):
    examples = [Example(*pair) for pair in world.examples(40)]
    data = SFTData(examples[:32], examples[32:], world.texts)
    return train_sft(run_dir, settings, data, world.policy, progress)


def reward(world, run_dir, settings=REWARD, progress=None):
    demonstrations = [Example(*pair) for pair in world.examples(10)]
    data = RewardData(world.rankings(32), world.rankings(10, seed=1), demonstrations)
    return train_reward(run_dir, settings, data, world.policy, progress)


TRAINERS = pytest.mark.parametrize("train", [pretrain, sft, reward])


@TRAINERS
@pytest.mark.parametrize("at", [1, 4, 7])
def test_interrupted_and_called_again_ends_with_the_same_bytes(world, whole, tmp_path, train, at):
    unbroken = whole(train)

    def stop(step, *_):
        if step == at:
            raise Stop

    with pytest.raises(Stop):
        train(world, tmp_path / "broken", progress=stop)
    again = train(world, tmp_path / "broken")
    assert sha256_of(again) == sha256_of(unbroken)
    logged = [[row["step"] for row in Run.open(path.parent).read_metrics()] for path in (unbroken, again)]
    assert logged[0] == logged[1]


@TRAINERS
def test_a_finished_run_is_returned_at_once_and_keeps_no_checkpoints(world, tmp_path, train):
    steps = []
    first = train(world, tmp_path / "run")
    second = train(world, tmp_path / "run", progress=lambda *told: steps.append(told))
    assert first == second
    assert steps == []
    assert not (tmp_path / "run" / "checkpoints").exists()


@TRAINERS
def test_another_seed_in_the_same_directory_is_refused(world, tmp_path, train):
    train(world, tmp_path / "run")
    other = {pretrain: PRETRAIN, sft: SFT, reward: REWARD}[train].model_copy(update={"seed": 5})
    with pytest.raises(UserError, match="made from something else"):
        train(world, tmp_path / "run", other)


@TRAINERS
def test_a_missing_start_is_told(world, tmp_path, train):
    gone = type(world)(world.root, tmp_path / "nowhere", world.reward, world.texts, world.prompts)
    with pytest.raises(MissingError, match="nowhere"):
        train(gone, tmp_path / "run")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"adam": Adam(lr=1e-2, muon_lr=0.02)}, id="muon"),
        pytest.param({"loop": OFTEN.model_copy(update={"precision": "bf16"})}, id="bf16"),
    ],
)
def test_with_other_settings_too_an_interrupted_run_ends_with_the_same_bytes(world, whole, tmp_path, changes):
    settings = PRETRAIN.model_copy(update=changes)
    unbroken = pretrain(world, tmp_path / "whole", settings)

    def stop(step, *_):
        if step == 5:
            raise Stop

    with pytest.raises(Stop):
        pretrain(world, tmp_path / "broken", settings, stop)
    assert sha256_of(pretrain(world, tmp_path / "broken", settings)) == sha256_of(unbroken)
    assert sha256_of(whole(pretrain)) != sha256_of(unbroken)


def test_muon_leaves_the_matrices_that_it_shall_skip_to_adam(world):
    model, _ = load_policy(world.policy)
    named = dict(model.named_parameters())
    adam, muon = make_optimizers(model, Adam(muon_lr=0.02, muon_skip=("layers.0.self_attn",)))
    taken = {id(weight) for group in muon.param_groups for weight in group["params"]}
    left = {id(weight) for group in adam.param_groups for weight in group["params"]}
    assert id(named["model.layers.0.self_attn.q_proj.weight"]) in left
    assert id(named["model.layers.0.mlp.up_proj.weight"]) in taken
    assert id(named["model.embed_tokens.weight"]) in left
    assert taken.isdisjoint(left) and len(taken) + len(left) == len(list(model.parameters()))


def test_in_bf16_the_weights_stay_fp32_and_the_loss_falls_as_far(world, tmp_path):
    losses = {}
    for precision in ("fp32", "bf16"):
        loop = PRETRAIN.loop.model_copy(update={"precision": precision})
        settings = PRETRAIN.model_copy(update={"tokens": 8192, "loop": loop})
        made = pretrain(world, tmp_path / precision, settings)
        rows = Run.open(tmp_path / precision).read_metrics()
        losses[precision] = [row["heldout/loss"] for row in rows if "heldout/loss" in row][-1]
        assert {weight.dtype for weight in load_policy(made)[0].parameters()} == {torch.float32}
    assert losses["bf16"] == pytest.approx(losses["fp32"], abs=0.05)
    assert losses["bf16"] != losses["fp32"]


def test_nothing_needs_to_be_held_out(world, tmp_path):
    train_pretrain(tmp_path / "base", PRETRAIN, Texts(world.texts), world.policy)
    data = RewardData(world.rankings(16), [], [Example(*pair) for pair in world.examples(4)])
    train_reward(tmp_path / "reward", REWARD, data, world.policy)
    for name in ("base", "reward"):
        run = Run.open(tmp_path / name)
        assert not any(key.startswith("heldout") for row in run.read_metrics() for key in row)
        [spent] = run.ledger.totals().values()
        assert spent.seconds > 0
        assert spent.flops > 0


def test_pretraining_lowers_the_heldout_loss(world, tmp_path):
    settings = PRETRAIN.model_copy(update={"tokens": 8192})
    pretrain(world, tmp_path / "run", settings)
    heldout = [row["heldout/loss"] for row in Run.open(tmp_path / "run").read_metrics() if "heldout/loss" in row]
    assert heldout[0] < math.log(280) + 0.1
    assert heldout[-1] < heldout[0] - 0.5


def test_rows_longer_than_the_context_are_refused(world, tmp_path):
    with pytest.raises(SettingsError, match="row_tokens is 65; choose 2 to 64"):
        pretrain(world, tmp_path / "run", PRETRAIN.model_copy(update={"row_tokens": 65}))


def test_a_device_that_is_not_there_is_told(world, tmp_path):
    is_there = torch.cuda.is_available()
    with nullcontext() if is_there else pytest.raises(SettingsError, match="torch finds no CUDA device here"):
        pretrain(world, tmp_path / "run", PRETRAIN.model_copy(update={"loop": LoopSettings(device="cuda")}))


def test_less_than_one_batch_is_refused(world, tmp_path):
    with pytest.raises(SettingsError, match="less than one batch"):
        pretrain(world, tmp_path / "run", PRETRAIN.model_copy(update={"tokens": 10}))


def test_the_completion_loss_is_the_mean_over_completion_tokens(world):
    model, tokenizer = load_policy(world.policy, dtype=torch.float64)
    rows = encode_examples([Example(*pair) for pair in world.examples(6)], Renderer(tokenizer), 64, "demonstrations")
    losses = []
    for row in rows:
        logits = model(input_ids=torch.tensor([[*row.prompt, *row.completion]])).logits[0].detach()
        first = len(row.prompt) - 1
        for place, token in enumerate(row.completion):
            losses.append(float(torch.nn.functional.cross_entropy(logits[first + place], torch.tensor(token))))
    for budget in (20, 64, 1000):
        assert measure(model, completion_batch(rows, budget)) == pytest.approx(sum(losses) / len(losses), abs=1e-6)


def test_text_counts_every_token_but_the_first_of_a_row():
    micros = text_batch(torch.arange(12).reshape(3, 4), budget=8, share=0.5)
    assert [micro.rows.targets.tolist() for micro in micros] == [[1, 2, 3, 5, 6, 7], [9, 10, 11]]
    assert sum(float(micro.weights.sum()) for micro in micros) == pytest.approx(0.5)


def test_every_epoch_is_kept_on_request(whole):
    made = whole(sft)
    kept = sorted((made.parent / "epochs").iterdir())
    assert [path.name for path in kept] == ["epoch-01", "epoch-02"]
    last, final = load_policy(kept[-1])[0].state_dict(), load_policy(made)[0].state_dict()
    assert all(torch.equal(last[name], final[name]) for name in final)
    assert not torch.equal(load_policy(kept[0])[0].lm_head.weight, load_policy(kept[1])[0].lm_head.weight)


def test_epochs_that_end_inside_a_batch_are_kept_after_it(world, tmp_path):
    sft(world, tmp_path / "run", SFT.model_copy(update={"epochs": 3.0, "batch": 24}))
    assert len(list((tmp_path / "run" / "epochs").iterdir())) == 3


def test_residual_dropout_drops_only_while_training(world):
    model, _ = load_policy(world.policy)
    add_residual_dropout(model, 0.5)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        plain = load_policy(world.policy)[0](input_ids=ids).logits
        assert torch.equal(model(input_ids=ids).logits, plain)
        model.train()
        torch.manual_seed(0)
        assert not torch.allclose(model(input_ids=ids).logits, plain)


def test_dropout_is_refused_where_the_branches_are_unknown(world):
    from transformers import BloomConfig, BloomForCausalLM

    with pytest.raises(SettingsError, match="not known for bloom models"):
        add_residual_dropout(BloomForCausalLM(BloomConfig(vocab_size=9, hidden_size=8, n_layer=1, n_head=1)), 0.1)


def test_a_mix_without_text_is_refused(world, tmp_path):
    with pytest.raises(DataError, match="no pretraining text"):
        train_sft(tmp_path / "run", SFT, SFTData([Example("a", "b")]), world.policy)


@pytest.mark.parametrize("example", [Example("", "b"), Example("a", " ")])
def test_empty_demonstrations_are_told_by_number(world, tmp_path, example):
    with pytest.raises(DataError, match="Number 2 of the demonstrations has an empty"):
        train_sft(tmp_path / "run", SFT, SFTData([Example("a", "b"), example], pretraining=world.texts), world.policy)


def test_long_demonstrations_are_left_out_aloud(world, caplog):
    _, tokenizer = load_policy(world.policy)
    with caplog.at_level(logging.WARNING):
        rows = encode_examples(
            [Example("a", "b"), Example("a", "bad " * 99)], Renderer(tokenizer), 64, "demonstrations"
        )
    assert len(rows) == 1
    assert "1 of 2 demonstrations are longer than 64 tokens" in caplog.text


def test_long_prompts_are_left_out_by_their_own_limit(world, caplog):
    renderer = Renderer(load_policy(world.policy)[1])
    long = len(renderer.prompt_ids("bad " * 9))
    examples = [Example("bad " * 9, "a"), Example("a", "bad " * 9)]
    rankings = [RankedGroup(prompt=one.prompt, completions=(one.completion, "b"), ranks=(0, 1)) for one in examples]
    assert len(encode_examples(examples, renderer, 64, "demonstrations", long)) == 2
    assert len(encode_groups(rankings, renderer, 64, "rankings", long)) == 2
    with caplog.at_level(logging.WARNING):
        [row] = encode_examples(examples, renderer, 64, "demonstrations", long - 1)
        [ranked] = encode_groups(rankings, renderer, 64, "rankings", long - 1)
    assert row.prompt == ranked.group.prompt == renderer.prompt_ids("a")
    for what in ("demonstrations", "rankings"):
        assert f"1 of 2 prompts of {what} are longer than {long - 1} tokens" in caplog.text


def test_nothing_but_long_demonstrations_is_told(world):
    _, tokenizer = load_policy(world.policy)
    with pytest.raises(DataError, match="no demonstrations of at most 64 tokens"):
        encode_examples([Example("a", "bad " * 99)], Renderer(tokenizer), 64, "demonstrations")


def test_the_reward_model_learns_and_demonstrations_score_zero(world, tmp_path):
    path = reward(world, tmp_path / "run", REWARD.model_copy(update={"epochs": 10.0}))
    rows = Run.open(tmp_path / "run").read_metrics()
    accuracy = [row["heldout/accuracy"] for row in rows if "heldout/accuracy" in row]
    assert accuracy[-1] > 0.9
    scorer = Scorer(path)
    scores = scorer.score([Answer(*pair) for pair in world.examples(10)])
    assert sum(scores) / len(scores) == pytest.approx(0, abs=1e-4)
    assert max(scores) - min(scores) > 0.01
    assert abs(rows[-1]["demonstrations/mean"]) < 1e-4


def test_a_zero_head_begins_with_equal_scores_and_learns(world, tmp_path):
    reward(world, tmp_path / "run", REWARD.model_copy(update={"epochs": 20.0, "head": "zero"}))
    rows = Run.open(tmp_path / "run").read_metrics()
    assert rows[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert [row["heldout/accuracy"] for row in rows if "heldout/accuracy" in row][-1] > 0.9


def by_hand(model, group, renderer):
    """The loss of one prompt from the definition: every completion alone, every pair in a loop."""
    prompt = renderer.prompt_ids(group.prompt)
    scores = []
    for text in group.completions:
        ids = torch.tensor([[*prompt, *renderer.completion_ids(text)]])
        hidden = model.trunk(input_ids=ids).last_hidden_state[0, -1]
        scores.append(float(hidden @ model.head.weight[0] + model.head.bias))
    losses = [
        -math.log(1 / (1 + math.exp(-(scores[i] - scores[j]))))
        for i in range(len(scores))
        for j in range(len(scores))
        if group.ranks[i] < group.ranks[j]
    ]
    return sum(losses) / len(losses)


@pytest.mark.parametrize("budget", [1, 200, 10_000])
def test_the_ranking_loss_is_the_mean_over_prompts_of_the_mean_over_pairs(world, budget):
    policy, tokenizer = load_policy(world.policy, dtype=torch.float64)
    model, renderer = ScalarModel.from_policy(policy, 3), Renderer(tokenizer)
    groups = world.rankings(7)
    encoded = encode_groups(groups, renderer, 64, "rankings")
    with torch.no_grad():
        micros = ranked_batch(encoded, budget)
        found = sum(float(reward_loss(model, micro).value) for micro in micros)
        assert found == pytest.approx(sum(by_hand(model, group, renderer) for group in groups) / 7, abs=1e-6)


def test_prompts_whose_completions_all_tie_do_not_count(world):
    _, tokenizer = load_policy(world.policy)
    tied = RankedGroup(prompt="ab", completions=("a", "b", "c"), ranks=(1, 1, 1))
    kept = encode_groups([tied, *world.rankings(2)], Renderer(tokenizer), 64, "rankings")
    assert len(kept) == 2
    with pytest.raises(DataError, match="no prompt with a preference"):
        encode_groups([tied], Renderer(tokenizer), 64, "rankings")


def test_cut_completions_get_no_end_token(world):
    _, tokenizer = load_policy(world.policy)
    group = RankedGroup(prompt="ab", completions=("a", "b"), ranks=(0, 1), cut=(True, False))
    [encoded] = encode_groups([group], Renderer(tokenizer), 64, "rankings")
    ends = [ids[-1] == tokenizer.eos_token_id for ids in encoded.group.completions]
    assert ends == [False, True]


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (RankedGroup(prompt=" ", completions=("a", "b"), ranks=(0, 1)), "Number 1 of the rankings has an empty prompt"),
        (
            RankedGroup(prompt="a", completions=("a", "b"), ranks=(0,)),
            "2 completions and 1 ranks; give one rank for each",
        ),
        (RankedGroup(prompt="a", completions=("a",), ranks=(0,)), "has 1 completion, and a ranking needs 2; remove it"),
        (
            RankedGroup(prompt="a", completions=("a", "b"), ranks=(0, 1), cut=(True,)),
            "2 completions and 1 cut marks; give one for each, or none",
        ),
        (
            RankedGroup(prompt="a", completions=("", "b"), ranks=(0, 1), cut=(True, False)),
            "empty completion that was cut",
        ),
    ],
)
def test_rankings_that_make_no_sense_are_told(world, group, message):
    _, tokenizer = load_policy(world.policy)
    with pytest.raises(DataError, match=message):
        encode_groups([group], Renderer(tokenizer), 64, "rankings")


def test_an_empty_completion_that_ended_by_itself_is_ranked(world):
    _, tokenizer = load_policy(world.policy)
    group = RankedGroup(prompt="a", completions=("", "b"), ranks=(1, 0))
    [encoded] = encode_groups([group], Renderer(tokenizer), 64, "rankings")
    assert encoded.group.completions[0] == [tokenizer.eos_token_id]


def test_a_bias_that_cannot_be_set_is_noticed(world):
    model, _ = load_scalar(world.reward)
    with torch.no_grad():
        model.head.weight.fill_(math.nan)
    with pytest.raises(InvariantError, match="must score 0"):
        set_bias(model, [Row([1, 2], [3])])


def test_padding_and_neighbours_do_not_reach_a_group(world):
    policy, tokenizer = load_policy(world.policy, dtype=torch.float64)
    model = ScalarModel.from_policy(policy, 3)
    encoded = encode_groups(world.rankings(9), Renderer(tokenizer), 64, "rankings")
    random.Random(0).shuffle(encoded)
    with torch.no_grad():
        together = ranked_batch(encoded, 100_000)
        assert len(together) == 1
        apart = [float(reward_loss(model, ranked_batch([one], 1)[0]).value) for one in encoded]
        assert float(reward_loss(model, together[0]).value) == pytest.approx(sum(apart) / 9, abs=1e-9)
