"""The reward model: all K completions of a prompt are one batch element (paper, 3.5 and C.2)."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from tutelage.core.losses import pair_weights, ranking_accuracy, ranking_loss
from tutelage.core.rankings import pairs
from tutelage.core.schedules import cosine
from tutelage.errors import DataError, InvariantError
from tutelage.files import content_hash
from tutelage.models.attention import compute_streams
from tutelage.models.distributed import inside, whole
from tutelage.models.load import context_of, hash_of, load_policy
from tutelage.models.papers import carry
from tutelage.models.policy import Row, cut
from tutelage.models.prefix import Group, Groups, collate_groups
from tutelage.models.scalar import Head, ScalarModel, load_scalar, write_scalar
from tutelage.models.scoring import score_rows
from tutelage.models.tokens import Renderer, Template, template_parent
from tutelage.records import RankedGroup
from tutelage.train import ranks
from tutelage.train.batching import Example, encode_examples, fits, told_dropped
from tutelage.train.layout import LaidOutSettings, check_layout, scalar_learner
from tutelage.train.loop import Hooks, Loop, LoopSettings, Loss, Step, Trained
from tutelage.train.optimizers import Adam
from tutelage.train.stage import Origin, Progress, begin, conclude, finished, seconds_of
from tutelage.train.streams import Shuffled

logger = logging.getLogger(__name__)


class RewardSettings(LaidOutSettings):
    """Training of the reward model."""

    epochs: float = Field(1.0, gt=0)
    """Passes over the rankings; more overfit fast (paper, C.2)."""
    batch: int = Field(64, ge=1)
    """Prompts per optimizer step, each with all its completions (paper, C.2)."""
    warmup: float = Field(0.0, ge=0, le=1)
    """Share of the steps over which the learning rate rises (paper: none)."""
    final: float = Field(0.1, ge=0, le=1)
    """Learning rate at the end, as a share of the peak (paper, C.2)."""
    longest_prompt: int = Field(0, ge=0)
    """Rankings of prompts with more tokens are left out (paper 1,024, C); 0 is no limit but the context."""
    likelihood: bool = False
    """Also count a completion's mean log-probability under the reward model itself, times a learned gain that begins
    at 1: for models too small to learn from rankings whether an answer fits (docs/decisions/006; not in the paper)."""
    head: Head = "random"
    """How the new head begins: `random` as in Stiennon et al. (2020), or `zero`, with equal scores and a loss of ln 2:
    a run of some fifty steps learns little but to undo a random one (not in the paper)."""
    template: Template = "plain"
    """How a prompt is rendered; the same as in supervised fine-tuning."""
    seed: int = 0
    """Decides the new head's weights and the order of the rankings."""
    adam: Adam = Adam(lr=5e-4)
    """The optimizer."""
    loop: LoopSettings = LoopSettings()
    """Checkpoints, evaluation and micro-batches."""


class RewardData(NamedTuple):
    """Rankings to train on, rankings to measure accuracy on (or none), demonstrations that shall score 0 on average."""

    train: Sequence[RankedGroup]
    heldout: Sequence[RankedGroup]
    demonstrations: Sequence[Example]


class Ranked(NamedTuple):
    """A prompt with its completions as tokens, which of them (winner, loser) beats which, and how much that counts."""

    group: Group
    pairs: list[tuple[int, int]]
    weight: float = 1.0


class RankedMicro(NamedTuple):
    """A micro-batch of groups: pairs [P, 2] index its completions; weights [P] of the loss and of the accuracy."""

    groups: Groups
    pairs: Tensor
    weights: Tensor
    shares: Tensor

    def to(self, device: torch.device) -> RankedMicro:
        """Move to a device."""
        return RankedMicro(
            self.groups.to(device), self.pairs.to(device), self.weights.to(device), self.shares.to(device)
        )

    def weightless(self) -> RankedMicro:
        """Give the same groups, none of whose pairs counts."""
        return self._replace(weights=torch.zeros_like(self.weights), shares=torch.zeros_like(self.shares))


