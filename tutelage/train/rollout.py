"""Rollouts: the policy answers prompts, all models read the answers, and minibatches come out.

Minibatches and micro-batches are cut before anything is computed, and the trainer's own forward pass over exactly these
gives the old and the reference log-probabilities. So the ratio is exactly 1 in the first minibatch, and the KL exactly
0 before the first step.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tutelage.core.kl import FixedKL
from tutelage.errors import InvariantError
from tutelage.generate.engine import Engine, complete
from tutelage.generate.request import Request
from tutelage.models.distributed import inside, whole
from tutelage.models.narrow import narrowed
from tutelage.models.policy import Row, Rows, collate, completion_logprobs, cut
from tutelage.models.roles import RolePolicy, to_sample
from tutelage.models.scalar import ScalarModel
from tutelage.models.tokens import Renderer
from tutelage.runs import Run
from tutelage.train import ranks
from tutelage.train.batching import text_batch
from tutelage.train.experience import AdvantageSettings, Experience, Targets, summary, targets
from tutelage.train.loop import Step
from tutelage.train.streams import PackedRows, Shuffled

logger = logging.getLogger(__name__)

#: The same numbers from the same forward pass: what is left is rounding.
EXACT = 1e-6
#: Mean absolute difference of log-probabilities above which engine and trainer do not compute the same model.
MISMATCH = 0.1


@dataclass(frozen=True, kw_only=True)
class Models:
    """The four models of PPO. Policy and value model are trained; the reference is the policy's start if `is_start`,
    else a model that an earlier run began with.

    With `bf16` they multiply in bfloat16, when they score and when they learn.
    """

    policy: PreTrainedModel | RolePolicy
    reference: PreTrainedModel | RolePolicy
    reward: ScalarModel
    value: ScalarModel
    bf16: bool = False
    is_start: bool = True


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The numbers that rollouts need."""

    batch: int
    minibatch: int
    max_tokens: int
    advantages: AdvantageSettings
    max_kl: float
    micro_tokens: int
    ptx_rows: int
    samples: int
    seed: int
    min_entropy: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Streams:
    """Where prompts and pretraining rows come from, each with a cursor of its own; without ptx, there are no rows."""

    prompts: Sequence[Sequence[int]]
    order: Shuffled
    ptx: PackedRows | None


class Episode(NamedTuple):
    """A prompt and exactly the ids that were sampled for it, with the engine's log-probability of each."""

    row: Row
    logprobs: list[float]
    ended: bool


class PPOMicro(NamedTuple):
    """A micro-batch to update one role on, all [N]; `is_first` says that the policy has not moved since it was scored.

    Each role has micro-batches of its own: where roles share weights, the backward pass of one must end before another
    one computes, and nowhere need the activations of both exist at once.
    """

    role: Literal["policy", "value"]
    rows: Rows
    weights: Tensor
    old: Tensor
    values: Tensor
    targets: Targets
    is_first: bool

    def to(self, _: torch.device) -> PPOMicro:
        """Stay: experience is made where it is used."""
        return self

    def weightless(self) -> PPOMicro:
        """Give the same episodes, none of whose tokens counts."""
        return self._replace(weights=torch.zeros_like(self.weights))


