"""Files of outputs that were made elsewhere: rows of a CSV, TSV or JSON lines file, and the columns that matter."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutelage.errors import DataError
from tutelage.files import BOM, numbered_lines, open_to_read

SEPARATORS = {".csv": ",", ".tsv": "\t"}
LINES = (".jsonl", ".ndjson")
#: Longer cells than any output; the csv module's own limit is 131,072 characters.
LONGEST_CELL = 1 << 30
csv.field_size_limit(LONGEST_CELL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: where its first line stands, and its cells by column, None for a value that is missing."""

    line: int
    cells: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The rows of a file and the columns that it has."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def require(self, names: Sequence[str]) -> None:
        """Refuse names that are no column; DataError says which there are."""
        for name in names:
            if name not in self.columns:
                close = difflib.get_close_matches(name, self.columns, n=1)
                hint = f"; did you mean {close[0]}?" if close else "."
                raise DataError(f"{self.path} has no column {name}{hint} It has {', '.join(self.columns)}.")


def read(path: Path, missing: Sequence[str] = ()) -> Table:
    """Read a file by its ending. DataError for one that is empty, not UTF-8, or not what its ending says.

    Missing are null in JSON lines and cells that hold one of the texts `missing`; an empty cell is an empty text.
    """
    suffix = path.suffix.lower()
    if suffix not in SEPARATORS and suffix not in LINES:
        endings = ", ".join((*SEPARATORS, *LINES))
        raise DataError(f"{path} does not end in {endings}, so its form is not known; rename it.")
    rows = tuple(_objects(path, missing) if suffix in LINES else _cells(path, SEPARATORS[suffix], missing))
    if not rows:
        raise DataError(f"{path} holds no row; give one row per output.")
    return Table(path=path, columns=tuple(dict.fromkeys(name for row in rows for name in row.cells)), rows=rows)


def _cells(path: Path, separator: str, missing: Sequence[str]) -> Iterator[Row]:
    """Yield the rows below the header; a quoted cell may hold line feeds."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    start = 1
    try:
        for cells in reader:
            if cells and not header:
                header = _checked(path, cells)
            elif cells:
                if len(cells) != len(header):
                    raise DataError(
                        f"{path}:{start}: the row has {len(cells)} cells and the header {len(header)}; quote cells "
                        "that hold separators or line feeds."
                    )
                said = (_said(cell, missing) for cell in cells)
                yield Row(line=start, cells=dict(zip(header, said, strict=True)))
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}:{start}: {error}; check the quotes of the row that begins there.") from None


def _checked(path: Path, header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path} has several columns named {', '.join(map(repr, twice))}; rename all but one.")
    return names


def _objects(path: Path, missing: Sequence[str]) -> Iterator[Row]:
    for number, line in numbered_lines(path):
        try:
            found = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}; give one JSON object per line.") from None
        if not isinstance(found, dict):
            raise DataError(f"{path}:{number}: the line is not a JSON object; give one per line.")
        yield Row(line=number, cells={name: _said(value, missing) for name, value in found.items()})


def _said(value: Any, missing: Sequence[str]) -> Any:
    return None if isinstance(value, str) and value.strip() in missing else value


def _text(path: Path) -> str:
    with open_to_read(path) as file:
        raw = file.read().removeprefix(BOM)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: a byte of the line is not UTF-8; save the file as UTF-8.") from None
