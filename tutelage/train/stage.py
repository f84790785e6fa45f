"""What every trainer does around its loop: open the run, say what it is made from, write what it made."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from tutelage.config import Settings
from tutelage.models.attention import compute_streams
from tutelage.models.distributed import shard, size
from tutelage.models.load import decoder_of
from tutelage.models.norms import narrow_norms
from tutelage.models.recompute import nothing, recompute_layers
from tutelage.runs import Run
from tutelage.train import ranks
from tutelage.train.loop import LoopSettings, uses_bf16
from tutelage.train.memory import keep_freed_memory

logger = logging.getLogger(__name__)

#: Called after every optimizer step with the step, the number of steps and the step's metrics.
Progress = Callable[[int, int, Mapping[str, float]], None]


class TrainingSettings(Settings):
    """What the settings of every trainer hold."""

    seed: int = 0
    """Decides everything that is drawn at random."""
    loop: LoopSettings = LoopSettings()
    """Checkpoints, evaluation, micro-batches and device."""


class Origin(NamedTuple):
    """Where a run is, or will be, and what it is made from: its stage, settings, and parents by content hash."""

    run_dir: Path
    stage: str
    settings: TrainingSettings
    parents: Mapping[str, str]

    @property
    def seeds(self) -> dict[str, int]:
        """Name what decides everything that is drawn."""
        return {"seed": self.settings.seed}


def finished(origin: Origin) -> Path | None:
    """Give the model of a run that ended before, None where there is work to do; refuse a run of something else.

    Nothing is written. A trainer looks at its models and data between this and `begin`, so that what is refused leaves
    nothing behind, and the same directory can be used once it is mended.
    """
    run_dir, stage, settings, parents = origin
    if not settings.loop.gradient_checkpointing:  # who computes twice to save memory wants none kept
        keep_freed_memory()
    ranks.check_same({"settings": settings.model_dump(mode="json"), "parents": dict(parents)})
    run = Run.begun(run_dir, stage=stage, settings=settings, parents=parents, seeds=origin.seeds)
    if run is None or not run.is_finished:
        return None
    drop_checkpoints(run)
    return run.output("model")


def begin(origin: Origin) -> Run:
    """Create or go on with a run; a machine that differs from the one it began on is told, for bits may then differ."""
    run_dir, stage, settings, parents = origin
    made_on = platform(settings.loop.device)
    with ranks.in_turn():
        if not ranks.is_first():
            return ranks.Onlooker.open(run_dir)
        run = Run.begin(run_dir, stage=stage, settings=settings, parents=parents, seeds=origin.seeds, platform=made_on)
        for torn in (*run.directory.glob(".*.part"), *run.directory.glob(".*.old")):
            shutil.rmtree(torn) if torn.is_dir() else torn.unlink()
        for sentence in run.changes:
            logger.warning("This run may end with other bits than an unbroken one would: %s.", sentence)
        return run


def platform(device: str) -> dict[str, Any]:
    """Describe the machine as far as the bits of a result depend on it."""
    return {
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "device": device,
        "ranks": size(),
    }


def move(model: nn.Module, settings: LoopSettings, way: Callable[[], object] = nothing) -> None:
    """Put a model where it is to be trained, with the fastest attention there; recompute if asked, cut it over ranks.

    `way` tells how layers that several roles share compute at present.
    """
    model.to(settings.device)
    compute_streams(decoder_of(model))
    if settings.device == "cpu" and uses_bf16(settings):
        narrow_norms(decoder_of(model))
    if settings.gradient_checkpointing:
        recompute_layers(decoder_of(model), way)
    shard(model)


def conclude(run: Run, outputs: Mapping[str, Callable[[Path], object]], kept: Sequence[str] = ()) -> Path:
    """Write each output directory atomically, finish the run, drop its checkpoints; return the directory `model`.

    `kept` names outputs that were written on the way.
    """
    for name, write in outputs.items():
        with ranks.directory(run.directory / name) as part:
            write(part)
    run.finish({name: name for name in (*outputs, *kept)})
    ranks.wait()
    drop_checkpoints(run)
    return run.directory / "model"


def drop_checkpoints(run: Run) -> None:
    """Remove what only an unfinished run needs."""
    if ranks.is_first():
        shutil.rmtree(run.directory / "checkpoints", ignore_errors=True)


def seconds_of(run: Run, name: str = "seconds") -> float:
    """Sum the seconds that a run logged under a name, those before an interruption included."""
    return float(sum(row.get(name, 0.0) for row in run.read_metrics()))


class Weights(NamedTuple):
    """How many weights of a model are trained, are frozen but carry a gradient to others, or lie below any gradient."""

    trained: int = 0
    carried: int = 0
    read: int = 0

    def flops(self, trained_tokens: float, read_tokens: float = 0) -> float:
        """Estimate compute: per weight 2 operations for a token that is read, 2 more where a gradient passes through
        the weight, and 2 more where it is trained.

        Kaplan et al. 2020, section 2.1, without attention's share that grows with the context; tied weights count once.
        """
        learning = 6.0 * self.trained + 4.0 * self.carried + 2.0 * self.read
        return learning * trained_tokens + 2.0 * sum(self) * read_tokens


def count(model: nn.Module) -> int:
    """Count a model's weights; tied ones count once."""
    return sum(weight.numel() for weight in model.parameters())


def trainable_flops(model: nn.Module, trained_tokens: int, read_tokens: int = 0) -> float:
    """Estimate the compute of a model all of whose weights are trained."""
    return Weights(trained=count(model)).flops(trained_tokens, read_tokens)