class Rollouts:
    """The batches of PPO, written by the policy. Its state is saved between rollout batches only."""

    def __init__(self, run: Run, plan: Plan, models: Models, renderer: Renderer, streams: Streams, kl: FixedKL) -> None:
        self.run, self.plan, self.models, self.renderer = run, plan, models, renderer
        self.streams, self.kl = streams, kl
        self.steps = 0
        self.tokens = {"prompt": 0, "sampled": 0}
        self._pending: deque[Step] = deque()

    @property
    def at_boundary(self) -> bool:
        """Say whether the next step needs a new rollout batch."""
        return not self._pending

    def next_step(self) -> Step:
        """Give the next minibatch, after a new rollout batch where the last is used up."""
        if not self._pending:
            self._pending.extend(self._collect())
        step = self._pending.popleft()
        self.steps += 1
        if self.streams.ptx is None:
            return step
        rows = self.streams.ptx.take(self.plan.ptx_rows)
        return step._replace(parts={"ptx": text_batch(rows, self.plan.micro_tokens), **step.parts})

    def state_dict(self) -> dict[str, Any]:
        """Give the cursors, the KL controller and the counts."""
        return {
            "prompts": self.streams.order.state_dict(),
            "ptx": self.streams.ptx.stream.state_dict() if self.streams.ptx is not None else None,
            "kl": self.kl.state_dict(),
            "steps": self.steps,
            "tokens": self.tokens,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`; a rollout that was interrupted is drawn again."""
        self.streams.order.load_state_dict(state["prompts"])
        if self.streams.ptx is not None:
            self.streams.ptx.stream.load_state_dict(state["ptx"])
        self.kl.load_state_dict(state["kl"])
        self.steps, self.tokens = int(state["steps"]), dict(state["tokens"])

    def _collect(self) -> list[Step]:
        """Sample a rollout batch, score it, and cut it into minibatches."""
        began = time.perf_counter()
        episodes = self._sample()
        sampled = time.perf_counter()
        minibatches = [
            micro_batches(part, self.plan.micro_tokens) for part in minibatches_of(episodes, self.plan.minibatch)
        ]
        batch = [part for micros in minibatches for part in scored(self.models, micros, self._penalty)]
        found = targets(batch, self.plan.advantages, self.kl.beta)
        metrics = summary(batch, found, self.kl.beta)
        in_order = [episode for micros in minibatches for micro in micros for episode in micro]
        metrics["objective/ended"] = sum(episode.ended for episode in episodes) / len(episodes)
        metrics["rollout/logprob_mismatch"] = _mismatch(in_order, batch)
        metrics |= {"time/rollout": sampled - began, "time/scoring": time.perf_counter() - sampled}
        self._check(batch, metrics)
        self._show(in_order, batch)
        self.kl.update(metrics["objective/kl"], len(episodes))
        steps = steps_of([len(micros) for micros in minibatches], batch, found)
        return [steps[0]._replace(metrics=metrics), *steps[1:]]

    def _sample(self) -> list[Episode]:
        """Let the policy answer the next prompts."""
        first = (self.plan.seed << 40) + self.streams.order.position
        prompts = [self.streams.prompts[i] for i in self.streams.order.take(self.plan.batch)]
        episodes = sample(self.models, self.renderer, prompts, self.plan.max_tokens, first)
        self.tokens["prompt"] += sum(map(len, prompts))
        self.tokens["sampled"] += sum(len(episode.row.completion) for episode in episodes)
        return episodes

    def _penalty(self, episodes: Sequence[Episode]) -> list[float]:
        return [0.0 if episode.ended else self.plan.advantages.missing_end_penalty for episode in episodes]

    def _check(self, batch: Sequence[Experience], metrics: dict[str, float]) -> None:
        """Stop a run that has gone wrong before it is trained on."""
        if self.steps == 0 and self.models.is_start:
            farthest = max(float((part.old - part.reference).abs().max()) for part in batch)
            if not farthest <= EXACT:
                raise InvariantError(f"Before its first step the policy differs from its reference by {farthest} nats.")
        kl, value = metrics["objective/kl"], metrics["objective/score"]
        if not (math.isfinite(kl) and math.isfinite(value)):
            raise InvariantError(f"KL {kl} or score {value} is not finite after {self.steps} steps; lower the rates.")
        if kl > self.plan.max_kl:
            raise InvariantError(
                f"After {self.steps} steps the policy is {kl:.1f} nats per completion from its reference, "
                f"more than max_kl = {self.plan.max_kl}; raise kl.beta or lower policy.lr."
            )
        entropy = metrics["ppo/policy/entropy"]
        if not entropy >= self.plan.min_entropy:
            raise InvariantError(
                f"After {self.steps} steps the policy's entropy is {entropy:.4f} nats per token, less than min_entropy "
                f"= {self.plan.min_entropy}: it nearly always says the same; raise kl.beta or lower policy.lr."
            )
        if not metrics["rollout/logprob_mismatch"] <= MISMATCH:
            logger.warning(
                "Engine and trainer differ by %.3f nats per token on average; the policy is trained on samples of "
                "another model than it believes.",
                metrics["rollout/logprob_mismatch"],
            )

    def _show(self, episodes: Sequence[Episode], batch: Sequence[Experience]) -> None:
        scores = torch.cat([part.scores for part in batch]).tolist()
        every = max(1, len(episodes) // max(1, self.plan.samples))
        rows = [
            {
                "prompt": self.renderer.decode(episodes[i].row.prompt),
                "completion": self.renderer.decode(episodes[i].row.completion),
                "score": round(scores[i], 4),
                "ended": episodes[i].ended,
            }
            for i in range(0, len(episodes), every)
        ]
        self.run.samples(self.steps + 1, rows[: self.plan.samples])


def sample(
    models: Models, renderer: Renderer, prompts: Sequence[Sequence[int]], max_tokens: int, first_seed: int
) -> list[Episode]:
    """Answer prompts at temperature 1; every episode has a seed of its own, `first_seed` and those that follow it.

    In bfloat16 the policy samples from a narrowed copy, whose products are the ones that its update computes.
    """
    requests = [
        Request(prompt_ids=tuple(ids), max_tokens=max_tokens, seed=first_seed + number)
        for number, ids in enumerate(prompts)
    ]
    # A new engine each time: nothing of an earlier batch can reach this one, so that it can be drawn again.
    policy = to_sample(whole(models.policy))
    engine = Engine(narrowed(policy) if models.bf16 else policy, renderer.tokenizer)
    results = complete(engine, ranks.part(requests))
    broken = [result.error for result in results if result.finish_reason not in ("stop", "length")]
    if broken:
        raise InvariantError(f"{len(broken)} of {len(results)} samples failed: {broken[0]}")
    answers = ranks.together([(result.ids, result.logprobs, result.finish_reason == "stop") for result in results])
    return [
        Episode(Row(prompt, ids), logprobs, ended)
        for prompt, (ids, logprobs, ended) in zip(prompts, answers, strict=True)
    ]


def scored(
    models: Models, micros: Sequence[Sequence[Episode]], penalty: Callable[[Sequence[Episode]], Sequence[float]]
) -> list[Experience]:
    """Let all four models read micro-batches; the ranks divide them as they do for the update, and all have all."""
    place = models.reward.head.weight.device
    roles = (models.policy, models.reference, models.reward, models.value)

    def read(micro: Sequence[Episode]) -> Experience:
        with torch.no_grad():
            return inside(roles, score, models, micro, penalty(micro)).to(torch.device("cpu"))

    return [part.to(place) for part in ranks.each(read, micros)]


@torch.no_grad()
def score(models: Models, episodes: Sequence[Episode], penalty: Sequence[float]) -> Experience:
    """Let all four models read a micro-batch; the reward model sees exactly the sampled ids.

    The precision is that of the updates, so that before the first of them every ratio is 1.
    """
    device = models.reward.head.weight.device
    rows = collate([episode.row for episode in episodes]).to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=models.bf16):
        return _score(models, rows, penalty)


def _score(models: Models, rows: Rows, penalty: Sequence[float]) -> Experience:
    policy = completion_logprobs(models.policy, rows)
    scores = models.reward.score(rows)
    return Experience(
        rows=rows,
        old=policy.logprobs,
        reference=completion_logprobs(models.reference, rows, with_entropy=False).logprobs,
        entropy=policy.entropy,
        values=models.value.values(rows),
        scores=scores - torch.tensor(penalty, dtype=scores.dtype, device=scores.device),
    )


def minibatches_of(episodes: Sequence[Episode], size: int) -> list[Sequence[Episode]]:
    """Cut a rollout batch into what one optimizer step each learns from."""
    return [episodes[at : at + size] for at in range(0, len(episodes), size)]


def micro_batches(episodes: Sequence[Episode], budget: int) -> list[list[Episode]]:
    """Cut a minibatch into what one forward pass each reads."""
    return [[episodes[i] for i in part] for part in cut([episode.row.length for episode in episodes], budget)]


def steps_of(counts: Sequence[int], batch: Sequence[Experience], found: Sequence[Targets]) -> list[Step]:
    """Put micro-batches together to minibatches of `counts` each; weights are means over a minibatch's tokens."""
    steps, at = [], 0
    for number, count in enumerate(counts):
        together = range(at, at + count)
        total = sum(len(batch[i].old) for i in together)
        micros = [
            PPOMicro(
                "policy",
                batch[i].rows,
                torch.full_like(batch[i].old, 1 / total),
                batch[i].old,
                batch[i].values,
                found[i],
                is_first=number == 0,
            )
            for i in together
        ]
        steps.append(Step({"ppo": micros, "value": [micro._replace(role="value") for micro in micros]}))
        at += count
    return steps


def _mismatch(episodes: Sequence[Episode], batch: Sequence[Experience]) -> float:
    engine = torch.tensor([logprob for episode in episodes for logprob in episode.logprobs], dtype=torch.float64)
    return float((engine - torch.cat([part.old for part in batch]).double().cpu()).abs().mean())
