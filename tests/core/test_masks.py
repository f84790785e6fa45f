"""Masks: against loops over positions, and NaN kept out in value and gradient."""

import pytest
import torch

from tutelage.core.masks import counted, last_counted, lengths_to_mask, spans_to_mask, weights


def test_lengths_mark_the_first_positions() -> None:
    mask = lengths_to_mask(torch.tensor([0, 2, 3]), 3)
    assert mask.tolist() == [[False, False, False], [True, True, False], [True, True, True]]
    assert mask.dtype == torch.bool


def test_spans_agree_with_a_loop_over_every_start_and_end() -> None:
    spans = [(start, end) for start in range(5) for end in range(5)]
    mask = spans_to_mask(*torch.tensor(spans).T, 4)
    assert mask.tolist() == [[start <= t < end for t in range(4)] for start, end in spans]


def test_a_length_mask_is_the_same_whatever_the_ids_are() -> None:
    """The end token may be the padding id: only lengths say what counts."""
    assert lengths_to_mask(torch.tensor([3]), 5).sum() == 3


@pytest.mark.parametrize("rows", [[[1, 1, 0], [1, 0, 0]], [[0, 0], [0, 1]]])
def test_weights_sum_to_one_and_are_zero_where_nothing_counts(rows: list[list[int]]) -> None:
    mask = torch.tensor(rows, dtype=torch.bool)
    given = weights(mask)
    assert given.sum().item() == pytest.approx(1.0)
    share = 1 / sum(map(sum, rows))
    assert given.flatten().tolist() == pytest.approx([share * cell for row in rows for cell in row])


def test_weights_of_parts_sum_to_one_over_the_whole_step() -> None:
    mask = torch.tensor([[True, True, False], [True, False, False], [True, True, True]])
    parts = [weights(part, total=6) for part in mask.split(1)]
    assert torch.equal(torch.cat(parts), weights(mask))
    assert sum(part.sum().item() for part in parts) == pytest.approx(1.0)


def test_weights_of_nothing_are_zero() -> None:
    assert weights(torch.zeros(2, 3, dtype=torch.bool)).tolist() == [[0.0] * 3] * 2
    assert weights(torch.zeros(0, 3, dtype=torch.bool)).shape == (0, 3)


def test_last_counted_position() -> None:
    mask = torch.tensor([[False, True, True, False], [False] * 4, [True] * 4])
    assert last_counted(mask).tolist() == [2, -1, 3]


@pytest.mark.parametrize("keep", [torch.tensor([True, False, False]), torch.tensor([0.5, 0.0, 0.0])])
def test_what_does_not_count_reaches_neither_value_nor_gradient(keep: torch.Tensor) -> None:
    x = torch.tensor([2.0, float("nan"), float("inf")], requires_grad=True)
    kept = counted(x, keep)
    kept.exp().sum().backward()
    assert kept.tolist() == [2.0, 0.0, 0.0]
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([torch.tensor(2.0).exp().item(), 0.0, 0.0])
