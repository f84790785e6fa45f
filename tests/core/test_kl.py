"""KL estimates against the exact divergence by enumeration; the controller against its formula by hand."""

import math

import pytest
import torch
from torch import Tensor

from tutelage.core.kl import AdaptiveKL, FixedKL, k1, k3

P, Q = [0.5, 0.3, 0.15, 0.05], [0.25, 0.25, 0.25, 0.25]
EXACT = sum(p * math.log(p / q) for p, q in zip(P, Q, strict=True))


def logs() -> tuple[Tensor, Tensor]:
    return torch.tensor(P, dtype=torch.float64).log(), torch.tensor(Q, dtype=torch.float64).log()


@pytest.mark.parametrize("estimate", [k1, k3])
def test_the_expectation_over_all_tokens_is_the_exact_divergence(estimate: object) -> None:
    assert callable(estimate)
    p, q = logs()
    assert (p.exp() * estimate(p, q)).sum().item() == pytest.approx(EXACT)


@pytest.mark.parametrize("estimate", [k1, k3])
def test_sampled_tokens_estimate_the_divergence_within_their_error(estimate: object) -> None:
    """20,000 draws; four standard errors: a false alarm once in 16,000 seeds, and the seed is fixed."""
    assert callable(estimate)
    p, q = logs()
    draws = torch.multinomial(p.exp(), 20_000, replacement=True, generator=torch.Generator().manual_seed(0))
    samples = estimate(p[draws], q[draws])
    assert abs(samples.mean().item() - EXACT) < 4 * samples.std().item() / math.sqrt(20_000)


def test_k1_and_k3_by_hand() -> None:
    """pi = 1/2 and pi_ref = 1/4: log 2, and 1/2 - 1 + log 2."""
    p, q = torch.tensor([0.5]).log(), torch.tensor([0.25]).log()
    assert k1(p, q).item() == pytest.approx(math.log(2))
    assert k3(p, q).item() == pytest.approx(math.log(2) - 0.5)
    assert k1(q, p).item() == pytest.approx(-math.log(2))


def test_k3_is_never_negative_and_exact_near_zero() -> None:
    gaps = torch.linspace(-5, 5, 1001)
    assert k3(gaps, torch.zeros(1001)).min() >= 0
    assert k3(torch.tensor([1e-4]), torch.tensor([0.0])).item() == pytest.approx(0.5e-8, rel=0.1)


def test_equal_policies_have_no_divergence() -> None:
    p, _ = logs()
    assert k1(p, p).tolist() == k3(p, p).tolist() == [0.0] * 4


def test_a_fixed_coefficient_stays() -> None:
    controller = FixedKL(0.02)
    controller.update(kl=100.0, episodes=512)
    assert controller.beta == 0.02


@pytest.mark.parametrize(
    ("kl", "factor"),
    [(6.0, 1.0), (6.6, 1 + 0.1 * 0.1), (5.4, 1 - 0.1 * 0.1), (600.0, 1 + 0.2 * 0.1), (0.0, 1 - 0.2 * 0.1)],
)
def test_the_adaptive_coefficient_follows_the_bounded_proportional_error(kl: float, factor: float) -> None:
    """1,000 episodes of a horizon of 10,000: the gain of 0.1 that Ziegler et al. use."""
    controller = AdaptiveKL(0.5, target=6.0, horizon=10_000)
    controller.update(kl, episodes=1000)
    assert controller.beta == pytest.approx(0.5 * factor)


def test_the_adaptive_coefficient_never_turns_negative() -> None:
    controller = AdaptiveKL(0.5, target=6.0, horizon=10)
    controller.update(kl=0.0, episodes=1000)
    assert controller.beta == 0.0


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_resumed_controller_goes_on_as_if_nothing_had_happened(after: int) -> None:
    divergences = [3.0, 9.0, 6.5, 100.0]
    whole = AdaptiveKL(0.1, target=6.0)
    resumed = AdaptiveKL(0.1, target=6.0)
    for step, kl in enumerate(divergences):
        if step == after:
            saved = resumed.state_dict()
            resumed = AdaptiveKL(0.7, target=6.0)
            resumed.load_state_dict(saved)
        whole.update(kl, 512)
        resumed.update(kl, 512)
    assert resumed.beta == whole.beta != 0.1


@pytest.mark.parametrize("wrong", [{"target": 0.0}, {"target": 6.0, "horizon": 0}, {"target": 6.0, "max_error": -1}])
def test_impossible_controllers_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must all be above 0"):
        AdaptiveKL(0.1, **wrong)
