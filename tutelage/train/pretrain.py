"""Train a base model on text: next-token prediction over packed rows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from transformers import PreTrainedModel

from tutelage.core.losses import next_token_loss
from tutelage.core.schedules import constant_with_warmup, cosine
from tutelage.errors import SettingsError
from tutelage.files import content_hash
from tutelage.models.distributed import inside
from tutelage.models.load import context_of, hash_of, load_policy, write_into
from tutelage.models.papers import carry
from tutelage.models.policy import completion_logprobs
from tutelage.models.roles import RolePolicy
from tutelage.models.tokens import Renderer
from tutelage.train import ranks
from tutelage.train.batching import Weighted, text_batch
from tutelage.train.loop import Hooks, Loop, LoopSettings, Loss, Step, Trained, check_loop
from tutelage.train.optimizers import Adam
from tutelage.train.stage import (
    Origin,
    Progress,
    TrainingSettings,
    begin,
    conclude,
    finished,
    move,
    seconds_of,
    trainable_flops,
)
from tutelage.train.streams import PackedRows, pack


class PretrainSettings(TrainingSettings):
    """Pretraining of a base model, or its continuation."""

    tokens: int = Field(2_500_000, ge=1)
    """Tokens to train on; the text is repeated as often as that takes."""
    row_tokens: int = Field(128, ge=2)
    """Length of the rows that the text is cut into."""
    batch_rows: int = Field(32, ge=1)
    """Rows per optimizer step."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Learning rate after the warm-up: a cosine to `final`, or constant (to continue a base as PPO trains)."""
    warmup: float = Field(0.02, ge=0, le=1)
    """Share of the steps over which the learning rate rises."""
    final: float = Field(0.1, ge=0, le=1)
    """Learning rate at the end, as a share of the peak."""
    heldout_rows: int = Field(64, ge=1)
    """Rows of held-out text that the loss is measured on."""
    seed: int = 0
    """Decides the order of the text."""
    adam: Adam = Adam(lr=3e-3, weight_decay=0.1)
    """The optimizer."""
    loop: LoopSettings = LoopSettings()
    """Checkpoints, evaluation and micro-batches."""


class Texts(NamedTuple):
    """Documents to train on and, if there are any, documents to measure the loss on."""

    train: Sequence[str]
    heldout: Sequence[str] = ()


def train_pretrain(
    run_dir: Path, settings: PretrainSettings, texts: Texts, init: Path, progress: Progress | None = None
) -> Path:
    """Train the model in the directory `init` to continue texts; give the directory of the result.

    Called again with the same arguments, it goes on where it was, or returns at once. `progress` is told every step.
    What cannot be used is a UserError before anything is written.
    """
    origin = Origin(run_dir, "pretrain", settings, {"init": hash_of(init), "texts": content_hash(texts)})
    if made := finished(origin):
        return made
    check_loop(settings.loop, settings.adam)
    steps = settings.tokens // (settings.row_tokens * settings.batch_rows)
    if steps < 1:
        raise SettingsError(f"{settings.tokens} tokens are less than one batch; raise tokens or lower batch_rows.")
    model, tokenizer = load_policy(init)
    check_rows(settings.row_tokens, context_of(model), "row_tokens")
    move(model, settings.loop)
    renderer = Renderer(tokenizer)
    batches = TextBatches(PackedRows(texts.train, renderer, settings.row_tokens, settings.seed), settings)
    evaluate = _evaluation(model, texts.heldout, renderer, settings)
    run = begin(origin)
    Loop(
        run=run,
        trained=[Trained(name="policy", model=model, adam=settings.adam, schedule=_schedule(settings, steps))],
        batches=batches,
        loss=functools.partial(token_loss, model),
        steps=steps,
        settings=settings.loop,
        seed=settings.seed,
        hooks=Hooks(evaluate=evaluate, progress=progress),
    ).train()
    tokens = steps * settings.batch_rows * settings.row_tokens
    run.ledger.add("pretraining", flops=trainable_flops(model, tokens), seconds=seconds_of(run), tokens=tokens)

    def write(part: Path) -> None:
        write_into(part, model, tokenizer)
        if ranks.is_first():
            carry(init, part, stage="pretrain")

    return conclude(run, {"model": write})


class TextBatches:
    """Steps of packed rows; every step is a boundary."""

    at_boundary = True

    def __init__(self, rows: PackedRows, settings: PretrainSettings) -> None:
        self.rows, self.number, self.budget = rows, settings.batch_rows, settings.loop.micro_tokens

    def next_step(self) -> Step:
        """Draw the rows of one step."""
        return Step({"text": text_batch(self.rows.take(self.number), self.budget)})

    def state_dict(self) -> dict[str, Any]:
        """Give the cursor."""
        return self.rows.stream.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a cursor."""
        self.rows.stream.load_state_dict(state)


def token_loss(model: PreTrainedModel | RolePolicy, micro: Weighted) -> Loss:
    """Give the mean negative log-likelihood of counted tokens, in nats."""
    logprobs = completion_logprobs(model, micro.rows, with_entropy=False).logprobs
    loss = next_token_loss(logprobs, micro.weights.to(logprobs.dtype))
    return Loss(loss, {"loss": loss.detach()})


@torch.no_grad()
def measure(model: PreTrainedModel, micros: Sequence[Weighted]) -> float:
    """Give the loss on fixed micro-batches, with dropout off."""
    was_training = model.training
    model.eval()
    place = next(model.parameters()).device
    losses: Tensor = sum(token_loss(model, micro.to(place)).value for micro in ranks.share(micros))  # type: ignore[assignment]
    model.train(was_training)
    return ranks.total({"loss": float(losses)})["loss"]


def check_rows(width: int, context: int, name: str) -> None:
    """Refuse rows that the model cannot read."""
    if not 2 <= width <= context:
        raise SettingsError(f"{name} is {width}; choose 2 to {context}, the context of the model.")


def _evaluation(
    model: PreTrainedModel, texts: Sequence[str], renderer: Renderer, settings: PretrainSettings
) -> Callable[[], dict[str, float]] | None:
    if not texts:
        return None
    rows = pack(renderer.documents_ids(texts), renderer.end_id, settings.row_tokens, settings.seed)
    micros = text_batch(rows[: settings.heldout_rows].long(), settings.loop.micro_tokens)
    return lambda: {"heldout/loss": inside([model], measure, model, micros)}


def _schedule(settings: PretrainSettings, steps: int) -> Any:
    warmup = round(settings.warmup * steps)
    if settings.schedule == "constant":
        return functools.partial(constant_with_warmup, warmup=warmup)
    return functools.partial(cosine, total=steps, warmup=warmup, final=settings.final)
