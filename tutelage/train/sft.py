"""Supervised fine-tuning on demonstrations (paper, C.1 and C.3)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from tutelage.core.schedules import cosine
from tutelage.errors import DataError, SettingsError
from tutelage.files import content_hash
from tutelage.models.distributed import inside
from tutelage.models.load import context_of, decoder_of, hash_of, load_policy, write_into
from tutelage.models.packing import stream_of
from tutelage.models.papers import carry
from tutelage.models.policy import Row, branches
from tutelage.models.roles import RolePolicy
from tutelage.models.tokens import Renderer, Template, template_parent
from tutelage.models.trunk import freeze_lower, in_two
from tutelage.train import ranks
from tutelage.train.batching import Example, Weighted, completion_batch, encode_examples, text_batch
from tutelage.train.kept import Kept, KeptMicro, Laid
from tutelage.train.layout import LaidOutSettings, check_layout, policy_learner
from tutelage.train.loop import Hooks, Loop, LoopSettings, Loss, Step, Trained
from tutelage.train.optimizers import Adam
from tutelage.train.pretrain import check_rows, measure, token_loss
from tutelage.train.stage import Origin, Progress, Weights, begin, conclude, finished, seconds_of
from tutelage.train.streams import PackedRows, Shuffled


class SFTSettings(LaidOutSettings):
    """Supervised fine-tuning. The defaults are the paper's start of PPO (C.3)."""

    epochs: float = Field(2.0, gt=0)
    """Passes over the demonstrations (start of PPO 2, C.3; baseline 16, C.1)."""
    batch: int = Field(32, ge=1)
    """Demonstrations per optimizer step (paper, C.1)."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Residual dropout, applied to the output of every attention and feed-forward block (baseline 0.2, C.1)."""
    pretraining_mix: float = Field(0.1, ge=0, lt=1)
    """Weight of pretraining text in the loss, next to the demonstrations' 1 - mix (start of PPO 0.1, C.3; baseline 0).

    The loss is (1 - mix) * mean over completion tokens + mix * mean over pretraining tokens of the minibatch.
    """
    mix_row_tokens: int = 128
    """Length of the pretraining rows; each step reads mix * batch of them, rounded up."""
    warmup: float = Field(0.0, ge=0, le=1)
    """Share of the steps over which the learning rate rises (paper: none)."""
    final: float = Field(0.1, ge=0, le=1)
    """Learning rate at the end, as a share of the peak (paper, C.1)."""
    longest_prompt: int = Field(0, ge=0)
    """Demonstrations of prompts with more tokens are left out (paper 1,024, C); 0 is no limit but the context."""
    keep_epochs: bool = False
    """Keep the model after every epoch under `epochs/`, to choose among them by reward score."""
    template: Template = "plain"
    """How a prompt is rendered: its text and a line feed, or the chat template of the tokenizer."""
    seed: int = 0
    """Decides the order of the demonstrations and the dropout."""
    adam: Adam = Adam(lr=1e-3)
    """The optimizer."""
    loop: LoopSettings = LoopSettings()
    """Checkpoints, evaluation and micro-batches."""

    @property
    def keeps_trunk(self) -> bool:
        """Say whether frozen lower layers read every demonstration once; with dropout, they give something new."""
        return self.layout.kind == "shared_trunk" and self.dropout == 0 and self.epochs > 1


class BaselineSettings(SFTSettings):
    """Supervised fine-tuning of the paper's baseline (C.1)."""

    epochs: float = Field(16.0, gt=0)
    """Passes over the demonstrations (paper, C.1)."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Residual dropout, applied to the output of every attention and feed-forward block (paper, C.1)."""
    pretraining_mix: float = Field(0.0, ge=0, lt=1)
    """Weight of pretraining text in the loss, next to the demonstrations' 1 - mix (paper: none, C.1)."""
    keep_epochs: bool = True
    """Keep the model after every epoch under `epochs/`, to choose among them by reward score (paper, 3.5)."""


class SFTData(NamedTuple):
    """Demonstrations to train on and to measure the loss on, and pretraining text for the mix."""

    train: Sequence[Example]
    heldout: Sequence[Example] = ()
    pretraining: Sequence[str] = ()


