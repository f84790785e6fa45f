"""The content filter: the reward model's trunk and head with one output for each category of harm.

Labels are shares: of the people who were asked whether a text is of a category, how many said yes. What nobody was
asked does not count. After training, each category's logits are divided by a temperature that fits held-out labels, so
that scores are probabilities; it is folded into the head, as a reward model's bias is.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.core.discrimination import auc, temperature
from tutelage.core.losses import label_loss
from tutelage.core.schedules import cosine
from tutelage.errors import DataError, InvariantError, SettingsError
from tutelage.files import content_hash
from tutelage.models.attention import compute_streams
from tutelage.models.classifier import (
    LabelModel,
    keep_lower,
    label_model,
    load_labels,
    row_logits,
    whole_row,
    write_labels,
)
from tutelage.models.distributed import size
from tutelage.models.load import context_of, hash_of, load_policy
from tutelage.models.papers import carry
from tutelage.models.policy import Row, Rows, collate, cut
from tutelage.models.tokens import Renderer
from tutelage.safety.categories import BY_NAME
from tutelage.train.batching import told_dropped
from tutelage.train.layout import LaidOutSettings, check_layout, scalar_learner
from tutelage.train.loop import Hooks, Loop, LoopSettings, Loss, Step, Trained
from tutelage.train.optimizers import Adam
from tutelage.train.stage import Origin, Progress, begin, conclude, finished, seconds_of
from tutelage.train.streams import Shuffled

#: What a text has beside its own tokens, at most.
FRAME = 8
#: Texts that are scored again by what was written.
COMPARED = 64


class FilterSettings(LaidOutSettings):
    """Training of the content filter."""

    epochs: float = Field(2.0, gt=0)
    """Passes over the labelled texts."""
    batch: int = Field(64, ge=1)
    """Texts per optimizer step."""
    warmup: float = Field(0.05, ge=0, le=1)
    """Share of the steps over which the learning rate rises."""
    final: float = Field(0.1, ge=0, le=1)
    """Learning rate at the end, as a share of the peak."""
    layers: int = Field(0, ge=0)
    """Lower layers of the language model that are kept; 0 keeps all. Fewer are quicker, in training and in service."""
    longest: int = Field(128, ge=1)
    """Tokens that are read at once. Longer texts are left out of training, and read in pieces that overlap later."""
    seed: int = 0
    """Decides the new head's weights and the order of the texts."""
    adam: Adam = Adam(lr=1e-4)
    """The optimizer."""
    loop: LoopSettings = LoopSettings()
    """Checkpoints, evaluation and micro-batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A text and, by category, the share from 0 to 1 of those asked who said that it belongs there."""

    text: str
    labels: Mapping[str, float] = field(default_factory=dict)


class FilterData(NamedTuple):
    """Texts to train on, and texts that scores are measured and calibrated on."""

    train: Sequence[Labelled]
    heldout: Sequence[Labelled]


class LabelledRow(NamedTuple):
    """A text as tokens with its labels in the order of the categories; None was not asked."""

    row: Row
    labels: tuple[float | None, ...]


class LabelledMicro(NamedTuple):
    """A micro-batch: rows, and for each the targets and weights [B, C] of all categories."""

    rows: Rows
    targets: Tensor
    weights: Tensor

    def to(self, device: torch.device) -> LabelledMicro:
        """Move to a device."""
        return LabelledMicro(self.rows.to(device), self.targets.to(device), self.weights.to(device))

    def weightless(self) -> LabelledMicro:
        """Give the same texts, no label of which counts."""
        return self._replace(weights=torch.zeros_like(self.weights))


