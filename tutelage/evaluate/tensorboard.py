"""Write a run's metrics and samples as event files that TensorBoard reads.

A converter, and no writer in the training loop: it works for every run that there is, finished or not, and an
interrupted run, whose metrics are cut back when it goes on, leaves no step twice.
"""

from __future__ import annotations

import math
from pathlib import Path

from tutelage.errors import DataError, MissingError, UserError
from tutelage.runs import Run


def convert(run: Run, out: Path) -> int:
    """Write `run` into a directory of its own and return how many rows of metrics there were."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingError("TensorBoard is not installed; run `pip install 'tutelage[tensorboard]'`.") from None
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there already and not empty; name a new directory, or delete it.")
    rows = run.read_metrics()
    if not rows:
        raise DataError(f"The run {run.directory} has no metrics yet; let it take a step first.")
    with SummaryWriter(str(out)) as writer:
        for row in rows:
            for name, value in row.items():
                if name != "step" and math.isfinite(value):
                    writer.add_scalar(name, value, int(row["step"]))
        for number, sample in enumerate(run.read_samples()):
            text = "\n\n".join(
                f"**{name}**\n\n    {indented(value)}" for name, value in sample.items() if name != "step"
            )
            writer.add_text(f"samples/{number:04d}", text, int(sample["step"]))
    return len(rows)


def indented(value: object) -> str:
    """Write a value as a block of Markdown that is shown as it is: what a model wrote must not become markup."""
    return str(value).replace("\n", "\n    ")
