"""Reward models by parts: each learns from some rankings and scores others, so that every score is out of fold.

    run.json, ledger.jsonl
    fold-1/, fold-2/, ...   each training is a run of its own, with its metrics and the scores that it gave
    trunk.bin               what comes out of frozen lower layers, for as long as models are trained (`kept`)

With a shared trunk the lower layers are computed once for all trainings.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import nn

from tutelage.core.rankings import pairs
from tutelage.core.schedules import cosine
from tutelage.errors import SettingsError
from tutelage.files import content_hash, read_json, write_json
from tutelage.models.load import context_of, decoder_of, hash_of, load_policy
from tutelage.models.narrow import narrow_frozen
from tutelage.models.policy import cut
from tutelage.models.prefix import Group, collate_groups
from tutelage.models.roles import part_of
from tutelage.models.scalar import ScalarModel
from tutelage.models.tokens import Renderer, template_parent
from tutelage.models.trunk import freeze_lower, in_two
from tutelage.records import RankedGroup
from tutelage.runs import Run
from tutelage.train.kept import Kept, KeptMicro, Laid
from tutelage.train.layout import LayoutSettings, check_layout, scalar_learner, weights_of
from tutelage.train.loop import Hooks, Loop, LoopSettings, Loss, Trained, uses_bf16
from tutelage.train.optimizers import Adam
from tutelage.train.reward import (
    Ranked,
    RankedBatches,
    RankedMicro,
    RewardSettings,
    check_group,
    ranked_batch,
    reward_loss,
)
from tutelage.train.stage import Weights, count, drop_checkpoints, move, platform, seconds_of

#: Called with the work that is done, all that there was to do when it began, and the figures of the present step.
Watch = Callable[[float, float, Mapping[str, float]], None]
SCORES = "scores.json"


class PartSettings(RewardSettings):
    """Several reward models of one set of rankings: how each is trained, and how much of a text is read."""

    folds: int = Field(5, ge=2)
    """Folds. Each is scored by a model that learned from the others (as the paper did with labelers, 4.1)."""
    prompt_tokens: int = Field(256, ge=1)
    """Of longer prompts so many tokens are read, the last ones."""
    completion_tokens: int = Field(256, ge=1)
    """Of longer completions so many tokens are read, the first ones, without an end."""
    batch: int = Field(8, ge=1)
    """Prompts per optimizer step, each with all its completions."""
    adam: Adam = Adam(lr=5e-5)
    """The optimizer."""
    layout: LayoutSettings = LayoutSettings(kind="shared_trunk", frozen_share=0.8)
    """How the model lies in memory. With shared_trunk the frozen layers are computed once for all folds."""
    loop: LoopSettings = LoopSettings(precision="auto")
    """Checkpoints and micro-batches."""


class FoldSettings(PartSettings):
    """Reward models by folds: how rows are dealt besides."""

    by: Literal["conversation", "prompt", "labeler"] = "conversation"
    """What stays together in one fold: rows of one conversation, of one prompt, or of one labeler. By labeler, models
    are judged on conversations that none of their rankings is of, by labelers they learned from and by others."""
    seeds: int = Field(1, ge=1)
    """Deals of the rows, each with models of its own: the first has `seed`, the next one more (paper, E.2: three)."""


class Part(NamedTuple):
    """One training: the numbers of the rankings that it learns from and of those that it scores, and its seed.

    `weights` say how much each of the former counts; () is all alike.
    """

    name: str
    train: Sequence[int]
    scored: Sequence[int]
    seed: int
    weights: Sequence[float] = ()


class PartData(NamedTuple):
    """Rankings, and the trainings that learn from some of them."""

    rankings: Sequence[RankedGroup]
    parts: Sequence[Part]


class Scored(NamedTuple):
    """For each part the scores of completions by the number of their ranking; how many rankings were not read whole."""

    scores: list[dict[int, list[float]]]
    shortened: int


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """What all trainings have in common: the rows as tokens, and how models and micro-batches of rows are made.

    `fresh` gives an untrained model by its seed, its trained part and what it computes; `micros` takes numbers of rows
    and these rows, with their weights; `open` readies a micro-batch for the model.
    """

    rows: Sequence[Ranked]
    shortened: int
    fresh: Callable[[int], tuple[ScalarModel, nn.Module, Weights]]
    micros: Callable[[Sequence[int], Sequence[Ranked]], Sequence[Any]]
    open: Callable[[Any], RankedMicro]
    kept: Kept | None = None

    def tokens(self, numbers: Sequence[int]) -> int:
        """Count the tokens of some rows."""
        return sum(self.rows[number].group.length for number in numbers)


class _Meter:
    """The work of all parts, in tokens that the whole model reads: a token learned from is three, one kept less."""

    def __init__(self, watch: Watch, settings: PartSettings, kept: bool) -> None:
        self.watch, self.total, self.done = watch, 0.0, 0.0
        self.below = settings.layout.frozen_share if kept else 0.0
        self.epochs = settings.epochs

    def plan(self, trunk: int, learned: int, scored: int) -> None:
        """Add to what is to be done: tokens of the trunk, tokens of an epoch of learning, tokens to score."""
        self.total += self.below * trunk + self.of_learning(learned) + (1 - self.below) * scored

    def of_learning(self, tokens: int) -> float:
        """Give the work of a whole training whose epoch has so many tokens."""
        return 3 * (1 - self.below) * self.epochs * tokens

    def advance(self, work: float, figures: Mapping[str, float] = {}) -> None:
        """Tell that some work is done."""
        self.done += work
        self.watch(self.done, self.total, figures)


def score_parts(run_dir: Path, settings: PartSettings, data: PartData, init: Path, watch: Watch) -> Scored:
    """Train a reward model for each part, from the policy in `init` on, and score the part's rankings with it.

    Called again with the same arguments, it goes on behind the last part that is whole. What cannot be used is a
    UserError before anything is written.
    """
    check_layout(settings, settings.adam)
    used = [[*map(asdict, data.rankings)], [list(part) for part in data.parts]]
    parents = {"init": hash_of(init), "data": content_hash(used), **template_parent(init, settings.template)}
    directories = [run_dir / part.name for part in data.parts]
    about: dict[str, Any] = {"settings": settings, "parents": parents, "seeds": {"seed": settings.seed}}
    begun = Run.begun(run_dir, stage="folds", **about)
    if begun is None or not begun.is_finished:
        bench = _bench(run_dir, settings, data.rankings, init)
        machine = platform(settings.loop.device)
        run = Run.begin(run_dir, stage="folds", **about, platform=machine)
        folds = [Run.begin(one, stage="fold", **about, platform=machine) for one in directories]
        waiting = [(fold, part) for fold, part in zip(folds, data.parts, strict=True) if not fold.is_finished]
        _train_all(run, settings, waiting, bench, watch)
        if bench.kept is not None:
            bench.kept.clear()
        run.finish({one.name: one.name for one in directories})
    found = [read_json(directory / SCORES) for directory in directories]
    scores = [dict(zip(fold["rows"], fold["scores"], strict=True)) for fold in found]
    return Scored(scores, found[0]["shortened"])


def _train_all(
    run: Run, settings: PartSettings, waiting: Sequence[tuple[Run, Part]], bench: _Bench, watch: Watch
) -> None:
    """Compute the trunk, then train one part after the other."""
    meter = _Meter(watch, settings, bench.kept is not None)
    for _, part in waiting:
        meter.plan(0, bench.tokens(_taught(bench, part)), bench.tokens(part.scored))
    if bench.kept is not None and not bench.kept.path.exists() and waiting:
        meter.plan(bench.kept.tokens, 0, 0)
        _fill(run, bench.kept, meter)
    for fold, part in waiting:
        _train_part(fold, bench, settings, part, meter)


def _taught(bench: _Bench, part: Part) -> list[int]:
    """List the rankings of a part that teach something: one whose completions all tie does not."""
    return [number for number in part.train if bench.rows[number].pairs]


def _fill(run: Run, kept: Kept, meter: _Meter) -> None:
    began = time.perf_counter()
    kept.fill(lambda tokens: meter.advance(meter.below * tokens))
    layers: Any = kept.lower.stack.layers
    flops = 2.0 * count(layers) * kept.tokens
    run.ledger.add("shared trunk", flops=flops, seconds=time.perf_counter() - began, tokens=kept.tokens)


def _train_part(run: Run, bench: _Bench, settings: PartSettings, part: Part, meter: _Meter) -> None:
    weight = dict(zip(part.train, part.weights, strict=True)) if part.weights else {}
    train = _taught(bench, part)
    rows = [bench.rows[number]._replace(weight=weight.get(number, 1.0)) for number in train]
    model, trained, weights = bench.fresh(part.seed)
    steps = max(1, math.ceil(settings.epochs * len(train) / settings.batch))
    schedule = functools.partial(cosine, total=steps, warmup=round(settings.warmup * steps), final=settings.final)
    share = meter.of_learning(bench.tokens(train)) / steps

    def micros(drawn: Sequence[int]) -> Sequence[Any]:
        return bench.micros([train[at] for at in drawn], [rows[at] for at in drawn])

    def loss(micro: Any) -> Loss:
        return reward_loss(model, bench.open(micro))

    Loop(
        run=run,
        trained=[Trained(name="reward", model=trained, adam=settings.adam, schedule=schedule)],
        batches=RankedBatches(len(train), settings.model_copy(update={"seed": part.seed}), micros),
        loss=loss,
        steps=steps,
        settings=settings.loop,
        seed=part.seed,
        hooks=Hooks(progress=lambda step, _, figures: meter.advance(share, figures)),
    ).train()
    scores = _score(model, bench, settings, part.scored)
    meter.advance((1 - meter.below) * bench.tokens(part.scored))
    tokens = round(settings.epochs * bench.tokens(train))
    run.ledger.add("reward model", flops=weights.flops(tokens), seconds=seconds_of(run), tokens=tokens)
    write_json(run.directory / SCORES, {"shortened": bench.shortened, "rows": list(part.scored), "scores": scores})
    run.finish({"scores": SCORES})
    drop_checkpoints(run)


@torch.no_grad()
def _score(model: ScalarModel, bench: _Bench, settings: PartSettings, numbers: Sequence[int]) -> list[list[float]]:
    """Score rows, in the precision of the training; completions of a row in their order."""
    device = model.head.weight.device
    found: dict[int, list[float]] = {}
    for part in cut([bench.rows[number].group.length for number in numbers], settings.loop.micro_tokens):
        chosen = [numbers[at] for at in part]
        [micro] = bench.micros(chosen, [bench.rows[number] for number in chosen])
        with torch.autocast(device.type, torch.bfloat16, enabled=uses_bf16(settings.loop)):
            scores = model.score_groups(bench.open(micro.to(device)).groups).tolist()
        for number in chosen:
            size = len(bench.rows[number].group.completions)
            found[number], scores = scores[:size], scores[size:]
    return [found[number] for number in numbers]


def _bench(run_dir: Path, settings: PartSettings, rankings: Sequence[RankedGroup], init: Path) -> _Bench:
    policy, tokenizer = load_policy(init)
    rows, shortened = _encode(rankings, Renderer(tokenizer, settings.template), context_of(policy), settings)
    make = functools.partial(ScalarModel.from_policy, likelihood=settings.likelihood, head=settings.head)
    if settings.layout.kind != "shared_trunk":
        del policy

        def fresh(seed: int) -> tuple[ScalarModel, nn.Module, Weights]:
            base, _ = load_policy(init)
            learner = scalar_learner(base, init, functools.partial(make, base, seed), settings)
            return learner.model, learner.trained, learner.weights

        def micros(_: Sequence[int], chosen: Sequence[Ranked]) -> Sequence[RankedMicro]:
            return ranked_batch(chosen, settings.loop.micro_tokens)

        return _Bench(rows=rows, shortened=shortened, fresh=fresh, micros=micros, open=lambda one: one)
    move(policy, settings.loop)
    decoder = decoder_of(policy)
    lower, upper = in_two(decoder, freeze_lower(decoder, settings.layout.frozen_share))
    if uses_bf16(settings.loop):
        narrow_frozen(lower.stack)

    def lay(numbers: Sequence[int]) -> Laid:
        stream = collate_groups([rows[number].group for number in numbers]).stream
        return Laid(stream, torch.arange(stream.ids.numel()))

    kept = Kept(run_dir / "trunk.bin", lower, [row.group.length for row in rows], lay, settings.loop)

    def fresh_upper(seed: int) -> tuple[ScalarModel, nn.Module, Weights]:
        model = make(policy, seed, trunk=upper.twin()).to(settings.loop.device)
        trained = part_of((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)
        return model, trained, weights_of(model)._replace(read=0)

    def kept_micros(numbers: Sequence[int], chosen: Sequence[Ranked]) -> list[KeptMicro[RankedMicro]]:
        return kept.beside(numbers, ranked_batch(chosen, settings.loop.micro_tokens))

    def open_kept(one: KeptMicro[RankedMicro]) -> RankedMicro:
        lower.tell(one.micro.groups.stream.ids, one.hidden)
        return one.micro

    return _Bench(rows=rows, shortened=shortened, fresh=fresh_upper, micros=kept_micros, open=open_kept, kept=kept)


def _encode(
    rankings: Sequence[RankedGroup], renderer: Renderer, context: int, settings: PartSettings
) -> tuple[list[Ranked], int]:
    """Encode rankings, all of them: what is too long is shortened, and how many that are is counted."""
    prompts, answers = settings.prompt_tokens, settings.completion_tokens
    frame = len(renderer.prompts_ids(["a"], 1)[0]) - 1
    if frame + prompts + answers + 1 > context:
        raise SettingsError(
            f"prompt_tokens = {prompts} and completion_tokens = {answers}, with {frame + 1} tokens around them, do not "
            f"fit into {context}, the context of the model; lower them."
        )
    rows, shortened = [], 0
    for number, group in enumerate(rankings, start=1):
        check_group(group, f"Number {number} of the rankings")
        whole = renderer.completions_ids(group.completions, end=False)
        ended = [not is_cut for is_cut in group.cut or (False,) * len(whole)]
        completions = [
            [*ids, renderer.end_id] if is_ended and len(ids) <= answers else ids[:answers]
            for ids, is_ended in zip(whole, ended, strict=True)
        ]
        prompt = renderer.prompts_ids([group.prompt], prompts)[0]
        is_shortened = len(renderer.prompt_ids(group.prompt)) > len(prompt) or max(map(len, whole)) > answers
        shortened += is_shortened
        rows.append(Ranked(Group(prompt, completions), pairs(group.ranks)))
    return rows, shortened