def train_filter(
    run_dir: Path, settings: FilterSettings, data: FilterData, init: Path, progress: Progress | None = None
) -> Path:
    """Train a content filter that starts as the policy in the directory `init`; give its directory.

    Its categories are those that the training texts have labels of. Called again with the same arguments, it goes on
    where it was, or returns at once. What cannot be used is a UserError before anything is written.
    """
    used = [[[one.text, dict(one.labels)] for one in part] for part in data]
    origin = Origin(run_dir, "filter", settings, {"init": hash_of(init), "data": content_hash(used)})
    if made := finished(origin):
        return made
    check_layout(settings, settings.adam)
    if size() > 1:
        raise SettingsError("A content filter is trained in one process; leave out torchrun.")
    labels = categories_of(data.train)
    policy, tokenizer = _begun(init, settings)
    make = functools.partial(label_model, policy, labels, settings.longest, settings.seed)
    learner = scalar_learner(policy, init, make, settings)
    model: LabelModel = learner.model
    renderer = Renderer(tokenizer)
    train = encode_labelled(data.train, labels, renderer, settings.longest, "training texts")
    heldout = encode_labelled(data.heldout, labels, renderer, settings.longest, "held-out texts")
    steps = max(1, math.ceil(settings.epochs * len(train) / settings.batch))
    schedule = functools.partial(cosine, total=steps, warmup=round(settings.warmup * steps), final=settings.final)
    run = begin(origin)
    Loop(
        run=run,
        trained=[Trained(name="filter", model=learner.trained, adam=settings.adam, schedule=schedule)],
        batches=LabelledBatches(train, settings),
        loss=functools.partial(filter_loss, model),
        steps=steps,
        settings=settings.loop,
        seed=settings.seed,
        hooks=Hooks(evaluate=lambda: measure(model, heldout, labels), progress=progress),
    ).train()
    run.metrics(steps + 1, set_temperatures(model, heldout, labels))
    tokens = round(settings.epochs * sum(one.row.length for one in train))
    run.ledger.add("content filter", flops=learner.weights.flops(tokens), seconds=seconds_of(run), tokens=tokens)

    def write(part: Path) -> None:
        plain = learner.plain()
        write_labels(part, plain, tokenizer)
        check_reload(plain, part, [one.row for one in heldout[:COMPARED]])
        learner.write_adapters(part)
        carry(init, part, stage="filter", template="plain")

    return conclude(run, {"model": write})


def _begun(init: Path, settings: FilterSettings) -> tuple[PreTrainedModel, Tokenizer]:
    """Load what the filter begins as, cut to the layers it keeps."""
    policy, tokenizer = load_policy(init)
    if settings.longest + FRAME > context_of(policy):
        raise SettingsError(f"longest is {settings.longest}; choose at most {context_of(policy) - FRAME} tokens.")
    if settings.layers:
        if settings.layout.kind == "adapters":
            raise SettingsError("Adapters are for all layers of a model; set layers = 0 or another layout.kind.")
        keep_lower(policy.get_decoder(), settings.layers)
    return policy, tokenizer


def categories_of(texts: Sequence[Labelled]) -> tuple[str, ...]:
    """Return the categories that texts are labelled with, in the order of the table; both kinds of each are needed."""
    given = {name for one in texts for name in one.labels}
    if not given:
        raise DataError("There are no training texts with a label; give some.")
    if unknown := sorted(given - BY_NAME.keys()):
        raise DataError(f"There is no category {unknown[0]!r}; the categories are {', '.join(BY_NAME)}.")
    for name in given:
        shares = [one.labels[name] for one in texts if name in one.labels]
        if not all(0 <= share <= 1 for share in shares):
            raise DataError(f"A label of {name} is not from 0 to 1; give the share of people who said yes.")
        if not min(shares) < 0.5 <= max(shares):
            raise DataError(f"The training texts have examples of {name} on one side only; give both, or leave it out.")
    return tuple(name for name in BY_NAME if name in given)


def encode_labelled(
    texts: Sequence[Labelled], labels: Sequence[str], renderer: Renderer, longest: int, what: str
) -> list[LabelledRow]:
    """Encode texts; those longer than `longest` tokens, and empty ones, are left out, the former counted aloud."""
    encoded = zip(texts, renderer.texts_ids([one.text for one in texts]), strict=True)
    full = [(one, ids) for one, ids in encoded if one.text.strip()]
    rows = [
        LabelledRow(whole_row(renderer, ids), tuple(one.labels.get(name) for name in labels))
        for one, ids in full
        if len(ids) <= longest
    ]
    if not rows:
        raise DataError(f"There are no {what} of at most {longest} tokens; give some, or raise longest.")
    told_dropped(len(full) - len(rows), len(full), what, longest)
    return rows