def train_sft(
    run_dir: Path, settings: SFTSettings, data: SFTData, init: Path, progress: Progress | None = None
) -> Path:
    """Fine-tune the model in the directory `init` on completions; give the directory of the result (paper, C.1, C.3).

    Called again with the same arguments, it goes on where it was, or returns at once. `progress` is told every step.
    What cannot be used is a UserError before anything is written.
    """
    parents = {"init": hash_of(init), "data": content_hash(data), **template_parent(init, settings.template)}
    origin = Origin(run_dir, "sft", settings, parents)
    if made := finished(origin):
        return made
    check_layout(settings, settings.adam)
    model, tokenizer = load_policy(init)
    learner = policy_learner(model, init, settings)
    renderer, context = Renderer(tokenizer, settings.template), context_of(model)
    train = encode_examples(data.train, renderer, context, "demonstrations", settings.longest_prompt)
    kept = keep_trunk(model, train, run_dir, settings)
    batches = DemonstrationBatches(train, _mix(settings, data, renderer, context), settings, kept)
    evaluate = _evaluation(model, data, renderer, settings)
    steps = max(1, math.ceil(settings.epochs * len(train) / settings.batch))
    if settings.dropout > 0:
        add_residual_dropout(model, settings.dropout)
        model.train()
    run = begin(origin)
    if kept is not None:
        kept.fill(steps, progress)

    def write(part: Path) -> None:
        write_into(part, learner.plain(), tokenizer)
        learner.write_adapters(part)
        if ranks.is_first():
            carry(init, part, stage="sft", template=settings.template)

    def after_step(step: int) -> None:
        epoch = settings.keep_epochs and _epoch_ended(step, steps, len(train), settings)
        if epoch:
            with ranks.directory(run.directory / "epochs" / f"epoch-{epoch:02d}") as part:
                write(part)

    Loop(
        run=run,
        trained=[
            Trained(name="policy", model=learner.trained, adam=settings.adam, schedule=_schedule(settings, steps))
        ],
        batches=batches,
        loss=functools.partial(token_loss, model) if kept is None else kept.loss,
        steps=steps,
        settings=settings.loop,
        seed=settings.seed,
        hooks=Hooks(evaluate=evaluate, after_step=after_step, progress=progress),
    ).train()
    tokens = round(settings.epochs * sum(row.length for row in train))
    flops = learner.weights.flops(tokens) if kept is None else kept.flops(learner.weights, tokens)
    run.ledger.add("supervised fine-tuning", flops=flops, seconds=seconds_of(run), tokens=tokens)
    if kept is not None:
        kept.clear()
    return conclude(run, {"model": write})


class KeptTrunk:
    """What frozen lower layers give for the demonstrations, computed once for all epochs: `trunk.bin` in the run.

    The mix's rows are new ones at every step, and pass the lower layers as ever.
    """

    def __init__(self, model: PreTrainedModel, rows: Sequence[Row], path: Path, settings: SFTSettings) -> None:
        self.rows = rows
        decoder = decoder_of(model)
        self.lower, upper = in_two(decoder, freeze_lower(decoder, settings.layout.frozen_share))
        self.policy = RolePolicy(upper, model.get_output_embeddings(), model.config)
        self.file = Kept(path, self.lower, [row.length for row in rows], self._lay, settings.loop)

    def _lay(self, numbers: Sequence[int]) -> Laid:
        return Laid(*stream_of([[*self.rows[number].prompt, *self.rows[number].completion] for number in numbers]))

    def fill(self, steps: int, progress: Progress | None) -> None:
        """Compute what is not there yet, before the first step."""
        done = 0

        def tick(tokens: int) -> None:
            nonlocal done
            done += tokens
            if progress:
                progress(0, steps, {"trunk": done / self.file.tokens})

        self.file.fill(tick)

    def loss(self, micro: Weighted | KeptMicro[Weighted]) -> Loss:
        """Give the loss of a micro-batch, of demonstrations or of the mix."""
        if isinstance(micro, Weighted):
            return token_loss(self.policy, micro)
        self.lower.tell(micro.micro.rows.stream.ids, micro.hidden)
        return token_loss(self.policy, micro.micro)

    def flops(self, weights: Weights, tokens: int) -> float:
        """Estimate the compute of a training on so many tokens, of which the lower layers read each row's once."""
        return weights._replace(read=0).flops(tokens) + 2.0 * weights.read * self.file.tokens

    def clear(self) -> None:
        """Remove what was kept."""
        self.file.clear()


