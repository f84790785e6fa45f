"""What models learned from: prompts by hash and labels by id, from a training's rows to the registry and back.

A training leaves `seen.json` in its run directory. A model has seen what its run has, and what all have seen that it
was made from: so a withdrawal can name the models and runs that it touches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tutelage.errors import UserError
from tutelage.feedback.export import PPORow, RatingRow, RewardRow, SFTRow
from tutelage.files import read_json, write_json
from tutelage.runs import Run, find_runs, lineage
from tutelage.store import Store, prompts, registry

if TYPE_CHECKING:
    from tutelage.pipeline.stages import Workspace

#: In the directory of a run that is finished.
FILE = "seen.json"


@dataclass(frozen=True, slots=True)
class Seen:
    """Hashes of prompts, and ids of labels; both grow while rows are read."""

    prompts: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)

    def note(self, row: SFTRow | RewardRow | PPORow | RatingRow) -> None:
        """Take in a row of training data; rows from elsewhere have no label id."""
        self.prompts.add(prompts.text_hash(row.prompt))
        if not isinstance(row, PPORow) and row.label_id:
            self.labels.add(row.label_id)

    def add(self, other: Seen) -> None:
        """Take in what another has seen."""
        self.prompts.update(other.prompts)
        self.labels.update(other.labels)

    def write(self, run_dir: Path) -> None:
        """Leave it in the directory of a finished run."""
        write_json(run_dir / FILE, {"prompts": sorted(self.prompts), "labels": sorted(self.labels)})

    @classmethod
    def read(cls, run_dir: Path) -> Seen:
        """Return what a run left, nothing where it left none."""
        if not (run_dir / FILE).is_file():
            return cls()
        found = read_json(run_dir / FILE)
        return cls(set(found["prompts"]), set(found["labels"]))


def by_run(store: Store, run: Run, runs: Path) -> Seen:
    """Collect what a run and all it was made from have seen: runs under a folder, and registered models."""
    ancestors = list(lineage(run, _readable(runs)))
    found = Seen()
    for one in [run, *(ancestor.run for ancestor in ancestors if ancestor.run)]:
        found.add(Seen.read(one.directory))
    hashes = {ancestor.sha256 for ancestor in ancestors}
    for model in registry.find(store):
        if model.sha256 in hashes:
            found.add(Seen(registry.prompt_hashes(store, model), registry.label_ids(store, model)))
    return found


def by_models(space: Workspace, asked: Iterable[PPORow], *, has_baseline: bool = True) -> dict[str, Seen]:
    """Return what each model of a pipeline has seen, by its name there; `asked` are the prompts of PPO.

    The reward model begins at PPO's start, and PPO learns from both.
    """
    start, reward = (Seen.read(space.directory(stage) / "run") for stage in ("start", "reward"))
    ppo = Seen()
    reward.add(start)
    ppo.add(reward)
    for row in asked:
        ppo.note(row)
    made = {"base": Seen(), "start": start, "reward": reward, "ppo": ppo, "ppo_ptx": ppo}
    if not has_baseline:
        return made
    baseline = Seen.read(space.directory("sft") / "run")
    return made | {"sft": baseline, "baseline": baseline}


def touched(runs: Path, gone: Seen) -> Iterator[tuple[Path, int]]:
    """Yield the runs under a folder that saw any of these prompts or labels, themselves or by lineage, and how many."""
    readable = _readable(runs)
    own = {run.directory: Seen.read(run.directory) for run in readable}
    for run in readable:
        found = Seen()
        found.add(own[run.directory])
        for ancestor in lineage(run, readable):
            if ancestor.run is not None:
                found.add(own[ancestor.run.directory])
        number = len(found.prompts & gone.prompts) + len(found.labels & gone.labels)
        if number:
            yield run.directory, number


def _readable(runs: Path) -> list[Run]:
    readable = []
    for directory in find_runs(runs) if runs.is_dir() else []:
        try:
            readable.append(Run.open(directory))
        except UserError:  # a run of another version made nothing that this version could have read
            continue
    return readable