def train_reward(
    run_dir: Path, settings: RewardSettings, data: RewardData, init: Path, progress: Progress | None = None
) -> Path:
    """Train a reward model that starts as the policy in the directory `init`; give its directory (paper, 3.5 and C.2).

    Called again with the same arguments, it goes on where it was, or returns at once. `progress` is told every step.
    What cannot be used is a UserError before anything is written.
    """
    used = [[*map(asdict, data.train)], [*map(asdict, data.heldout)], data.demonstrations]
    parents = {"init": hash_of(init), "data": content_hash(used), **template_parent(init, settings.template)}
    origin = Origin(run_dir, "reward", settings, parents)
    if made := finished(origin):
        return made
    check_layout(settings, settings.adam)
    policy, tokenizer = load_policy(init)
    make = functools.partial(
        ScalarModel.from_policy, policy, settings.seed, likelihood=settings.likelihood, head=settings.head
    )
    learner = scalar_learner(policy, init, make, settings)
    model: ScalarModel = learner.model
    renderer, context = Renderer(tokenizer, settings.template), context_of(policy)
    del policy, make  # a whole model that nothing needs any more
    train = encode_groups(data.train, renderer, context, "training rankings", settings.longest_prompt)
    heldout = encode_groups(data.heldout, renderer, context, "held-out rankings") if data.heldout else []
    demonstrations = encode_examples(data.demonstrations, renderer, context, "demonstrations")
    steps = max(1, math.ceil(settings.epochs * len(train) / settings.batch))
    schedule = functools.partial(cosine, total=steps, warmup=round(settings.warmup * steps), final=settings.final)
    micros = ranked_batch(heldout, settings.loop.micro_tokens)
    run = begin(origin)
    Loop(
        run=run,
        trained=[Trained(name="reward", model=learner.trained, adam=settings.adam, schedule=schedule)],
        batches=RankedBatches(len(train), settings, micros_of(train, settings.loop.micro_tokens)),
        loss=functools.partial(reward_loss, model),
        steps=steps,
        settings=settings.loop,
        seed=settings.seed,
        hooks=Hooks(evaluate=(lambda: inside([model], _measure, model, micros)) if micros else None, progress=progress),
    ).train()
    run.metrics(steps + 1, set_bias(model, demonstrations))
    tokens = round(settings.epochs * sum(ranked.group.length for ranked in train))
    run.ledger.add("reward model", flops=learner.weights.flops(tokens), seconds=seconds_of(run), tokens=tokens)

    def write(part: Path) -> None:
        plain = whole(learner.plain())
        if ranks.is_first():
            write_scalar(part, plain, tokenizer)
            check_reload(plain, part, demonstrations)
            learner.write_adapters(part)
            carry(init, part, stage="reward", template=settings.template)

    return conclude(run, {"model": write})


def encode_groups(
    groups: Sequence[RankedGroup], renderer: Renderer, context: int, what: str, longest_prompt: int = 0
) -> list[Ranked]:
    """Encode rankings; prompts whose completions all tie are left out, counted aloud, and those with too long ones.

    So are prompts of more than `longest_prompt` tokens, where that is above 0. Rankings of the same completions are
    one batch element.
    """
    if not groups:
        raise DataError(f"There are no {what}; give some.")
    for number, group in enumerate(groups, start=1):
        check_group(group, f"Number {number} of the {what}")
    encoded: list[Ranked] = []
    too_long = long_prompts = tied = 0
    for group, found in joined(groups):
        cuts = group.cut or (False,) * len(group.completions)
        prompt = renderer.prompt_ids(group.prompt)
        texts = renderer.completions_ids(group.completions, end=False)
        completions = [ids if is_cut else [*ids, renderer.end_id] for ids, is_cut in zip(texts, cuts, strict=True)]
        if not fits(prompt, longest_prompt):
            long_prompts += 1
        elif len(prompt) + max(map(len, completions)) > context:
            too_long += 1
        elif found:
            encoded.append(Ranked(Group(prompt, completions), found, group.weight))
        else:
            tied += 1
    if not encoded:
        raise DataError(
            f"The {what} hold no prompt with a preference between two completions that can be used (of {len(groups)}, "
            f"{tied} are all ties and {too_long + long_prompts} too long); give more rankings."
        )
    told_dropped(long_prompts, len(groups), f"prompts of {what}", longest_prompt)
    told_dropped(too_long, len(groups), what, context)
    if tied:
        logger.warning("%d of %d %s hold nothing but ties and are left out.", tied, len(groups), what)
    return encoded


def joined(groups: Sequence[RankedGroup]) -> list[tuple[RankedGroup, list[tuple[int, int]]]]:
    """Join what several labelers said of the same completions: the first ranking of them, with the pairs of all.

    As elements of their own they would have each completion read once a labeler in every epoch, which is what made
    reward models overfit when each pair was an element (paper, C.2). Labelers see completions in different orders.
    """
    found: dict[Hashable, tuple[RankedGroup, list[int], list[tuple[int, int]]]] = {}
    for group in groups:
        shown = list(zip(group.completions, group.cut or (False,) * len(group.completions), strict=True))
        order = sorted(range(len(shown)), key=shown.__getitem__)
        key = (group.prompt, tuple(shown[at] for at in order), group.weight)
        _, first, said = found.setdefault(key, (group, order, []))
        place = dict(zip(order, first, strict=True))
        said += [(place[winner], place[loser]) for winner, loser in pairs(group.ranks)]
    return [(group, said) for group, _, said in found.values()]


