"""Processes that share the micro-batches of a step on one machine: a small model gains little from more threads, but
two processes do twice the work.

The weights lie in shared memory, so that nothing is sent but micro-batches. Every process writes its gradients into
shared buffers of its own, and the loop adds them in a fixed order: the same number of processes gives the same bits.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch import multiprocessing as processes

from tutelage.errors import InvariantError

#: Seconds after which a waiting process looks whether its parent still lives, and between two looks at a helper.
LOOK = 1.0


class Crew:
    """Helpers of a training process; `size` counts the process itself. With a size of 1 there are no helpers."""

    def __init__(self, model: nn.Module, loss: Callable[[Any], Any], size: int, seed: int) -> None:
        self.size, self.model = size, model
        self._helpers: list[_Helper] = []
        if size > 1:
            model.share_memory()
            self._helpers = [_Helper(model, loss, seed * size + number) for number in range(1, size)]

    def share(self, micros: Sequence[Any], step: int) -> Sequence[Any]:
        """Give the helpers their part of the micro-batches and return the part that is left to do here."""
        for number, helper in enumerate(self._helpers, start=1):
            helper.jobs.put((step, list(micros[number :: self.size])))
        return micros[:: self.size]

    @torch.no_grad()
    def gather(self) -> list[dict[str, float]]:
        """Add the helpers' gradients to those made here; return their metrics."""
        found = []
        for helper in self._helpers:
            metrics = helper.result()
            for weight, gradient in zip(self.model.parameters(), helper.gradients, strict=True):
                if weight.requires_grad:
                    weight.grad = gradient.clone() if weight.grad is None else weight.grad.add_(gradient)
            found.append(metrics)
        return found

    def dismiss(self) -> None:
        """End the helpers."""
        for helper in self._helpers:
            helper.jobs.put(None)
            helper.process.join(timeout=10 * LOOK)
            if helper.process.is_alive():
                helper.process.kill()
                helper.process.join()


class _Helper:
    def __init__(self, model: nn.Module, loss: Callable[[Any], Any], seed: int) -> None:
        context = processes.get_context("spawn")
        self.jobs: Any = context.Queue()
        self.results: Any = context.Queue()
        self.gradients = [torch.zeros_like(weight).share_memory_() for weight in model.parameters()]
        arguments = (model, loss, self.gradients, self.jobs, self.results, (seed, os.getpid(), torch.get_num_threads()))
        self.process = context.Process(target=_work, args=arguments, daemon=True)
        self.process.start()

    def result(self) -> dict[str, float]:
        while True:
            try:
                made: dict[str, float] | str = self.results.get(timeout=LOOK)
            except queue.Empty:
                if not self.process.is_alive():
                    raise InvariantError(
                        "A helping process of the training ended unexpectedly; run again, it goes on."
                    ) from None
                continue
            if isinstance(made, str):
                raise RuntimeError(made)
            return made


def _work(
    model: nn.Module,
    loss: Callable[[Any], Any],
    gradients: Sequence[Tensor],
    jobs: Any,
    results: Any,
    place: tuple[int, int, int],
) -> None:
    """Compute gradients until told to stop, or until the parent is gone."""
    seed, parent, threads = place
    torch.set_num_threads(threads)
    while True:
        try:
            job = jobs.get(timeout=LOOK)
        except queue.Empty:
            if os.getppid() != parent:
                os._exit(1)
            continue
        if job is None:
            return
        try:
            results.put(_gradients(model, loss, gradients, job, seed))
        except Exception as error:
            results.put(f"{type(error).__name__} in a helping process: {error}")


def _gradients(
    model: nn.Module, loss: Callable[[Any], Any], gradients: Sequence[Tensor], job: tuple[int, list[Any]], seed: int
) -> dict[str, float]:
    step, micros = job
    # Dropout must be the same when a step is done again after an interruption.
    torch.manual_seed((seed << 32) + step)
    model.zero_grad(set_to_none=True)
    totals: dict[str, float] = {}
    for micro in micros:
        made = loss(micro)
        made.value.backward()
        add_metrics(totals, made.metrics)
    for weight, gradient in zip(model.parameters(), gradients, strict=True):
        if weight.grad is None:
            gradient.zero_()
        else:
            gradient.copy_(weight.grad)
    return totals


def add_metrics(totals: dict[str, float], metrics: Mapping[str, Tensor | float]) -> None:
    """Add weighted sums to totals, in double precision."""
    for key, value in metrics.items():
        totals[key] = totals.get(key, 0.0) + float(torch.as_tensor(value, dtype=torch.float64).detach())