class LabelledBatches:
    """Steps of labelled texts; every step is a boundary."""

    at_boundary = True

    def __init__(self, rows: Sequence[LabelledRow], settings: FilterSettings) -> None:
        self.rows, self.batch, self.budget = rows, settings.batch, settings.loop.micro_tokens
        self.stream = Shuffled(len(rows), settings.seed)

    def next_step(self) -> Step:
        """Draw the texts of one step."""
        return Step({"texts": labelled_batch([self.rows[i] for i in self.stream.take(self.batch)], self.budget)})

    def state_dict(self) -> dict[str, Any]:
        """Give the cursor."""
        return self.stream.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a cursor."""
        self.stream.load_state_dict(state)


def labelled_batch(batch: Sequence[LabelledRow], budget: int) -> list[LabelledMicro]:
    """Make micro-batches; every answered label of the step weighs the same."""
    targets, weights = targets_of(batch)
    return [
        LabelledMicro(collate([batch[i].row for i in part]), targets[part], weights[part])
        for part in cut([one.row.length for one in batch], budget)
    ]


def targets_of(rows: Sequence[LabelledRow]) -> tuple[Tensor, Tensor]:
    """Give the targets [B, C], 0 where nobody was asked, and weights [B, C] that sum to 1 over what was answered."""
    weights = torch.tensor([[float(label is not None) for label in one.labels] for one in rows])
    targets = torch.tensor([[label or 0.0 for label in one.labels] for one in rows])
    return targets, weights / weights.sum().clamp(min=1)


def filter_loss(model: LabelModel, micro: LabelledMicro) -> Loss:
    """Give the mean cross-entropy of answered labels, in nats."""
    logits = model.score(micro.rows)
    loss = label_loss(logits, micro.targets.to(logits.dtype), micro.weights.to(logits.dtype))
    return Loss(loss, {"loss": loss.detach()})


def measure(model: LabelModel, rows: Sequence[LabelledRow], labels: Sequence[str]) -> dict[str, float]:
    """Give the loss on held-out texts, and for each category the area under the curve where both kinds are there."""
    return figures(row_logits(model, [one.row for one in rows]), rows, labels)


def figures(logits: Tensor, rows: Sequence[LabelledRow], labels: Sequence[str]) -> dict[str, float]:
    """Give loss and areas of logits [N, C]."""
    targets, weights = (part.to(logits.dtype) for part in targets_of(rows))
    found = {"heldout/loss": float(label_loss(logits, targets, weights))}
    for column, name in enumerate(labels):
        scores, answers = _answered(logits, rows, column)
        if area := auc(scores, [answer >= 0.5 for answer in answers]):
            found[f"heldout/auc/{name}"] = area.mean
    return found


@torch.no_grad()
def set_temperatures(model: LabelModel, rows: Sequence[LabelledRow], labels: Sequence[str]) -> dict[str, float]:
    """Divide each category's logits by the temperature that fits held-out labels best (Guo et al. 2017)."""
    logits = row_logits(model, [one.row for one in rows])
    found = {"calibration/loss_before": figures(logits, rows, labels)["heldout/loss"]}
    for column, name in enumerate(labels):
        scale = temperature(*_answered(logits, rows, column))
        for part in (model.head.weight[column], model.head.bias[column], logits[:, column]):
            part.div_(scale)
        found[f"calibration/temperature/{name}"] = scale
    return found | {"calibration/loss": figures(logits, rows, labels)["heldout/loss"]}


def check_reload(model: LabelModel, directory: Path, rows: Sequence[Row]) -> None:
    """Load what was written and compare, as for the reward model."""
    loaded, _ = load_labels(directory)
    loaded.to(model.head.weight.device)
    compute_streams(loaded.trunk)
    if not torch.equal(row_logits(loaded, rows), row_logits(model, rows)):
        raise InvariantError(
            f"The content filter scores differently after it was written to {directory} and read back."
        )


def _answered(logits: Tensor, rows: Sequence[LabelledRow], column: int) -> tuple[list[float], list[float]]:
    """Give the logits and targets of one category where it was answered."""
    pairs = zip(logits[:, column].tolist(), rows, strict=True)
    answered = [(logit, label) for logit, one in pairs if (label := one.labels[column]) is not None]
    return [logit for logit, _ in answered], [label for _, label in answered]
