"""Rows as Parquet, with the type of every column named; it needs the extra `parquet` (pyarrow)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tutelage.errors import MissingError
from tutelage.feedback.export import ROWS, What
from tutelage.records import FLAGS

if TYPE_CHECKING:
    import pyarrow

#: Rows of one row group: what is in memory together.
GROUP = 1000
#: The scales on which toxicity is judged, and the order of the continuations.
TOXICITY = ("beginning", "toxicity", "relative", "continuity", "rank")


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

    text, number, truth = pyarrow.string(), pyarrow.int64(), pyarrow.bool_()
    flags = pyarrow.struct([(name, truth) for name in FLAGS])
    types = {
        "completions": pyarrow.list_(text),
        "ranks": pyarrow.list_(number),
        "cut": pyarrow.list_(truth) if what == "reward" else truth,
        "ratings": pyarrow.list_(number),
        "flags": pyarrow.list_(flags) if what == "reward" else flags,
        **dict.fromkeys(("quality", *TOXICITY), number),
    }
    return pyarrow.schema([(name, types.get(name, text)) for name in ROWS[what].__dataclass_fields__])