class RankedBatches:
    """Steps of ranked prompts, which `make` makes micro-batches of by their numbers; every step is a boundary."""

    at_boundary = True

    def __init__(self, count: int, settings: RewardSettings, make: Callable[[Sequence[int]], Sequence[Any]]) -> None:
        self.batch, self.make = settings.batch, make
        self.stream = Shuffled(count, settings.seed)

    def next_step(self) -> Step:
        """Draw the prompts of one step."""
        return Step({"rankings": self.make(self.stream.take(self.batch))})

    def state_dict(self) -> dict[str, Any]:
        """Give the cursor."""
        return self.stream.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a cursor."""
        self.stream.load_state_dict(state)


def micros_of(ranked: Sequence[Ranked], budget: int) -> Callable[[Sequence[int]], list[RankedMicro]]:
    """Give the function that makes micro-batches of some of these prompts, by their numbers."""
    return lambda numbers: ranked_batch([ranked[number] for number in numbers], budget)


def ranked_batch(batch: Sequence[Ranked], budget: int) -> list[RankedMicro]:
    """Make micro-batches of prompts; a prompt's completions are never split.

    The loss is the mean over prompts, by their weights, of the mean over a prompt's pairs; the accuracy is the mean
    over all pairs.
    """
    counting = [ranked.weight for ranked in batch if ranked.pairs]
    mean = math.fsum(counting) / len(counting) if counting else 1.0
    alike = pair_weights([len(ranked.pairs) for ranked in batch])
    weights = [weight * ranked.weight / mean for weight, ranked in zip(alike, batch, strict=True)]
    total = sum(len(ranked.pairs) for ranked in batch)
    micros = []
    for part in cut([ranked.group.length for ranked in batch], budget):
        first, index, weight = 0, [], []
        for i in part:
            ranked = batch[i]
            index += [(first + winner, first + loser) for winner, loser in ranked.pairs]
            weight += [weights[i]] * len(ranked.pairs)
            first += len(ranked.group.completions)
        groups = collate_groups([batch[i].group for i in part])
        shares = torch.full((len(index),), 1 / total, dtype=torch.float64)
        micros.append(RankedMicro(groups, torch.tensor(index), torch.tensor(weight, dtype=torch.float64), shares))
    return micros


def reward_loss(model: ScalarModel, micro: RankedMicro) -> Loss:
    """Give -mean log sigmoid(r_winner - r_loser) (paper, equation 1) and the share of pairs in the right order."""
    rewards = model.score_groups(micro.groups)
    loss = ranking_loss(rewards, micro.pairs, micro.weights.to(rewards.dtype))
    accuracy = ranking_accuracy(rewards.detach(), micro.pairs, micro.shares.to(rewards.dtype))
    return Loss(loss, {"loss": loss.detach(), "accuracy": accuracy})


@torch.no_grad()
def set_bias(model: ScalarModel, demonstrations: Sequence[Row]) -> dict[str, float]:
    """Shift the head's bias so that demonstrations, with their end token, score 0 on average (paper, 3.5)."""
    before = sum(inside([model], score_rows, model, demonstrations)) / len(demonstrations)
    model.head.bias.sub_(before)
    scores = torch.tensor(inside([model], score_rows, model, demonstrations), dtype=torch.float64)
    mean, deviation = float(scores.mean()), float(scores.std(correction=0))
    if not abs(mean) <= 1e-4 * (1 + abs(before)):
        raise InvariantError(f"Demonstrations score {mean:.6f} on average after the bias was set; they must score 0.")
    return {"demonstrations/mean_before": before, "demonstrations/mean": mean, "demonstrations/deviation": deviation}


def check_reload(model: ScalarModel, directory: Path, rows: Sequence[Row]) -> None:
    """Load what was written and compare: a head or bias lost on the way would be noticed only by PPO going wrong."""
    loaded, _ = load_scalar(directory)
    loaded.to(model.head.weight.device)
    compute_streams(loaded.trunk)  # as the model does: the same rows in another shape would round in another way
    if score_rows(loaded, rows) != score_rows(model, rows):
        raise InvariantError(f"The reward model scores differently after it was written to {directory} and read back.")


@torch.no_grad()
def _measure(model: ScalarModel, micros: Sequence[RankedMicro]) -> dict[str, float]:
    device = model.head.weight.device
    found = [reward_loss(model, micro.to(device)).metrics for micro in ranks.share(micros)]
    names = ("loss", "accuracy")
    return ranks.total({f"heldout/{name}": sum(float(metrics[name]) for metrics in found) for name in names})


def check_group(group: RankedGroup, name: str) -> None:
    """Refuse a ranking that nothing can be learned from; `name` says which it is."""
    if not group.prompt.strip():
        raise DataError(f"{name} has an empty prompt; remove it.")
    count = len(group.completions)
    if count < 2:
        raise DataError(f"{name} has {('no completion', '1 completion')[count]}, and a ranking needs 2; remove it.")
    if len(group.ranks) != count:
        raise DataError(f"{name} has {count} completions and {len(group.ranks)} ranks; give one rank for each.")
    if len(group.cut) not in (0, count):
        raise DataError(f"{name} has {count} completions and {len(group.cut)} cut marks; give one for each, or none.")
    if not 0 < group.weight < math.inf:
        raise DataError(f"{name} has the weight {group.weight:g}; a weight is a number above 0.")
    if any(is_cut and not text for text, is_cut in zip(group.completions, group.cut, strict=False)):
        raise DataError(f"{name} has an empty completion that was cut; remove it.")
