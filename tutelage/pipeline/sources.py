"""Where one training takes its data from: JSON lines, or the store by way of the training export.

What comes from the store is written into the run directory before the run begins, and a run that goes on reads it from
there: labels that arrive meanwhile belong to the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tutelage.errors import DataError, MissingError, UserError
from tutelage.feedback import dataset, export
from tutelage.feedback.export import ExportSplit, PPORow, Query, RatingRow, RewardRow, SFTRow, What
from tutelage.files import iterate_records
from tutelage.pipeline.seen import Seen
from tutelage.records import Kind, RankedGroup, Stage
from tutelage.runs import RUN_FILE, Run
from tutelage.store import Store, registry
from tutelage.train import ranks
from tutelage.train.batching import Example

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")
T = TypeVar("T")
AnyRow = TypeVar("AnyRow", SFTRow, RewardRow, PPORow, RatingRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """A document to pretrain on."""

    text: str


class Sources:
    """The data of one run; each method reads the file it is given, or the store where it is given none.

    `seen` gathers the prompts and labels of all that is trained on.
    """

    def __init__(self, run_dir: Path, training: str, database: str, kind: Kind = "human", stage: Stage = "ppo") -> None:
        self.run_dir, self.database, self.kind, self.stage = run_dir, database, kind, stage
        self.is_begun = check_run(run_dir, training)
        self.seen = Seen()

    def examples(self, file: Path | None, split: ExportSplit = "train") -> list[Example]:
        """Return demonstrations."""
        return [Example(row.prompt, row.completion) for row in self._rows("sft", file, split, SFTRow)]

    def groups(self, file: Path | None, split: ExportSplit = "train") -> list[RankedGroup]:
        """Return rankings."""
        return [row.group() for row in self._rows("reward", file, split, RewardRow)]

    def prompts(self, file: Path | None, split: ExportSplit = "train") -> list[str]:
        """Return prompts without answers; those of the store are set aside for the stage."""
        return [row.prompt for row in self._rows("ppo", file, split, PPORow)]

    def ratings(self, split: ExportSplit = "train") -> list[RatingRow]:
        """Return the store's ratings of single outputs."""
        return list(self._rows("ratings", None, split, RatingRow))

    def _rows(self, what: What, file: Path | None, split: ExportSplit, record: type[AnyRow]) -> Iterator[AnyRow]:
        if file is not None:
            rows: Iterable[AnyRow] = _read(file, record)
        else:
            with ranks.in_turn():
                rows = self._kept(Query(what=what, kind=self.kind, split=split, stage=self.stage), record)
        for row in rows:
            if split == "train":
                self.seen.note(row)
            yield row

    def _kept(self, query: Query, record: type[AnyRow]) -> Iterable[AnyRow]:
        kept = self.run_dir / "data" / f"{query.what}-{query.split}-{self._of(query.what)}"
        if (self.is_begun or not ranks.is_first()) and (kept / dataset.ROWS).exists():
            return iterate_records(kept / dataset.ROWS, record)
        with Store.open(self.database, create=False) as store:
            if self.is_begun:  # with other data: the trainer will say so, and nothing is written
                return [line.row for line in export.lines(store, query)]
            dataset.write(store, query, kept, replace=True, may_be_empty=query.split != "train")
        return iterate_records(kept / dataset.ROWS, record)

    def _of(self, what: What) -> str:
        return self.stage if what == "ppo" else self.kind


def check_run(run_dir: Path, stage: str) -> bool:
    """Say whether a directory holds a run already; one of another stage or version is refused before it is touched."""
    if not (run_dir / RUN_FILE).exists():
        return False
    found = Run.open(run_dir).stage
    if found != stage:
        raise UserError(f"{run_dir} is a run of the stage {found} and not of {stage}; choose another directory.")
    return True


def with_heldout(
    read: Callable[[Path | None, ExportSplit], list[T]], data: Path | None, heldout: Path | None
) -> tuple[list[T], list[T]]:
    """Read what to train on and what to measure on; the latter comes from the store only if the former does too."""
    measured = read(heldout, "validation") if heldout is not None or data is None else []
    return read(data, "train"), measured


def texts(file: Path | None) -> list[str]:
    """Read documents, one `{"text": ...}` per line; none without a file."""
    return [row.text for row in _read(file, TextRow)] if file is not None else []


def find_model(name: str, database: str) -> Path:
    """Find a model by directory, or by alias or name in the registry."""
    if Path(name).is_dir() or "/" in name:
        return Path(name)
    try:
        with Store.open(database, create=False) as store:
            return Path(registry.get(store, name).path)
    except MissingError as error:
        raise MissingError(f"There is no model directory {name}, and the registry does not help: {error}") from None


def _read(file: Path, record: type[R]) -> Iterator[R]:
    is_empty = True
    for row in iterate_records(file, record):
        is_empty = False
        yield row
    if is_empty:
        raise DataError(f"{file} holds no row; give one JSON object per line.")
