"""Rewards, advantages and whitening: against double loops from the definitions and limiting cases."""

import math

import pytest
import torch
from torch import Tensor

from tutelage.core.advantages import explained_variance, gae, moments, token_rewards, whiten, whiten_by

BAD = (math.nan, math.inf)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def prefix(*lengths: int, width: int) -> Tensor:
    return torch.tensor([[t < length for t in range(width)] for length in lengths])


# --- rewards per token --------------------------------------------------------------------------------------------


def test_token_rewards_by_hand() -> None:
    kl = torch.tensor([[0.5, -1.0, 9.0], [2.0, 0.0, 1.0]])
    given = token_rewards(kl, torch.tensor([10.0, -4.0]), prefix(2, 3, width=3), 0.1)
    assert given.tolist() == [pytest.approx([-0.05, 10.1, 0.0]), pytest.approx([-0.2, 0.0, -4.1])]


def test_token_rewards_sum_to_the_score_less_the_penalty() -> None:
    lengths, kl, scores = [1, 4, 6], random(3, 6), random(3, seed=1)
    rewards = token_rewards(kl, scores, prefix(*lengths, width=6), 0.02)
    for b, length in enumerate(lengths):
        penalty = 0.02 * sum(kl[b, :length].tolist())
        assert rewards[b].sum().item() == pytest.approx(scores[b].item() - penalty)


def test_without_penalty_only_the_last_counted_token_is_rewarded() -> None:
    mask = torch.tensor([[False, True, True, False], [True, True, True, True], [False] * 4])
    rewards = token_rewards(random(3, 4), torch.tensor([3.0, 5.0, 7.0]).double(), mask, 0.0)
    assert rewards.tolist() == [[0, 0, 3, 0], [0, 0, 0, 5], [0, 0, 0, 0]]


@pytest.mark.parametrize("bad", BAD)
def test_token_rewards_ignore_what_does_not_count(bad: float) -> None:
    rewards = token_rewards(torch.tensor([[1.0, bad]]), torch.tensor([2.0]), prefix(1, width=2), 0.5)
    assert rewards.tolist() == [[1.5, 0.0]]


def test_scores_that_would_broadcast_are_refused() -> None:
    with pytest.raises(AssertionError, match="scores"):
        token_rewards(torch.zeros(2, 3), torch.zeros(2, 3), prefix(1, 2, width=3), 0.1)


# --- generalised advantages ---------------------------------------------------------------------------------------


def gae_by_definition(rewards: list[float], values: list[float], gamma: float, lam: float) -> list[float]:
    """Sum the discounted TD errors of one episode, which ends after the last reward."""
    length = len(rewards)
    after = [*values[1:], 0.0]
    delta = [rewards[t] + gamma * after[t] - values[t] for t in range(length)]
    return [sum((gamma * lam) ** (s - t) * delta[s] for s in range(t, length)) for t in range(length)]


@pytest.mark.parametrize("gamma", [1.0, 0.9])
@pytest.mark.parametrize("lam", [0.0, 0.5, 0.95, 1.0])
def test_gae_by_a_double_loop(gamma: float, lam: float) -> None:
    lengths, rewards, values = [0, 1, 3, 7], random(4, 7), random(4, 7, seed=1)
    given = gae(rewards, values, prefix(*lengths, width=7), gamma, lam)
    for b, length in enumerate(lengths):
        expected = gae_by_definition(rewards[b, :length].tolist(), values[b, :length].tolist(), gamma, lam)
        assert given.advantages[b].tolist() == pytest.approx(expected + [0.0] * (7 - length))
        total = [a + v for a, v in zip(expected, values[b].tolist(), strict=False)]
        assert given.returns[b].tolist() == pytest.approx(total + [0.0] * (7 - length))


def test_gae_of_two_tokens_by_hand() -> None:
    """Values 1, 2 and a reward of 4 at the end: errors 2 - 1 = 1 and 4 - 2 = 2; 1 + 0.95 * 2 = 2.9."""
    given = gae(torch.tensor([[0.0, 4.0]]), torch.tensor([[1.0, 2.0]]), prefix(2, width=2))
    assert given.advantages.tolist() == [pytest.approx([2.9, 2.0])]
    assert given.returns.tolist() == [pytest.approx([3.9, 4.0])]


def test_lambda_one_is_the_return_less_the_value() -> None:
    rewards, values, mask = random(2, 5), random(2, 5, seed=1), prefix(3, 5, width=5)
    given = gae(rewards, values, mask, gamma=0.9, lam=1.0)
    for b, length in enumerate([3, 5]):
        for t in range(length):
            discounted = sum(0.9 ** (s - t) * rewards[b, s].item() for s in range(t, length))
            assert given.returns[b, t].item() == pytest.approx(discounted)
            assert given.advantages[b, t].item() == pytest.approx(discounted - values[b, t].item())


def test_a_perfect_value_model_leaves_no_advantage() -> None:
    rewards = random(1, 4)
    values = rewards.flip(-1).cumsum(-1).flip(-1)
    given = gae(rewards, values, prefix(4, width=4))
    torch.testing.assert_close(given.advantages, torch.zeros(1, 4).double())


def test_gae_of_one_equals_gae_of_many() -> None:
    rewards, values, mask = random(5, 6), random(5, 6, seed=1), prefix(2, 6, 1, 4, 5, width=6)
    many = gae(rewards, values, mask)
    for b in range(5):
        one = gae(rewards[b : b + 1], values[b : b + 1], mask[b : b + 1])
        assert torch.equal(one.advantages[0], many.advantages[b])


