"""Keep the best model of a run by what it scored on prompts that it is not trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tutelage.runs import CHOSEN_BY, Run
from tutelage.train import ranks


class Best:
    """Measures, and writes the model wherever it is better than at every evaluation before.

    What was best before stands in the run's metrics, which a resumed run cuts back to the step it goes on from: so an
    interrupted run ends with the same model as an unbroken one.
    """

    def __init__(self, run: Run, measure: Callable[[], Mapping[str, float]], write: Callable[[Path], object]) -> None:
        self.run, self.measure, self.write = run, measure, write

    def evaluate(self) -> dict[str, float]:
        """Measure; keep what is the best so far."""
        found = dict(self.measure())
        before = self.run.read_metrics()
        for name, metric in CHOSEN_BY.items():
            if metric in found and ranks.agreed(all(found[metric] > row[metric] for row in before if metric in row)):
                with ranks.directory(self.run.directory / name) as part:
                    self.write(part)
        return found

    def kept(self) -> tuple[str, ...]:
        """Name the outputs that were written."""
        return tuple(name for name in CHOSEN_BY if (self.run.directory / name).is_dir())
