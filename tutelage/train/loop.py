"""The one training loop: optimizer steps, micro-batches, clipping, schedules, metrics, averages, checkpoints, resume.

A trainer supplies `batches`, which give the micro-batches of one optimizer step at a time, and `loss`, whose value and
metrics are weighted sums, so that those of micro-batches simply add, on one process or several. No clock decides
anything here, and killed at any instant a run that is started again ends with the same bits.
"""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn

from tutelage.config import Settings
from tutelage.errors import InvariantError, SettingsError
from tutelage.models.distributed import full, inside, size
from tutelage.models.narrow import Precision, is_bf16
from tutelage.runs import Run
from tutelage.train import checkpoint as checkpoints
from tutelage.train import ranks
from tutelage.train.crew import Crew, add_metrics
from tutelage.train.ema import Ema
from tutelage.train.optimizers import Adam, make_optimizers

logger = logging.getLogger(__name__)

Metrics = Mapping[str, Tensor | float]


class LoopSettings(Settings):
    """How often the loop looks up from its work."""

    checkpoint_every: int = Field(100, ge=1)
    """Optimizer steps between checkpoints; PPO waits for the end of its rollout batch."""
    evaluate_every: int = Field(100, ge=1)
    """Optimizer steps between evaluations; the last step is always evaluated."""
    processes: int = Field(1, ge=1)
    """Processes that share the micro-batches of a step on one machine; each uses as many threads as the first."""
    micro_tokens: int = Field(2048, ge=1)
    """Largest number of padded tokens in one forward pass; it changes memory and speed, never the update."""
    precision: Precision = "fp32"
    """What matrix products are computed in; weights, sums and optimizers stay fp32. auto is bf16 where the processor is
    faster in it, else fp32; an interrupted run then ends with the same bits on the same kind of machine only."""
    gradient_checkpointing: bool = False
    """Compute each layer's activations again in the backward pass instead of keeping them, and give freed memory back
    at once: a third more compute for far less memory, and the same bits."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train. Resuming to the bit is tested on the CPU; nothing has been tested on CUDA so far. Several
    processes on CUDA (NCCL) have one GPU each; that has never been run."""


def check_loop(settings: LoopSettings, *adams: Adam) -> None:
    """Refuse what this machine lacks, and what one of several processes cannot do, before anything is loaded."""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise SettingsError("loop.device is cuda, but torch finds no CUDA device here; set it to cpu.")
    if settings.device == "cuda" and size() > 1:
        ranks.check_gpus(ranks.local_number(), torch.cuda.device_count())
        logger.warning("Several processes on CUDA have never been run; compare their first losses with those of one.")
    if settings.processes > 1 and len(adams) > 1:
        raise SettingsError("PPO trains two models in one process; set ppo.loop.processes = 1.")
    ranks.check_tested(settings.processes, adams)


def uses_bf16(settings: LoopSettings) -> bool:
    """Say whether matrix products are computed in bfloat16."""
    return is_bf16(settings.precision) or (settings.precision == "auto" and settings.device == "cuda")


class Loss(NamedTuple):
    """A weighted sum to descend, and what to log: also weighted sums, added up over micro-batches."""

    value: Tensor
    metrics: Metrics = {}


def in_bf16(loss: Callable[[Any], Loss], device: str, micro: Any) -> Loss:
    """Compute a loss with the matrix products in bfloat16."""
    with torch.autocast(device, torch.bfloat16):
        return loss(micro)


class Step(NamedTuple):
    """The work of one optimizer step: named parts in order, each a list of micro-batches, and what is known already.

    A part that has the name of a trained model belongs to that model, any other part to the first.
    """

    parts: Mapping[str, Sequence[Any]]
    metrics: Mapping[str, float] = {}


