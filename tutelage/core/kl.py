"""How far the policy is from its reference, estimated from sampled tokens, and the coefficient that holds it there.

The estimates follow Schulman, "Approximating KL divergence" (2020), for tokens sampled from the policy.
"""

from __future__ import annotations

import torch
from torch import Tensor


def k1(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """Give log pi - log pi_ref of each sampled token: unbiased, of either sign; the penalty of equation 2. [...]"""
    return logprobs - ref_logprobs


def k3(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """Give rho - 1 - log rho with rho = pi_ref / pi: unbiased, never negative, less noisy; for logging. [...]"""
    log_ratio = ref_logprobs - logprobs
    return torch.expm1(log_ratio) - log_ratio


class FixedKL:
    """A KL coefficient that stays where it is, as in the paper (0.02; C.4)."""

    def __init__(self, beta: float) -> None:
        self.beta = float(beta)

    def update(self, kl: float, episodes: int) -> None:
        """Do nothing: `kl` and `episodes` are those of `AdaptiveKL.update`."""

    def state_dict(self) -> dict[str, float]:
        """Give what a resumed run needs."""
        return {"beta": self.beta}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from `state_dict`."""
        self.beta = float(state["beta"])


class AdaptiveKL(FixedKL):
    """A KL coefficient that moves towards a target divergence (Ziegler et al. 2019, section 2.2).

    beta <- beta * (1 + e * episodes / horizon), e = clip(kl / target - 1, -max_error, max_error). The units of `target`
    are those of the measured `kl`: nats per completion, summed over its tokens. `horizon` counts episodes. ValueError
    where one of `target`, `horizon` and `max_error` is not above 0.
    """

    def __init__(self, beta: float, target: float, horizon: float = 10_000, max_error: float = 0.2) -> None:
        if min(target, horizon, max_error) <= 0:
            raise ValueError(f"target {target}, horizon {horizon} and max_error {max_error} must all be above 0")
        super().__init__(beta)
        self.target, self.horizon, self.max_error = float(target), float(horizon), float(max_error)

    def update(self, kl: float, episodes: int) -> None:
        """Move after a rollout batch of `episodes` completions whose mean divergence was `kl`."""
        error = min(max(kl / self.target - 1, -self.max_error), self.max_error)
        self.beta *= max(0.0, 1 + error * episodes / self.horizon)
