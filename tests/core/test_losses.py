"""Losses: by hand, by double loops, by finite differences, and unchanged by how a batch is cut or padded."""

import math
from itertools import combinations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tutelage.core.logprobs import token_logprobs
from tutelage.core.losses import (
    next_token_loss,
    pair_weights,
    policy_loss,
    ranking_accuracy,
    ranking_loss,
    value_loss,
)

BAD = (math.nan, math.inf, -math.inf)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tensor(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def gradient(x: Tensor) -> list[float]:
    assert x.grad is not None
    return [float(g) for g in x.grad.flatten()]


# --- next token ---------------------------------------------------------------------------------------------------


def test_next_token_loss_by_hand() -> None:
    """Tokens of probability 1/2, 1/4 and 1/8: the mean of log 2, 2 log 2, 3 log 2; the last does not count."""
    logprobs = tensor([[0.5, 0.25], [0.125, 0.9]]).log()
    assert next_token_loss(logprobs, tensor([[1, 1], [1, 0]]) / 3).item() == pytest.approx(2 * math.log(2))


def test_next_token_loss_is_the_mean_negative_log_likelihood() -> None:
    logits, ids = random(3, 5, 7), torch.arange(15).reshape(3, 5) % 7
    mask = random(3, 5, seed=1) > 0
    expected = functional.cross_entropy(logits.flatten(0, 1), torch.where(mask, ids, -100).flatten(), ignore_index=-100)
    given = next_token_loss(token_logprobs(logits, ids), mask / mask.sum())
    assert given.item() == pytest.approx(expected.item())


def test_next_token_loss_does_not_depend_on_the_padding_side() -> None:
    rows = [[-0.1, -2.0], [-1.0, -0.5, -0.25]]
    losses = []
    for side in ("left", "right"):
        logprobs, weights = torch.full((2, 4), -9.0), torch.zeros(2, 4)
        for b, row in enumerate(rows):
            place = slice(4 - len(row), 4) if side == "left" else slice(0, len(row))
            logprobs[b, place], weights[b, place] = torch.tensor(row), 1 / 5
        losses.append(next_token_loss(logprobs, weights).item())
    assert losses == pytest.approx([3.85 / 5] * 2)


@pytest.mark.parametrize("cut", [1, 2, 3, 5])
def test_next_token_loss_of_micro_batches_adds_up(cut: int) -> None:
    """Rows of uneven length: the usual mean per micro-batch would give another update."""
    mask = torch.arange(6) < torch.tensor([[1], [6], [2], [4], [3], [6]])
    weights, whole = mask.double() / mask.sum(), random(6, 6).requires_grad_()
    next_token_loss(whole, weights).backward()
    parts = random(6, 6).requires_grad_()
    for logprobs, w in zip(parts.split(cut), weights.split(cut), strict=True):
        next_token_loss(logprobs, w).backward()
    torch.testing.assert_close(parts.grad, whole.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bad", BAD)
def test_next_token_loss_ignores_what_does_not_count(bad: float) -> None:
    logprobs = tensor([-1.0, bad, -3.0]).requires_grad_()
    loss = next_token_loss(logprobs, tensor([0.5, 0.0, 0.5]))
    loss.backward()
    assert loss.item() == 2.0
    assert gradient(logprobs) == [-0.5, 0.0, -0.5]


def test_next_token_loss_refuses_to_broadcast() -> None:
    with pytest.raises(AssertionError, match="shapes differ"):
        next_token_loss(torch.zeros(2, 3), torch.zeros(3))


# --- ranking ------------------------------------------------------------------------------------------------------


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def all_pairs(ranks: list[int]) -> list[tuple[int, int]]:
    return [(i, j) for i in range(len(ranks)) for j in range(len(ranks)) if ranks[i] < ranks[j]]


def test_ranking_loss_of_three_by_hand() -> None:
    """Rewards 2, 1, -1 in their order: margins 1, 3 and 2."""
    given = ranking_loss(tensor([2, 1, -1]), [(0, 1), (0, 2), (1, 2)], tensor([1 / 3] * 3))
    assert given.item() == pytest.approx((0.31326168751822286 + 0.04858735157374196 + 0.1269280110429726) / 3)


def test_ranking_loss_of_two_is_the_logistic_loss() -> None:
    for winner, loser in [(0.3, -0.2), (-4.0, 2.0), (0.0, 0.0)]:
        given = ranking_loss(tensor([loser, winner]), [(1, 0)], tensor([1.0]))
        assert given.item() == pytest.approx(-math.log(sigmoid(winner - loser)))


@pytest.mark.parametrize("k", [2, 4, 9])
def test_equal_rewards_cost_log_two(k: int) -> None:
    order = list(combinations(range(k), 2))
    assert len(order) == k * (k - 1) // 2
    weights = tensor([pair_weights([len(order)])[0]] * len(order))
    assert ranking_loss(torch.full((k,), 3.0).double(), order, weights).item() == pytest.approx(math.log(2))


def test_ranking_loss_does_not_change_when_all_rewards_shift() -> None:
    rewards, order, weights = random(5), list(combinations(range(5), 2)), torch.full((10,), 0.1).double()
    given = ranking_loss(rewards, order, weights)
    torch.testing.assert_close(ranking_loss(rewards + 100.0, order, weights), given)


def test_ranking_loss_of_a_batch_by_a_double_loop() -> None:
    """Three prompts of 4, 3 and 2 completions; the second has a tie, the third nothing but ties."""
    ranks, rewards = [[2, 0, 1, 3], [0, 1, 1], [0, 0]], random(9)
    pairs, counts, expected, first = [], [], 0.0, 0
    for group in ranks:
        order = all_pairs(group)
        losses = [-math.log(sigmoid(float(rewards[first + i] - rewards[first + j]))) for i, j in order]
        expected += sum(losses) / len(losses) / 2 if losses else 0.0
        pairs += [(first + i, first + j) for i, j in order]
        counts.append(len(order))
        first += len(group)
    assert counts == [6, 2, 0]
    weights = tensor([w for w, count in zip(pair_weights(counts), counts, strict=True) for _ in range(count)])
    assert weights.sum().item() == pytest.approx(1.0)
    assert ranking_loss(rewards, pairs, weights).item() == pytest.approx(expected)


def test_ranking_loss_of_micro_batches_adds_up() -> None:
    counts, order = [6, 1, 3], [list(combinations(range(k), 2)) for k in (4, 2, 3)]
    groups = [random(k, seed=k) for k in (4, 2, 3)]
    whole = sum(
        -math.log(sigmoid(float(group[i] - group[j]))) / len(pairs) / 3
        for group, pairs in zip(groups, order, strict=True)
        for i, j in pairs
    )
    parts = [
        ranking_loss(group, pairs, tensor([pair_weights([count], prompts=3)[0]] * count))
        for group, pairs, count in zip(groups, order, counts, strict=True)
    ]
    assert sum(part.item() for part in parts) == pytest.approx(whole)


def test_pair_weights_by_hand() -> None:
    assert pair_weights([3, 0, 1]) == [1 / 6, 0.0, 1 / 2]
    assert pair_weights([36], prompts=64) == [1 / 36 / 64]
    assert pair_weights([0, 0]) == [0.0, 0.0]
    assert pair_weights([]) == []


def test_nothing_to_rank_costs_nothing_but_keeps_the_graph() -> None:
    rewards = random(3).requires_grad_()
    loss = ranking_loss(rewards, [], torch.zeros(0).double())
    loss.backward()
    assert loss.item() == 0 and gradient(rewards) == [0.0] * 3


@pytest.mark.parametrize("bad", BAD)
def test_ranking_loss_ignores_pairs_that_do_not_count(bad: float) -> None:
    rewards = tensor([1.0, 0.0, bad]).requires_grad_()
    loss = ranking_loss(rewards, [(0, 1), (2, 1), (0, 2)], tensor([1.0, 0.0, 0.0]))
    loss.backward()
    assert loss.item() == pytest.approx(-math.log(sigmoid(1.0)))
    assert gradient(rewards) == pytest.approx([sigmoid(1.0) - 1, 1 - sigmoid(1.0), 0.0])


def test_ranking_loss_gradient_by_finite_differences() -> None:
    weights = random(6, seed=3).abs()
    order = list(combinations(range(4), 2))
    assert torch.autograd.gradcheck(lambda r: ranking_loss(r, order, weights), (random(4).requires_grad_(),))


def test_pairs_and_weights_must_match() -> None:
    with pytest.raises(AssertionError, match="2 pairs but weights"):
        ranking_loss(torch.zeros(3), [(0, 1), (1, 2)], torch.zeros(3))


def test_ranking_accuracy_by_hand() -> None:
    """Right, wrong and equal, weighted 1/2, 1/4, 1/4."""
    given = ranking_accuracy(tensor([2, 1, 1]), [(0, 1), (1, 0), (1, 2)], tensor([0.5, 0.25, 0.25]))
    assert given.item() == pytest.approx(0.5 + 0.125)


# --- policy -------------------------------------------------------------------------------------------------------


def test_policy_loss_two_by_two_by_hand() -> None:
    """Ratios 1.5, 0.9 / 0.5, 1.1 and advantages 1, -2 / -1, 3 with clip 0.2.

    Terms max(-A rho, -A clip(rho)): -1.2 (clipped), 1.8, 0.8 (clipped), -3.3.
    """
    ratio = tensor([[1.5, 0.9], [0.5, 1.1]])
    old = tensor([[-1.0, -2.0], [-3.0, -0.5]])
    given = policy_loss(old + ratio.log(), old, tensor([[1, -2], [-1, 3]]), tensor([[0.1, 0.2], [0.3, 0.4]]), 0.2)
    assert given.value.item() == pytest.approx(0.1 * -1.2 + 0.2 * 1.8 + 0.3 * 0.8 + 0.4 * -3.3)
    assert given.clipfrac.item() == pytest.approx(0.1 + 0.3)
    assert given.ratio.item() == pytest.approx(0.1 * 1.5 + 0.2 * 0.9 + 0.3 * 0.5 + 0.4 * 1.1)
    squares = [w * math.log(r) ** 2 / 2 for w, r in [(0.1, 1.5), (0.2, 0.9), (0.3, 0.5), (0.4, 1.1)]]
    assert given.approx_kl.item() == pytest.approx(sum(squares))


def test_at_ratio_one_the_gradient_is_the_policy_gradient() -> None:
    logprobs = random(2, 3).requires_grad_()
    advantages, weights = random(2, 3, seed=1), random(2, 3, seed=2).abs()
    loss = policy_loss(logprobs, logprobs.detach(), advantages, weights)
    loss.value.backward()
    assert gradient(logprobs) == pytest.approx((-weights * advantages).flatten().tolist())
    assert (loss.clipfrac.item(), loss.approx_kl.item()) == (0.0, 0.0)
    assert loss.ratio.item() == pytest.approx(weights.sum().item())


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"),
    [(1.3, 1.0, False), (1.3, -1.0, True), (0.7, 1.0, True), (0.7, -1.0, False), (1.1, 1.0, True), (0.9, -1.0, True)],
)
def test_beyond_the_clip_the_gradient_stops_on_the_side_that_would_gain(
    ratio: float, advantage: float, moves: bool
) -> None:
    logprobs = tensor([math.log(ratio)]).requires_grad_()
    loss = policy_loss(logprobs, tensor([0.0]), tensor([advantage]), tensor([1.0]), 0.2)
    loss.value.backward()
    assert gradient(logprobs) == pytest.approx([-advantage * ratio if moves else 0.0])
    assert loss.clipfrac.item() == float(not moves)


def test_policy_loss_gradient_by_finite_differences() -> None:
    old, advantages, weights = random(2, 4, seed=1), random(2, 4, seed=2), random(2, 4, seed=3).abs()
    logprobs = (old + 0.3 * random(2, 4, seed=4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: policy_loss(x, old, advantages, weights).value, (logprobs,))


def test_only_the_policy_gets_a_gradient() -> None:
    tensors = [random(3, seed=seed).requires_grad_() for seed in range(3)]
    policy_loss(*tensors, torch.ones(3).double() / 3).value.backward()
    assert [x.grad is not None for x in tensors] == [True, False, False]


@pytest.mark.parametrize("bad", BAD)
def test_policy_loss_ignores_what_does_not_count(bad: float) -> None:
    weights = tensor([0.5, 0.0, 0.5])
    clean, dirty = [], []
    for filler, results in ((0.0, clean), (bad, dirty)):
        logprobs = tensor([-1.0, filler, -2.0]).requires_grad_()
        loss = policy_loss(logprobs, tensor([-1.1, filler, -1.9]), tensor([1.0, filler, -1.0]), weights)
        loss.value.backward()
        results += [x.item() for x in loss] + gradient(logprobs)
    assert clean == dirty and all(map(math.isfinite, dirty))


def test_policy_losses_of_micro_batches_add_up() -> None:
    inputs = [random(6, 3, seed=seed) for seed in range(3)] + [random(6, 3, seed=3).abs()]
    whole = policy_loss(*inputs)
    parts = [policy_loss(*part) for part in zip(*(x.split(2) for x in inputs), strict=True)]
    for name in whole._fields:
        assert sum(getattr(part, name).item() for part in parts) == pytest.approx(getattr(whole, name).item())


# --- value --------------------------------------------------------------------------------------------------------


def test_without_clipping_the_value_loss_is_half_the_squared_error() -> None:
    values, returns, weights = random(3, 4), random(3, 4, seed=1), random(3, 4, seed=2).abs()
    given = value_loss(values, values, returns, weights, 0.2)
    expected = sum(
        w * (v - r) ** 2 / 2
        for v, r, w in zip(*(x.flatten().tolist() for x in (values, returns, weights)), strict=True)
    )
    assert given.value.item() == pytest.approx(expected)
    assert given.clipfrac.item() == 0.0


@pytest.mark.parametrize(
    ("value", "target", "loss", "slope", "clipped"),
    [
        (0.5, 1.0, 0.5 * 0.8**2, 0.0, 1.0),  # moved towards the target beyond the clip at 0.2: no further reward
        (0.5, -1.0, 0.5 * 1.5**2, 1.5, 0.0),  # moved away from the target: the full error, and the way back
        (0.1, 1.0, 0.5 * 0.9**2, -0.9, 0.0),  # within the clip
        (-0.5, -1.0, 0.5 * 0.8**2, 0.0, 1.0),  # the same on the lower side, clipped at -0.2
    ],
)
def test_value_clip_by_hand(value: float, target: float, loss: float, slope: float, clipped: float) -> None:
    """The old value is 0 and the clip 0.2."""
    values = tensor([value]).requires_grad_()
    given = value_loss(values, tensor([0.0]), tensor([target]), tensor([1.0]), 0.2)
    given.value.backward()
    assert given.value.item() == pytest.approx(loss)
    assert gradient(values) == pytest.approx([slope])
    assert given.clipfrac.item() == clipped


def test_value_loss_gradient_by_finite_differences() -> None:
    old, returns, weights = random(2, 4, seed=1), random(2, 4, seed=2), random(2, 4, seed=3).abs()
    values = (old + 0.3 * random(2, 4, seed=4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: value_loss(x, old, returns, weights).value, (values,))


@pytest.mark.parametrize("bad", BAD)
def test_value_loss_ignores_what_does_not_count(bad: float) -> None:
    values = tensor([1.0, bad]).requires_grad_()
    given = value_loss(values, tensor([1.0, bad]), tensor([0.5, bad]), tensor([1.0, 0.0]))
    given.value.backward()
    assert given.value.item() == pytest.approx(0.125)
    assert gradient(values) == pytest.approx([0.5, 0.0])


def test_only_the_values_get_a_gradient() -> None:
    tensors = [random(3, seed=seed).requires_grad_() for seed in range(3)]
    value_loss(*tensors, torch.ones(3).double() / 3).value.backward()
    assert [x.grad is not None for x in tensors] == [True, False, False]


def test_value_losses_of_micro_batches_add_up() -> None:
    inputs = [random(6, 3, seed=seed) for seed in range(3)] + [random(6, 3, seed=3).abs()]
    whole = value_loss(*inputs)
    parts = [value_loss(*part) for part in zip(*(x.split(4) for x in inputs), strict=True)]
    assert sum(part.value.item() for part in parts) == pytest.approx(whole.value.item())
    assert sum(part.clipfrac.item() for part in parts) == pytest.approx(whole.clipfrac.item())
