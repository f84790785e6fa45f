"""Learning-rate multipliers by optimizer step (0 is the first) and the decay of the weight average."""

from __future__ import annotations

import math


def cosine(step: int, total: int, warmup: int = 0, final: float = 0.1) -> float:
    """Fall from 1 to `final` of the peak along half a cosine; the paper's SFT and reward model (C.1, C.2).

    The last step, `total` - 1, is at `final`. `warmup` steps come first, at 1/(warmup+1), 2/(warmup+1), ... of the
    peak, so that no step is wasted at 0; the paper's models have none.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = min(1.0, (step - warmup) / max(1, total - 1 - warmup))
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


def constant_with_warmup(step: int, warmup: int, start: float = 0.1) -> float:
    """Rise linearly from `start` of the peak at step 0 to the peak at step `warmup`, then stay (PPO; C.4)."""
    return 1.0 if step >= warmup else start + (1 - start) * step / warmup


def ema_decay_for(steps: int, fraction: float = 0.02, ceiling: float = 0.992) -> float:
    """Choose the decay d of a weight average: d ** steps = `fraction` of the start is left, but never above `ceiling`.

    The paper's 0.992 (C.4) suits its 4,000 steps; a short run with it would export mostly its starting weights.
    ValueError for less than one step, or a fraction that is not between 0 and 1.
    """
    if steps < 1 or not 0 < fraction < 1:
        raise ValueError(f"steps {steps} must be at least 1 and fraction {fraction} between 0 and 1")
    return min(ceiling, math.pow(fraction, 1 / steps))
