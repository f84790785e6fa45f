"""Which columns of a file say what, and what a row's cells give when they are scored."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutelage.core.clusters import Floats
from tutelage.errors import DataError, SettingsError
from tutelage.evaluate.metrics import bleu, squad
from tutelage.evaluate.metrics.sets import MetricSet
from tutelage.evaluate.outputs import Row

YES, NO = ("yes", "true", "1"), ("no", "false", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns that name group, item (an id, or the prompt itself), cluster and labeler, and those that hold texts.

    `separator` divides several references in a cell, or the spans of an answer where the task has spans. Cells that
    hold one of `missing` are missing, and so are empty ones; with `empty_counts` an empty output is one. An output that
    is one of `no_answer` says that there is no answer.
    """

    by: tuple[str, ...] = ()
    item: tuple[str, ...] = ()
    cluster: str = ""
    labeler: str = ""
    output: str = ""
    references: tuple[str, ...] = ()
    score: str = ""
    separator: str = ""
    missing: tuple[str, ...] = ()
    empty_counts: bool = False
    no_answer: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """List the columns that are named."""
        one = (self.cluster, self.labeler, self.output, self.score)
        return [name for name in (*self.by, *self.item, *self.references, *one) if name]

    def check(self, chosen: MetricSet) -> None:
        """Refuse columns that the task cannot use, or lacks (SettingsError)."""
        texts = chosen.cells in ("texts", "spans")
        if texts and not (self.output and self.references):
            raise SettingsError(f"The task {chosen.task} compares texts: name --output and --reference.")
        if not texts and not self.score:
            raise SettingsError(f"The task {chosen.task} reads ready figures: name their column with --score.")
        if (texts and self.score) or (not texts and (self.output or self.references)):
            raise SettingsError(
                f"The task {chosen.task} takes {'--output and --reference' if texts else '--score'} only; leave the "
                "other columns out."
            )
        if self.no_answer and not chosen.no_answer:
            raise SettingsError(f"The task {chosen.task} has an answer to every question; --no-answer is for squad2.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What a row gives: its values by metric (of BLEU the row's sums), none where `missing` names what it lacks."""

    group: tuple[str, ...]
    item: str
    cluster: str
    labeler: str
    values: Mapping[str, float | Floats]
    missing: str = ""


class Cells:
    """Reads and scores rows; DataError names the line of a cell that cannot be read."""

    def __init__(self, path: Path, columns: Columns, chosen: MetricSet) -> None:
        self._path, self._columns, self._set = path, columns, chosen
        self._bleu = bleu.counter() if chosen.task == "bleu" else None
        self._no_answer = {squad.normalise(text) for text in columns.no_answer}

    def scored(self, row: Row) -> Scored:
        """Score a row."""
        columns = self._columns
        # Without items every row is one by itself.
        item = self._name(row, columns.item) if columns.item else str(row.line)
        found = self._ready(row) if columns.score else self._compared(row)
        return Scored(
            group=tuple(_text(row.cells.get(name)) for name in columns.by),
            item=item,
            cluster=self._name(row, (columns.cluster,)) if columns.cluster else item,
            labeler=self._name(row, (columns.labeler,)) if columns.labeler else "",
            values={} if isinstance(found, str) else found,
            missing=found if isinstance(found, str) else "",
        )

    def _name(self, row: Row, columns: Sequence[str]) -> str:
        values = [_text(row.cells.get(name)) for name in columns]
        if not any(values):
            raise DataError(
                f"{self._path}:{row.line}: {' and '.join(columns)} is empty; name rows that belong together."
            )
        return values[0] if len(values) == 1 else json.dumps(values)

    def _ready(self, row: Row) -> Mapping[str, float] | str:
        value = row.cells.get(self._columns.score)
        number = self._number(row, value)
        if number is None:
            return "score"
        if self._set.cells == "rate" and not 0 <= number <= 1:
            raise self._unread(row, value, "yes, no or a number from 0 to 1")
        return {self._set.metrics[0]: number}

    def _number(self, row: Row, value: Any) -> float | None:
        """Read a number, or yes and no; None where it is missing, which NaN says too."""
        word = _text(value).strip().lower()
        if self._set.cells == "rate" and word in (*YES, *NO):
            return float(word in YES)
        try:
            number = float(word) if word else math.nan
        except ValueError:
            number = math.inf
        if math.isinf(number):
            raise self._unread(row, value, "a number")
        return None if math.isnan(number) else number

    def _unread(self, row: Row, value: Any, wanted: str) -> DataError:
        return DataError(
            f"{self._path}:{row.line}: {self._columns.score} is {value!r:.80}, not {wanted}; say with --missing what "
            "stands for a missing value."
        )

    def _compared(self, row: Row) -> Mapping[str, float | Floats] | str:
        spans = self._spans(row, self._columns.output)
        empty_counts = self._columns.empty_counts or self._set.no_answer
        if spans is None or not (empty_counts or any(span.strip() for span in spans)):
            return "output"
        if squad.normalise(spans[0]) in self._no_answer:
            spans = ("",)
        references = self._references(row)
        if references is None:
            return "reference"
        if self._bleu is not None:
            return {"bleu": bleu.sums(self._bleu, spans[0], [one[0] for one in references])}
        assert self._set.score is not None, f"{self._set.task} has no score"
        return self._set.score(spans, references)

    def _spans(self, row: Row, column: str) -> tuple[str, ...] | None:
        """Read an output, several spans where the task has such; None where it is missing."""
        value = row.cells.get(column)
        if value is None:
            return None
        if self._set.cells == "spans":
            return self._several(row, column, value) or ("",)
        if isinstance(value, (list, dict)):
            raise DataError(f"{self._path}:{row.line}: {column} is {value!r:.80}, not a text; give one output per row.")
        return (_text(value),)

    def _references(self, row: Row) -> list[tuple[str, ...]] | None:
        """Read all references; None where there is none, unless that says that there is no answer."""
        cells = [(name, row.cells[name]) for name in self._columns.references if row.cells.get(name) is not None]
        if self._set.cells == "spans":
            several = [
                (name, one)
                for name, value in cells
                for one in (value if isinstance(value, list) and any(isinstance(x, list) for x in value) else [value])
            ]
            found = [self._several(row, name, value) for name, value in several]
        else:
            found = [(text,) for name, value in cells for text in self._several(row, name, value)]
        found = [spans for spans in found if any(span.strip() for span in spans)]
        return found if found or (cells and self._set.no_answer) else None

    def _several(self, row: Row, column: str, value: Any) -> tuple[str, ...]:
        """Read the texts of a cell: a list's, or those that the separator divides."""
        if isinstance(value, list) and all(isinstance(one, (str, int, float)) for one in value):
            return tuple(map(_text, value))
        if isinstance(value, (list, dict)):
            raise DataError(
                f"{self._path}:{row.line}: {column} is {value!r:.80}, neither a text nor a list of texts; write it so."
            )
        text = _text(value)
        if not self._columns.separator:
            return (text,)
        return tuple(part.strip() for part in text.split(self._columns.separator) if part.strip())


def _text(value: Any) -> str:
    """Write a cell as a text; a missing one is empty."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
