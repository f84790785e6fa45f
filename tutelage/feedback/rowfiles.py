"""Rows of data sets that others made: JSON lines, CSV and Parquet, one at a time, whatever the size of the file.

What is wrong with a row is told by its line and leaves the others alone; what is wrong with the whole file is an error.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from tutelage.errors import DataError, SettingsError
from tutelage.feedback import parquet
from tutelage.files import BOM, open_to_read

#: Bytes of a row. No prompt with its answers is as long; a row that is was made by mistake, and is never held whole.
LARGEST = 4 << 20
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
TOO_LARGE = f"the row is larger than {LARGEST >> 20} MB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row by its line (of Parquet its number), from 1, with its values by name."""

    line: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a row cannot be used."""

    line: int
    reason: str


def read(path: Path) -> Iterator[Row | Fault]:
    """Yield the rows of a file; its name's end says what it is, and .gz behind that of text that it is packed."""
    name = path.name.lower()
    if name.endswith(".parquet"):
        return _parquet(path)
    if name.endswith((".jsonl", ".jsonl.gz")):
        return _json_lines(path)
    if name.endswith((".csv", ".csv.gz")):
        return _csv(path)
    raise SettingsError(f"{path}: only files that end in .jsonl, .jsonl.gz, .csv, .csv.gz or .parquet can be read.")


def _json_lines(path: Path) -> Iterator[Row | Fault]:
    for line, raw in _records(path, quotes=False):
        text = _decoded(line, raw)
        if isinstance(text, Fault):
            yield text
        elif text.strip(" \t\r\n"):
            try:
                found = json.loads(text)
            except (ValueError, RecursionError) as error:
                yield Fault(line=line, reason=f"the line is not JSON: {_first_line(error)}")
                continue
            yield Row(line=line, fields=found) if isinstance(found, dict) else _no_object(line)


def _no_object(line: int) -> Fault:
    return Fault(line=line, reason="the line is no JSON object")


def _csv(path: Path) -> Iterator[Row | Fault]:
    """Read CSV as RFC 4180 has it, with names in the first row; a cell may hold line ends in quotes, or be None."""
    csv.field_size_limit(LARGEST)
    header: list[str] = []
    for line, raw in _records(path, quotes=True):
        text = _decoded(line, raw)
        if not isinstance(text, Fault) and not text.strip(" \t\r\n"):
            continue
        cells = text if isinstance(text, Fault) else _cells(line, text)
        if not header:
            header = _header(path, cells)
        elif isinstance(cells, Fault):
            yield cells
        elif len(cells) != len(header):
            yield Fault(line=line, reason=f"the row has {len(cells)} cells and the first row {len(header)}")
        else:
            values = {name: cell or None for name, cell in zip(header, cells, strict=True)}
            yield Row(line=line, fields=values)


def _header(path: Path, cells: list[str] | Fault) -> list[str]:
    if isinstance(cells, Fault):
        raise DataError(f"{path}: the first row has no names of columns that can be read: {cells.reason}.")
    if len(set(cells)) < len(cells):
        raise DataError(f"{path}: two columns have one name; give every column its own in the first row.")
    return cells


def _cells(line: int, text: str) -> list[str] | Fault:
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        return Fault(line=line, reason=f"the row is not CSV: {error}")


def _parquet(path: Path) -> Iterator[Row | Fault]:
    pyarrow = parquet.library()
    with open_to_read(path) as file:
        try:
            for line, row in enumerate(_parquet_rows(pyarrow, file), start=1):
                yield _parquet_row(line, row)
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{path} is no Parquet file that can be read: {_first_line(error)}.") from None


def _parquet_rows(pyarrow: Any, file: IO[bytes]) -> Iterator[Any]:
    for batch in pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=256):
        for number in range(batch.num_rows):
            yield batch.slice(number, 1)


def _parquet_row(line: int, row: Any) -> Row | Fault:
    if row.nbytes > LARGEST:
        return Fault(line=line, reason=TOO_LARGE)
    try:
        return Row(line=line, fields=row.to_pylist()[0])
    except UnicodeDecodeError:
        return Fault(line=line, reason="a text is not UTF-8")


def _records(path: Path, *, quotes: bool) -> Iterator[tuple[int, bytes | None]]:
    """Yield the line on which each record begins, and its bytes, or None where they are too many.

    With `quotes` a line end between quotes belongs to the record.
    """
    with open_to_read(path) as raw, cast("IO[bytes]", gzip.open(raw) if path.suffix.lower() == ".gz" else raw) as file:
        try:
            yield from _cut(path, file, quotes)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(f"{path} is no whole gzip file: {error}.") from None


def _cut(path: Path, file: IO[bytes], quotes: bool) -> Iterator[tuple[int, bytes | None]]:
    line, begun, size, is_open = 1, 1, 0, False
    held: list[bytes] = []
    while piece := file.readline(LARGEST):
        if line == 1 and not size:
            if piece.startswith(UTF_16):
                raise DataError(f"{path} is UTF-16; save it as UTF-8.")
            piece = piece.removeprefix(BOM)
        size += len(piece)
        if size <= LARGEST:
            held.append(piece)
        is_open ^= quotes and piece.count(b'"') % 2 == 1
        if piece.endswith(b"\n"):
            line += 1
            if not is_open:
                yield begun, b"".join(held) if size <= LARGEST else None
                begun, held, size = line, [], 0
    if size:
        # In quotes that are never closed, CSV's own reader says what is wrong.
        yield begun, b"".join(held) if size <= LARGEST else None


def _decoded(line: int, raw: bytes | None) -> str | Fault:
    if raw is None:
        return Fault(line=line, reason=TOO_LARGE)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return Fault(line=line, reason=f"byte {error.start + 1} of the row is not UTF-8; save the file as UTF-8")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