def keep_trunk(model: PreTrainedModel, rows: Sequence[Row], run_dir: Path, settings: SFTSettings) -> KeptTrunk | None:
    """Keep what frozen lower layers give, where they are, and where it is wanted in several epochs."""
    return KeptTrunk(model, rows, run_dir / "trunk.bin", settings) if settings.keeps_trunk else None


class DemonstrationBatches:
    """Steps of demonstrations, with rows of pretraining text beside them; every step is a boundary."""

    at_boundary = True

    def __init__(
        self, rows: Sequence[Row], mix: PackedRows | None, settings: SFTSettings, kept: KeptTrunk | None = None
    ) -> None:
        self.rows, self.mix, self.settings, self.kept = rows, mix, settings, kept
        self.stream = Shuffled(len(rows), settings.seed)

    def next_step(self) -> Step:
        """Draw the demonstrations of one step, and the pretraining rows that go with them."""
        budget, share = self.settings.loop.micro_tokens, self.settings.pretraining_mix
        taken = self.stream.take(self.settings.batch)
        demonstrations = completion_batch([self.rows[i] for i in taken], budget, 1 - share)
        shown: Sequence[Any] = demonstrations if self.kept is None else self.kept.file.beside(taken, demonstrations)
        if self.mix is None:
            return Step({"demonstrations": shown})
        rows = self.mix.take(math.ceil(share * self.settings.batch))
        return Step({"demonstrations": shown, "pretraining": text_batch(rows, budget, share)})

    def state_dict(self) -> dict[str, Any]:
        """Give both cursors."""
        mix = self.mix.stream.state_dict() if self.mix is not None else None
        return {"demonstrations": self.stream.state_dict(), "pretraining": mix}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to both cursors."""
        self.stream.load_state_dict(state["demonstrations"])
        if self.mix is not None:
            self.mix.stream.load_state_dict(state["pretraining"])


def add_residual_dropout(model: PreTrainedModel, rate: float) -> None:
    """Drop parts of what attention and feed-forward blocks add to the residual stream, while the model trains.

    Llama-like configurations have no such setting. The dropout of Vaswani et al. 2017, section 5.4, as in GPT.
    """
    found = branches(model)
    if not found:
        raise SettingsError(f"Residual dropout is not known for {model.config.model_type} models; set dropout = 0.")

    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # what an architecture drops by itself, as GPT-2 does, is not what was asked for
    for module in found:
        module.register_forward_hook(functools.partial(_drop, rate))


def _drop(rate: float, module: nn.Module, _: Any, output: Any) -> Any:
    if not module.training:
        return output
    if isinstance(output, Tensor):
        return functional.dropout(output, rate)
    return (functional.dropout(output[0], rate), *output[1:])


def _mix(settings: SFTSettings, data: SFTData, renderer: Renderer, context: int) -> PackedRows | None:
    if settings.pretraining_mix == 0:
        return None
    if not data.pretraining:
        raise DataError("pretraining_mix is above 0 but there is no pretraining text; give some, or set it to 0.")
    check_rows(settings.mix_row_tokens, context, "mix_row_tokens")
    return PackedRows(data.pretraining, renderer, settings.mix_row_tokens, settings.seed)


def _evaluation(
    model: PreTrainedModel, data: SFTData, renderer: Renderer, settings: SFTSettings
) -> Callable[[], dict[str, float]] | None:
    if not data.heldout:
        return None
    rows = encode_examples(data.heldout, renderer, context_of(model), "held-out demonstrations")
    micros = completion_batch(rows, settings.loop.micro_tokens)
    return lambda: {"heldout/loss": inside([model], measure, model, micros)}


def _epoch_ended(step: int, steps: int, count: int, settings: SFTSettings) -> int:
    """Give the number of the epoch that this step completes, 0 if it completes none.

    A batch larger than the data completes several at once; the last of them gives the number. The last step ends the
    last epoch that was asked for, even where it reads beyond it.
    """
    if step == steps:
        return math.ceil(settings.epochs)
    passes, before = (taken * settings.batch // count for taken in (step, step - 1))
    return passes if passes > before else 0


def _schedule(settings: SFTSettings, steps: int) -> Any:
    return functools.partial(cosine, total=steps, warmup=round(settings.warmup * steps), final=settings.final)