class Batches(Protocol):
    """Where steps come from. Its state is saved only at a boundary, from which all that follows is drawn again."""

    @property
    def at_boundary(self) -> bool: ...
    def next_step(self) -> Step: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained model with its optimizer's settings; `schedule` gives the multiplier of the rate at a step."""

    name: str
    model: nn.Module
    adam: Adam
    schedule: Callable[[int], float]


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What a trainer or its caller wants to happen besides: all optional."""

    evaluate: Callable[[], Mapping[str, float]] | None = None
    after_step: Callable[[int], None] | None = None
    progress: Callable[[int, int, Mapping[str, float]], None] | None = None
    ema: Ema | None = None


@dataclass
class Loop:
    """Train `trained` for `steps` optimizer steps on what `batches` gives, descending `loss`."""

    run: Run
    trained: Sequence[Trained]
    batches: Batches
    loss: Callable[[Any], Loss]
    steps: int
    settings: LoopSettings
    seed: int = 0
    hooks: Hooks = field(default_factory=Hooks)

    def __post_init__(self) -> None:
        self.step = 0
        self.launched = ranks.Launched()
        self.device = next(self.trained[0].model.parameters()).device
        if uses_bf16(self.settings):
            self.loss = functools.partial(in_bf16, self.loss, self.device.type)
        self.crew = Crew(self.trained[0].model, self.loss, self.settings.processes, self.seed)
        self.optimizers = [make_optimizers(one.model, one.adam) for one in self.trained]

    def train(self) -> None:
        """Run to the last step, from the newest checkpoint if there is one."""
        devices = [self.device] if self.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(devices=devices):
                torch.manual_seed(self.seed)
                self._train()
        finally:
            self.crew.dismiss()

    def _train(self) -> None:
        self._resume()
        saved = self.step
        while self.step < self.steps:
            if self.batches.at_boundary and self.step - saved >= self.settings.checkpoint_every:
                self._save()
                saved = self.step
            self._one_step()
        self._check_steps()
        self._save()

    def _one_step(self) -> None:
        began = time.perf_counter()
        self.launched.check()
        ranks.seed_step(self.seed, self.step)
        step = self.batches.next_step()
        if self.step == 0:
            ranks.check_enough(max(map(len, step.parts.values())))
        metrics = {**step.metrics, **self._backward(step), **self._update()}
        self.step += 1
        if self.hooks.ema is not None:
            self.hooks.ema.update()
        if self.hooks.after_step is not None:
            self.hooks.after_step(self.step)
        is_due = self.step % self.settings.evaluate_every == 0 or self.step == self.steps
        if self.hooks.evaluate is not None and is_due:
            with torch.no_grad():
                metrics.update(self.hooks.evaluate())
        # Seconds are logged for people and decide nothing.
        self.run.metrics(self.step, {**metrics, "seconds": time.perf_counter() - began})
        if self.hooks.progress is not None:
            self.hooks.progress(self.step, self.steps, metrics)

    def _backward(self, step: Step) -> dict[str, float]:
        """Accumulate the gradients of all parts; log the norm that each adds to the first model where several do."""
        totals: dict[str, float] = {}
        norms: dict[str, float] = {}
        before: list[Tensor] | None = None
        firsts = [name for name in step.parts if name not in {one.name for one in self.trained[1:]}]
        for name, micros in step.parts.items():
            model = next((one.model for one in self.trained if one.name == name), self.trained[0].model)
            for micro in self.crew.share(ranks.share(micros), self.step):
                loss = inside([model], self.loss, micro.to(self.device))
                loss.value.backward()
                add_metrics(totals, loss.metrics)
            for metrics in self.crew.gather():
                add_metrics(totals, metrics)
            if len(firsts) > 1 and name in firsts:
                now = self._first_gradients()
                norms[f"gradient/{name}"] = added_norm(now, before)
                before = [gradient.clone() for gradient in now] if name != firsts[-1] else None
        if len(norms) == 2:
            (first, norm), (second, other) = norms.items()
            norms[f"{first}:{second.removeprefix('gradient/')}"] = norm / other if other > 0 else math.inf
        return ranks.total(totals) | norms

    def _update(self) -> dict[str, float]:
        """Clip and apply the gradient of every model; one that is not finite stops the run before it does harm."""
        metrics: dict[str, float] = {}
        for one, optimizers in zip(self.trained, self.optimizers, strict=True):
            limit = one.adam.clip if one.adam.clip > 0 else math.inf
            norm = float(full(torch.nn.utils.clip_grad_norm_(one.model.parameters(), limit)))
            if not math.isfinite(norm):
                raise InvariantError(
                    f"The gradient of the {one.name} is not finite at step {self.step + 1}; "
                    f"lower its learning rate ({one.adam.lr}) or its clip ({one.adam.clip})."
                )
            share = one.schedule(self.step)
            rate = one.adam.lr * share
            for optimizer in optimizers:
                for part in optimizer.param_groups:
                    part["lr"] = part["peak"] * share
                optimizer.step()
            one.model.zero_grad(set_to_none=True)
            metrics |= {f"{one.name}/gradient": norm, f"{one.name}/lr": rate}
        return metrics

    def _check_steps(self) -> None:
        """Compare the optimizers' own counts with the plan: a step too few or too many changes every schedule."""
        for one, (adam, *_) in zip(self.trained, self.optimizers, strict=True):
            counts = {int(state["step"]) for state in adam.state.values()}
            if counts and counts != {self.steps}:
                raise InvariantError(f"The {one.name} took {sorted(counts)} optimizer steps instead of {self.steps}.")

    def _first_gradients(self) -> list[Tensor]:
        trained = [weight for weight in self.trained[0].model.parameters() if weight.requires_grad]
        return [weight.grad if weight.grad is not None else torch.zeros_like(weight) for weight in trained]

    def _snapshot(self) -> checkpoints.Snapshot:
        return checkpoints.Snapshot(
            models={one.name: one.model for one in self.trained},
            optimizers={
                f"{one.name}-optimizer-{number}": optimizer
                for one, optimizers in zip(self.trained, self.optimizers, strict=True)
                for number, optimizer in enumerate(optimizers)
            },
            average=self.hooks.ema.tensors() if self.hooks.ema is not None else {},
            device=self.device,
        )

    def _save(self) -> None:
        state = {"step": self.step, "batches": self.batches.state_dict()}
        self._snapshot().write(self.run.directory / "checkpoints", self.step, state)

    def _resume(self) -> None:
        state = self._snapshot().read_latest(self.run.directory / "checkpoints")
        if state is not None:
            self.step = int(state["step"])
            self.batches.load_state_dict(state["batches"])
        self.run.truncate_metrics(self.step)


def added_norm(now: Sequence[Tensor], before: Sequence[Tensor] | None) -> float:
    """Give the norm of the difference of two gradients, one tensor at a time: a copy of all would cost a model."""
    pairs = zip(now, before, strict=True) if before is not None else ((gradient, 0.0) for gradient in now)
    return float(torch.stack([full(torch.linalg.vector_norm(gradient - was)) for gradient, was in pairs]).norm())
