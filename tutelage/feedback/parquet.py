"""Rows as Parquet, with the type of every column named; it needs the extra `parquet` (pyarrow)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tutelage.errors import MissingError
from tutelage.feedback import columns
from tutelage.feedback.export import What
from tutelage.records import FLAGS

if TYPE_CHECKING:
    import pyarrow

#: Rows of one row group: what is in memory together.
GROUP = 1000


@contextmanager
def writer(path: Path, what: What) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Give a function that adds a row to the file; without pyarrow MissingError says how to install it."""
    pyarrow = library()
    shape = schema(what)
    held: list[Mapping[str, Any]] = []
    with pyarrow.parquet.ParquetWriter(path, shape, compression="zstd") as file:

        def flush() -> None:
            file.write_table(pyarrow.Table.from_pylist(held, schema=shape))
            held.clear()

        def add(row: Mapping[str, Any]) -> None:
            held.append(row)
            if len(held) == GROUP:
                flush()

        yield add
        if held:
            flush()


def library() -> Any:
    """Load pyarrow; where it is not installed MissingError says how it is."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingError(
            "Parquet needs the package pyarrow; install it with: pip install 'tutelage[parquet]'"
        ) from error
    return pyarrow


def schema(what: What) -> pyarrow.Schema:
    """Return the columns of an export, in the order of its rows; what nobody answered is null."""
    import pyarrow

    types = {
        "string": pyarrow.string(),
        "int64": pyarrow.int64(),
        "bool": pyarrow.bool_(),
        "flags": pyarrow.struct([(name, pyarrow.bool_()) for name in FLAGS]),
    }
    return pyarrow.schema(
        [
            (column.name, pyarrow.list_(types[column.type]) if column.is_list else types[column.type])
            for column in columns.of(what)
        ]
    )
