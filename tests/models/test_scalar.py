"""Scalar models score where they should, share prompts without changing scores, and survive being written."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.models.policy import Row, collate
from tutelage.models.prefix import Group, collate_groups
from tutelage.models.scalar import HEAD_FILE, ScalarModel, load_scalar, save_scalar
from tutelage.models.scoring import Answer, Scorer, score_rows
from tutelage.models.tokens import Renderer


@pytest.fixture
def scalar(model):
    made = ScalarModel.from_policy(model, seed=2)
    with torch.no_grad():
        made.head.bias.fill_(0.25)
    return made


def alone(scalar, ids):
    """The scalar at every position of one sequence, from trunk and head by hand."""
    hidden = scalar.trunk(input_ids=torch.tensor([ids])).last_hidden_state[0]
    return (hidden @ scalar.head.weight[0] + scalar.head.bias).tolist()


def test_scores_are_read_at_the_last_token_and_values_before_each(scalar):
    rows = [Row([5, 6, 7], [8, 9]), Row([4], [3, 2, 1])]
    with torch.no_grad():
        scores, values = scalar.score(collate(rows)).tolist(), scalar.values(collate(rows)).tolist()
        one, two = alone(scalar, [5, 6, 7, 8, 9]), alone(scalar, [4, 3, 2, 1])
    assert scores == pytest.approx([one[-1], two[-1]], abs=1e-5)
    assert values == pytest.approx(one[2:4] + two[0:3], abs=1e-5)


def test_a_shared_prompt_scores_as_separate_rows(scalar):
    groups = [Group([5, 6, 7], [[8], [9, 4, 4], [1, 2]]), Group([3], [[3, 3, 3], [2]])]
    with torch.no_grad():
        shared = scalar.score_groups(collate_groups(groups)).tolist()
        apart = [alone(scalar, [*group.prompt, *ids])[-1] for group in groups for ids in group.completions]
    assert shared == pytest.approx(apart, abs=1e-5)


def test_completions_of_a_group_do_not_see_each_other(scalar):
    with torch.no_grad():
        one = scalar.score_groups(collate_groups([Group([5, 6], [[8, 8], [9]])]))
        other = scalar.score_groups(collate_groups([Group([5, 6], [[1, 2], [9]])]))
    assert one[1] == pytest.approx(float(other[1]), abs=1e-6)
    assert one[0] != other[0]


@pytest.fixture
def likely(model):
    made = ScalarModel.from_policy(model, seed=2, likelihood=True)
    with torch.no_grad():
        made.gain.fill_(0.7)
    return made


def by_hand(model, likely, prompt, completion):
    """The head's score plus 0.7 times the mean log-probability, from the policy's own logits."""
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *completion]])).logits[0].log_softmax(-1)
    logprobs = [float(logits[len(prompt) + i - 1, token]) for i, token in enumerate(completion)]
    return alone(likely, [*prompt, *completion])[-1] + 0.7 * sum(logprobs) / len(logprobs)


def test_with_likelihood_a_score_counts_the_mean_logprob_of_the_completion(model, likely):
    groups = [Group([5, 6, 7], [[8], [9, 4, 4], [1, 2]]), Group([3], [[3, 3, 3], [2]])]
    pairs = [(group.prompt, ids) for group in groups for ids in group.completions]
    with torch.no_grad():
        apart = likely.score(collate([Row(*pair) for pair in pairs])).tolist()
        shared = likely.score_groups(collate_groups(groups)).tolist()
    expected = [by_hand(model, likely, *pair) for pair in pairs]
    assert apart == pytest.approx(expected, abs=1e-5)
    assert shared == pytest.approx(expected, abs=1e-5)


def test_with_likelihood_values_are_the_heads_alone(likely):
    with torch.no_grad():
        assert likely.values(collate([Row([5], [8, 9])])).tolist() == pytest.approx(alone(likely, [5, 8]), abs=1e-5)


def test_the_gain_is_written_and_one_of_another_model_is_told(likely, tokenizer, tmp_path):
    path = save_scalar(likely, tokenizer, tmp_path / "rm")
    rows = [Row([5, 6, 7], [8, 9]), Row([4], [3, 2, 1])]
    assert score_rows(load_scalar(path)[0], rows) == score_rows(likely, rows)
    head = load_file(path / HEAD_FILE)
    save_file(head | {"gain": head["gain"] + 1}, path / HEAD_FILE)
    with pytest.raises(DataError, match="do not belong together"):
        load_scalar(path)


def test_likelihood_needs_tied_weights(model):
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    with pytest.raises(SettingsError, match=r"reward\.likelihood needs"):
        ScalarModel.from_policy(model, seed=2, likelihood=True)


def test_the_trunk_is_a_copy(model, scalar):
    with torch.no_grad():
        scalar.trunk.get_input_embeddings().weight.zero_()
    assert model.get_input_embeddings().weight.abs().sum() > 0


def test_a_written_model_scores_the_same(scalar, tokenizer, tmp_path):
    loaded, _ = load_scalar(save_scalar(scalar, tokenizer, tmp_path / "rm"))
    rows = [Row([5, 6, 7], [8, 9]), Row([4], [3, 2, 1])]
    assert score_rows(loaded, rows) == score_rows(scalar, rows)
    assert loaded.head.weight.dtype == torch.float32


def test_the_head_stays_fp32_under_a_half_precision_trunk(scalar, tokenizer, tmp_path):
    path = save_scalar(scalar, tokenizer, tmp_path / "rm")
    loaded, _ = load_scalar(path, dtype=torch.bfloat16)
    assert loaded.trunk.dtype == torch.bfloat16
    assert loaded.head.weight.dtype == loaded.head.bias.dtype == torch.float32
    assert torch.equal(loaded.head.bias, scalar.head.bias)


def test_the_head_computes_in_fp32_under_autocast(scalar):
    """In bfloat16 close scores would be equal: each is the sum of products in fp64, up to rounding in fp32."""
    hidden = torch.randn(1, 64, scalar.head.in_features, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        scores = scalar.at(hidden, torch.arange(64))
    expected = hidden[0].double() @ scalar.head.weight[0].double() + scalar.head.bias.double()
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores.double(), expected, atol=1e-6, rtol=1e-6)


def test_a_lost_head_is_told(scalar, tokenizer, tmp_path):
    path = save_scalar(scalar, tokenizer, tmp_path / "rm")
    (path / HEAD_FILE).unlink()
    with pytest.raises(MissingError, match="not a reward or value model"):
        load_scalar(path)


@pytest.mark.parametrize("name", ["bias", "weight"])
def test_a_head_of_another_model_is_told(scalar, tokenizer, tmp_path, name):
    path = save_scalar(scalar, tokenizer, tmp_path / "rm")
    head = load_file(path / HEAD_FILE)
    head[name] = head[name] + 1
    save_file(head, path / HEAD_FILE)
    with pytest.raises(DataError, match="do not belong together"):
        load_scalar(path)


def test_a_policy_is_not_taken_for_a_reward_model(model_dir):
    with pytest.raises(MissingError, match="not a reward or value model"):
        load_scalar(model_dir)


def test_texts_are_scored_with_their_end_token_unless_cut(scalar, tokenizer, tmp_path):
    scorer = Scorer(save_scalar(scalar, tokenizer, tmp_path / "rm"))
    renderer = Renderer(tokenizer)
    prompt, words = renderer.prompt_ids("the cat"), renderer.completion_ids("sat on", end=False)
    with torch.no_grad():
        expected = [alone(scalar, [*prompt, *words, renderer.end_id])[-1], alone(scalar, [*prompt, *words])[-1]]
    found = scorer.score([Answer("the cat", "sat on"), Answer("the cat", "sat on", ended=False)])
    assert found == pytest.approx(expected, abs=1e-5)


def test_nothing_at_all_has_no_score(scalar):
    with pytest.raises(DataError, match="without a single token"):
        score_rows(scalar, [Row([1, 2], [])])


def test_the_configuration_next_to_the_head_is_plain_json(scalar, tokenizer, tmp_path):
    path = save_scalar(scalar, tokenizer, tmp_path / "rm")
    assert json.loads((path / "config.json").read_text())["hidden_size"] == 16