def test_gae_of_a_span_within_the_sequence_equals_that_of_the_span_alone() -> None:
    rewards, values = random(1, 6), random(1, 6, seed=1)
    span = torch.tensor([[False, False, True, True, True, False]])
    alone = gae(rewards[:, 2:5], values[:, 2:5], prefix(3, width=3))
    assert torch.equal(gae(rewards, values, span).advantages[:, 2:5], alone.advantages)
    assert gae(rewards, values, span).returns[0, [0, 1, 5]].tolist() == [0.0] * 3


@pytest.mark.parametrize("bad", BAD)
def test_gae_ignores_what_does_not_count(bad: float) -> None:
    rewards, values, mask = random(1, 4), random(1, 4, seed=1), prefix(2, width=4)
    clean = gae(rewards, values, mask)
    rewards[:, 2:], values[:, 2:] = bad, bad
    dirty = gae(rewards, values, mask)
    assert torch.equal(clean.advantages, dirty.advantages) and torch.equal(clean.returns, dirty.returns)


def test_advantages_and_returns_carry_no_gradient() -> None:
    given = gae(random(1, 2), random(1, 2).requires_grad_(), prefix(2, width=2))
    assert not given.advantages.requires_grad and not given.returns.requires_grad


# --- whitening ----------------------------------------------------------------------------------------------------


def population(values: list[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, sum((x - mean) ** 2 for x in values) / len(values)


def test_whitened_values_have_mean_zero_and_variance_one() -> None:
    mask = random(4, 6, seed=1) > -0.5
    white = whiten(3 + 5 * random(4, 6), mask)
    assert population(white[mask].tolist()) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert white[~mask].abs().sum() == 0


def test_rescaled_values_keep_their_mean() -> None:
    mask, x = random(4, 6, seed=1) > -0.5, 3 + 5 * random(4, 6)
    mean, _ = population(x[mask].tolist())
    assert population(whiten(x, mask, shift_mean=False)[mask].tolist()) == pytest.approx((mean, 1.0), abs=1e-6)


def test_below_average_rewards_get_negative_advantages() -> None:
    """Rewards 1, 2, 3, 6 have mean 3: two are below, one is average, one above. Added back, all would be positive."""
    x, mask = torch.tensor([[1.0, 2.0, 3.0, 6.0]]), prefix(4, width=4)
    assert whiten(x, mask).sign().tolist() == [[-1.0, -1.0, 0.0, 1.0]]
    deviation = math.sqrt((4 + 1 + 0 + 9) / 4)
    assert whiten(x, mask)[0].tolist() == pytest.approx([-2 / deviation, -1 / deviation, 0, 3 / deviation])
    assert whiten(x, mask, shift_mean=False).min() > 0


def test_whitening_by_the_moments_of_all_parts_equals_whitening_the_whole() -> None:
    x, mask = 1000 + random(6, 5), random(6, 5, seed=1) > 0
    parts = list(zip(x.split(2), mask.split(2), strict=True))
    total = torch.stack([moments(*part) for part in parts]).sum(dim=0)
    whole = x[mask].tolist()
    mean, variance = population(whole)
    given = torch.cat([whiten_by(*part, total) for part in parts])
    assert given[mask].tolist() == pytest.approx([(v - mean) / math.sqrt(variance) for v in whole], abs=1e-6)


def test_moments_by_hand() -> None:
    given = moments(torch.tensor([[2.0, math.nan], [-3.0, 9.0]]), torch.tensor([[True, False], [True, False]]))
    assert given.tolist() == [2.0, -1.0, 13.0]


@pytest.mark.parametrize("bad", BAD)
def test_whitening_ignores_what_does_not_count(bad: float) -> None:
    assert whiten(torch.tensor([[1.0, 3.0, bad]]), prefix(2, width=3))[0].tolist() == pytest.approx([-1.0, 1.0, 0.0])


def test_whitening_nothing_or_equal_values_gives_zero() -> None:
    assert whiten(torch.ones(1, 3), prefix(0, width=3)).tolist() == [[0.0] * 3]
    assert whiten(torch.full((1, 3), 7.0), prefix(3, width=3)).tolist() == [[0.0] * 3]


def test_a_far_away_mean_does_not_cost_precision() -> None:
    white = whiten(torch.tensor([[1e4, 1e4 + 1, 1e4 + 2, 1e4 + 3]]), prefix(4, width=4))
    assert white[0].tolist() == pytest.approx([x / math.sqrt(1.25) for x in (-1.5, -0.5, 0.5, 1.5)], abs=1e-5)


# --- explained variance -------------------------------------------------------------------------------------------


def test_explained_variance_by_hand() -> None:
    """Returns 0, 2, 4 (variance 8/3), errors 0, 1, -1 (variance 2/3); the last position does not count."""
    values, returns = torch.tensor([[0.0, 1.0, 5.0, math.nan]]), torch.tensor([[0.0, 2.0, 4.0, 8.0]])
    assert explained_variance(values, returns, prefix(3, width=4)).item() == pytest.approx(0.75)


def test_explained_variance_of_perfect_useless_and_constant() -> None:
    returns, mask = random(2, 3), prefix(3, 3, width=3)
    assert explained_variance(returns, returns, mask).item() == 1.0
    assert explained_variance(torch.zeros(2, 3).double(), returns, mask).item() == pytest.approx(0.0)
    assert math.isnan(explained_variance(returns, torch.full((2, 3), 0.1).double(), mask).item())
    assert math.isnan(explained_variance(returns, returns, prefix(0, 0, width=3)).item())
