"""Log-probabilities of completions equal those of the whole model, row by row, whatever stands beside them."""

import pytest
import torch

from tutelage.models.policy import Row, branches, collate, completion_logprobs, cut, of_width, spread

ROWS = [Row([5, 6, 7], [8, 9]), Row([4], [3, 2, 1, 9, 9]), Row([7, 7, 7, 7], [1])]


def whole(model, row):
    """The log-probability of each completion token by the model's own logits, one row alone, no padding."""
    ids = torch.tensor([[*row.prompt, *row.completion]])
    logp = model(input_ids=ids).logits.log_softmax(-1)[0]
    first = len(row.prompt)
    return [float(logp[first + t - 1, token]) for t, token in enumerate(row.completion)]


def test_completions_are_scored_as_by_the_whole_model(model):
    with torch.no_grad():
        found = completion_logprobs(model, collate(ROWS)).logprobs.tolist()
        assert found == pytest.approx([p for row in ROWS for p in whole(model, row)], abs=1e-5)


def test_the_mask_counts_completion_tokens_and_nothing_else():
    rows = collate(ROWS)
    expected = [[0, 0, 0, 1, 1, 0], [0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1, 0]]
    assert rows.mask.int().tolist() == expected
    assert rows.targets.tolist() == [8, 9, 3, 2, 1, 9, 9, 1]


def test_whole_rows_of_text_count_but_for_their_first_tokens():
    rows = of_width(torch.tensor([[5, 6, 7], [8, 9, 4]]))
    assert rows.targets.tolist() == [6, 7, 9, 4]
    assert rows.before.tolist() == [0, 1, 3, 4]
    assert rows.mask.tolist() == [[False, True, True]] * 2


def test_only_positions_before_completion_tokens_get_gradients(model):
    rows = collate(ROWS)
    kept = {}
    hook = model.get_decoder().register_forward_hook(lambda _, __, out: kept.update(h=out.last_hidden_state))
    logprobs = completion_logprobs(model, rows).logprobs
    hook.remove()
    kept["h"].retain_grad()
    logprobs.sum().backward()
    moved = kept["h"].grad.abs().sum(-1) > 0
    assert moved.int().tolist() == [[0, 0, 1, 1, 0, 0], [1, 1, 1, 1, 1, 0], [0, 0, 0, 1, 0, 0]]


def test_a_first_token_without_a_prompt_does_not_count():
    assert collate([Row([], [4, 5])]).targets.tolist() == [5]


def test_flat_values_return_to_their_places():
    mask = torch.tensor([[False, True, True], [False, False, True]])
    assert spread(torch.tensor([1.0, 2.0, 3.0]), mask).tolist() == [[0, 1, 2], [0, 0, 3]]


@pytest.mark.parametrize("budget", [1, 7, 20, 1000])
def test_cutting_keeps_every_row_once_and_the_budget(budget):
    lengths = [3, 9, 1, 4, 4, 12, 2]
    parts = cut(lengths, budget)
    assert sorted(i for part in parts for i in part) == list(range(len(lengths)))
    assert all(len(part) == 1 or len(part) * max(lengths[i] for i in part) <= budget for part in parts)


def test_branches_are_attention_and_feed_forward_of_each_layer(model):
    assert [type(module).__name__ for module in branches(model)] == ["LlamaAttention", "LlamaMLP"] * 2
