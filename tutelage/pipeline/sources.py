"""Where one training takes its data from: JSON lines, or the store by way of the training export.

What comes from the store is written into the run directory before the run begins, and a run that goes on reads it from
there: labels that arrive meanwhile belong to the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tutelage.errors import DataError, MissingError, UserError
from tutelage.feedback import export
from tutelage.feedback.export import DemonstrationRow, ExportSplit, PromptRow, What
from tutelage.files import read_records, write_json
from tutelage.records import Kind, RankedGroup, Stage
from tutelage.runs import RUN_FILE, Run
from tutelage.store import Store, prompts, registry
from tutelage.train import ranks
from tutelage.train.batching import Example

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")
T = TypeVar("T")
#: The hashes of the prompts that a run trained on, in its directory.
PROMPTS_FILE = "prompts.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """A document to pretrain on."""

    text: str


class Sources:
    """The data of one run; each method reads the file it is given, or the store where it is given none."""

    def __init__(self, run_dir: Path, training: str, database: str, kind: Kind = "human", stage: Stage = "ppo") -> None:
        self.run_dir, self.database, self.kind, self.stage = run_dir, database, kind, stage
        self.is_begun = check_run(run_dir, training)

    def examples(self, file: Path | None, split: ExportSplit = "train") -> list[Example]:
        """Return demonstrations."""
        rows = self._rows("demonstrations", file, split, DemonstrationRow)
        return [Example(row.prompt, row.completion) for row in rows]

    def groups(self, file: Path | None, split: ExportSplit = "train") -> list[RankedGroup]:
        """Return rankings."""
        return self._rows("rankings", file, split, RankedGroup)

    def prompts(self, file: Path | None, split: ExportSplit = "train") -> list[str]:
        """Return prompts without answers; those of the store are set aside for the stage."""
        return [row.prompt for row in self._rows("prompts", file, split, PromptRow)]

    def _rows(self, what: What, file: Path | None, split: ExportSplit, record: type[R]) -> list[R]:
        if file is not None:
            return _read(file, record)
        kept = self.run_dir / "data" / f"{what}-{split}-{self.stage if what == 'prompts' else self.kind}"
        with ranks.in_turn():
            return self._kept(what, split, record, kept)

    def _kept(self, what: What, split: ExportSplit, record: type[R], kept: Path) -> list[R]:
        if (self.is_begun or not ranks.is_first()) and (kept / "rows.jsonl").exists():
            return read_records(kept / "rows.jsonl", record)
        with Store.open(self.database, create=False) as store:
            found = export.select(store, what, kind=self.kind, split=split, stage=self.stage)
        if split == "train":
            export.check_rows(found, self.kind)
        if not self.is_begun:
            export.write(found, kept)
        return list(found.rows)


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


def note_prompts(run_dir: Path, seen: Iterable[str]) -> None:
    """Leave the hashes of the prompts that a finished run trained on in its directory."""
    write_json(run_dir / PROMPTS_FILE, sorted({prompts.text_hash(text) for text in seen}))


def _read(file: Path, record: type[R]) -> list[R]:
    rows = read_records(file, record)
    if not rows:
        raise DataError(f"{file} holds no row; give one JSON object per line.")
    return rows
